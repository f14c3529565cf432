// The flow explorer's page: a filter line in the words of `hubble observe`, a live table, replay, one flow's detail.

const CL_SPEEDS = [1, 2, 5, 20, 100];
const CL_QUIET = 1000;  // replay passes over longer silence, in milliseconds of the flows' time

function clQuote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** The filter line, its faults, the chips, and the controls that write into it. */
function clFilters(frame, rows) {
  const input = clNode("input", {
    class: "cl-mono cl-line", spellcheck: "false", autocomplete: "off", "aria-describedby": "",
    placeholder: "--namespace shop --verdict DROPPED", "aria-label": "Filter, as flags of hubble observe",
  });
  const fault = clNode("div", { class: "cl-problem cl-fault", role: "alert", hidden: true });
  const notes = clNode("p", { class: "cl-notes", hidden: true });
  const chips = clNode("ul", { class: "cl-chips", "aria-label": "Filters in force" });
  const shell = clNode("code", { class: "cl-command", tabindex: 0, role: "textbox", "aria-readonly": "true",
    "aria-label": "Equivalent command for a terminal" });
  const copy = clNode("button", { type: "button" }, "Copy command");
  const flag = clNode("select", { "aria-label": "Flag of the new filter" });
  const value = clNode("input", { "aria-label": "Value of the new filter", class: "cl-mono", placeholder: "value" });
  const known = clNode("datalist");
  const not = clNode("input", { type: "checkbox" });
  const usage = clNode("span", { class: "cl-usage" });
  const dropped = clNode("button", { type: "button", "aria-pressed": "false" }, "Only dropped");
  const form = clNode(
    "form", { class: "cl-bar" }, clNode("span", { class: "cl-mono", "aria-hidden": "true" }, "$ hubble observe"),
    input, clNode("button", { type: "submit" }, "Apply"), dropped);
  const adding = clNode(
    "form", { class: "cl-bar cl-adding" }, clNode("span", {}, "Add a filter:"), clNode("label", {}, not, "not"), flag,
    value, known, clNode("button", { type: "submit" }, "Add"), usage);
  const equivalent = clNode(
    "div", { class: "cl-bar" }, clNode("span", {}, "In a terminal:"), shell, copy);
  known.id = `cl-known-${Math.random().toString(36).slice(2)}`;
  value.setAttribute("list", known.id);
  let flags = [], conditions = [], applied = "", settled = "";

  const bare = (line) => line.replace(/^\s*hubble\s+observe(\s+flows)?\s*/, "");
  const send = (line) => {
    settled = input.value;
    frame.send("command", { line });
  };
  const has = (words) => conditions.some(([text]) => text === words);

  function append(words) {
    input.value = `${input.value.trim()} ${words}`.trim();
    send(input.value);
  }

  function remove(words) {
    const found = conditions.find(([text]) => text === words);
    if (!found) return;
    input.value = `${applied.slice(0, found[1])}${applied.slice(found[2])}`.replace(/\s+/g, " ").trim();
    send(input.value);
  }

  function suggest() {
    const found = flags.find(([name]) => name === flag.value);
    if (!found) return;
    usage.textContent = found[1];
    value.disabled = found[2];
    const values = new Set();
    const base = flag.value.replace(/^(from|to)-/, "");
    const fixed = {
      verdict: ["FORWARDED", "DROPPED", "REDIRECTED", "AUDIT", "ERROR", "TRACED", "TRANSLATED"],
      type: ["drop", "l7", "policy-verdict", "trace", "trace-sock"], protocol: ["tcp", "udp", "icmp", "http", "dns"],
      "traffic-direction": ["ingress", "egress"], identity: ["world", "host", "remote-node", "health", "kube-apiserver"],
      "http-status": ["200", "403", "4+", "5+"],
    }[base];
    if (fixed) fixed.forEach((text) => values.add(text));
    else if (["pod", "namespace", "port"].includes(base)) {
      for (let row = rows.end - 1; row >= Math.max(rows.base, rows.end - 500); row--) {
        for (const column of [0, 3]) {
          const name = rows.text(row, column);
          if (base === "port") values.add(String(rows.value(row, 4)));
          else if (name.includes("/")) values.add(base === "pod" ? name : name.split("/")[0]);
        }
      }
    }
    known.replaceChildren(...[...values].sort().slice(0, 60).map((text) => clNode("option", { value: text })));
  }

  frame.listen(form, "submit", (event) => {
    event.preventDefault();
    send(input.value);
  });
  frame.listen(adding, "submit", (event) => {
    event.preventDefault();
    if (!value.disabled && !value.value) {
      value.focus();
      return;
    }
    append(`${not.checked ? "--not " : ""}--${flag.value}${value.disabled ? "" : ` ${clQuote(value.value)}`}`);
    value.value = "";
  });
  frame.listen(flag, "change", suggest);
  frame.listen(value, "focus", suggest);
  frame.listen(dropped, "click", () => {
    if (has("--verdict DROPPED")) remove("--verdict DROPPED");
    else append("--verdict DROPPED");
  });
  frame.listen(copy, "click", async () => {
    const done = await clCopy(shell.textContent);
    copy.textContent = done ? "Copied" : "Not copied";
    frame.say(done ? "Command copied" : "The command could not be copied; select it and copy it");
    setTimeout(() => { copy.textContent = "Copy command"; }, 1500);
  });

  frame.on("command", (content) => {
    conditions = content.conditions;
    if (content.fault) {
      const [what, from, to] = content.fault;
      fault.replaceChildren(
        clNode("code", {}, content.line.slice(0, from), clNode("mark", {}, content.line.slice(from, to)),
          content.line.slice(to)), ` ${what}. What was in force stays.`);
      input.setAttribute("aria-invalid", "true");
      if (document.activeElement === input) input.setSelectionRange(from, to);
    } else {
      input.removeAttribute("aria-invalid");
      shell.textContent = content.shell;
    }
    fault.hidden = !content.fault;
    applied = bare(content.valid);
    const shift = content.valid.length - applied.length;
    conditions = conditions.map(([text, from, to]) => [text, from - shift, to - shift]);
    const typing = input.value !== settled;  // since the last command was sent or told: that stays
    if (!typing && (document.activeElement !== input || !content.fault)) input.value = settled = bare(content.line);
    frame.keep(bare(content.own), applied === bare(content.own) ? null : applied, send);
    notes.hidden = !content.notes.length;
    notes.textContent = content.notes.join(" ");
    dropped.setAttribute("aria-pressed", has("--verdict DROPPED"));
    chips.hidden = !conditions.length;
    chips.replaceChildren(...conditions.map(([text]) => clNode(
      "li", { class: "cl-chip" }, clNode("code", {}, text),
      clNode("button", { type: "button", "aria-label": `Remove ${text}`, onclick: () => remove(text) }, "✕"))));
  });
  frame.on("vocabulary", (content) => {
    if (flags.length) return;
    flags = content.flags;
    flag.replaceChildren(...flags.map(([name]) => clNode("option", { value: name }, `--${name}`)));
    flag.value = "to-pod";
    suggest();
  });
  return { node: clNode("div", {}, form, fault, notes, chips, adding, equivalent), append, focus: () => input.focus() };
}

/** Pause, replay with a slider over the flows' time, speed. */
function clReplay(frame, rows, grid, counted) {
  const pause = clNode("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const replay = clNode("button", { type: "button", "aria-pressed": "false" }, "Replay");
  const play = clNode("button", { type: "button" }, "▶ Play");
  const slider = clNode("input", { type: "range", min: 0, max: 1000, value: 1000, "aria-label": "Time of the replay" });
  const speed = clNode("select", { "aria-label": "Speed of the replay" },
    ...CL_SPEEDS.map((factor) => clNode("option", { value: factor }, `${factor}×`)));
  const clock = clNode("output", { class: "cl-mono" });
  const panel = clNode("span", { class: "cl-bar cl-replay", hidden: true }, play, slider, speed, clock);
  let paused = false, held = 0, moment = 0, playing = 0, before = 0;

  const span = () => [rows.time(rows.base), rows.time(rows.end - 1)];

  function label() {
    pause.textContent = paused ? `Resume${held ? ` (${held} new)` : ""}` : "Pause";
    pause.setAttribute("aria-pressed", paused);
    replay.setAttribute("aria-pressed", !panel.hidden);
    const waiting = held === 1 ? "1 new flow is held back" : `${held || "no"} new flows are held back`;
    frame.hold(paused ? waiting : "");
  }

  function to(next, { fromSlider = false } = {}) {
    const [first, last] = span();
    moment = Math.min(Math.max(next, first), last);
    if (!fromSlider) slider.value = last > first ? Math.round(((moment - first) / (last - first)) * 1000) : 1000;
    slider.setAttribute("aria-valuetext", clClock(moment));
    clock.textContent = clClock(moment);
    grid.limit = rows.after(moment);
    grid.follow();
    counted();
  }

  function stop() {
    cancelAnimationFrame(playing);
    playing = 0;
    play.textContent = "▶ Play";
  }

  function step(now) {
    const [, last] = span();
    let next = moment + (now - before) * Number(speed.value);
    before = now;
    const row = rows.after(moment);
    if (row < rows.end && rows.time(row) - moment > CL_QUIET && rows.time(row) > next) next = rows.time(row);
    to(next);
    if (moment >= last) {
      stop();
      frame.say("Replay ended");
    } else playing = requestAnimationFrame(step);
  }

  function leave() {
    stop();
    panel.hidden = true;
    grid.limit = Infinity;
    grid.follow();
    counted();
    label();
  }

  frame.listen(pause, "click", () => {
    if (paused && !panel.hidden) leave();
    frame.send("pause", { paused: !paused });
  });
  frame.listen(replay, "click", () => {
    if (!panel.hidden) {
      leave();
      frame.send("pause", { paused: false });
      return;
    }
    if (!rows.length) return;
    frame.send("pause", { paused: true });
    panel.hidden = false;
    label();
    to(span()[0]);
    slider.focus();
  });
  frame.listen(play, "click", () => {
    if (playing) {
      stop();
      return;
    }
    const [first, last] = span();
    if (moment >= last) to(first);
    play.textContent = "❚❚ Stop";
    before = performance.now();
    playing = requestAnimationFrame(step);
  });
  frame.listen(slider, "input", () => {
    stop();
    const [first, last] = span();
    to(first + (Number(slider.value) / 1000) * (last - first), { fromSlider: true });
  });
  frame.on("paused", (content) => {
    if (paused !== content.paused) frame.say(content.paused ? "Paused" : "Live again");
    paused = content.paused;
    held = 0;
    label();
  });
  frame.on("held", (content) => {
    held = content.count;
    label();
  });
  return {
    nodes: [pause, replay, panel],
    end: stop,
    get paused() { return paused; },
    changed() { if (!panel.hidden) to(moment); },
  };
}

/** One flow's facts, the policies that decided, and "why". */
function clDetail(frame, filters, closed) {
  const root = clNode("section", { class: "cl-detail", tabindex: -1, "aria-label": "The flow in detail", hidden: true });
  let asked = -1, shown = -1, reasons = null;

  function close() {
    root.hidden = true;
    asked = shown = -1;
    closed();
  }

  function show(content) {
    shown = content.number;
    const shut = clNode("button", { type: "button", onclick: close }, "Close (Esc)");
    if (content.gone) {
      root.replaceChildren(clNode("p", {}, "This flow is no longer kept: newer ones took its place."), shut);
    } else {
      const why = clNode("button", { type: "button", onclick: () => {
        why.disabled = true;
        reasons.replaceChildren(clNode("p", {}, "Asking the policy engine…"));
        frame.send("why", { number: content.number });
      } }, "Why?");
      reasons = clNode("div", { class: "cl-why", "aria-live": "polite" });
      reasons.clButton = why;
      const policies = content.policies.map(([how, name, kind, revision, command]) => clNode(
        "li", {}, `${how} `, clNode("b", {}, name), ` (${kind}${revision ? `, revision ${revision}` : ""})`,
        command ? clNode("div", {}, clNode("code", {}, command)) : null));
      root.replaceChildren(
        clNode("div", { class: "cl-bar" }, clNode("h4", {}, content.title), why, shut), reasons,
        clNode("h5", {}, "decided by"),
        policies.length ? clNode("ul", {}, ...policies) : clNode("p", {}, content.untold),
        clNode("div", { class: "cl-sections" }, ...content.sections.map(([title, facts]) => clNode(
          "div", {}, clNode("h5", {}, title), clNode("dl", {}, ...facts.flatMap(([name, value, flag]) => [
            clNode("dt", {}, name),
            clNode("dd", {}, value, flag ? clNode("button", {
              type: "button", class: "cl-more", title: flag, "aria-label": `Filter: ${flag}`,
              onclick: () => filters.append(flag) }, "filter") : null)])))),
        ),
        clNode("details", {}, clNode("summary", {}, "As hubble observe -o jsonpb prints it"),
          clNode("pre", { tabindex: 0 }, JSON.stringify(JSON.parse(content.json), null, 2))),
      );
    }
    root.hidden = false;
    root.focus();
  }

  frame.on("detail", (content) => {
    if (content.number === asked) show(content);  // another view of this widget may have asked for another flow
  });
  frame.on("why", (content) => {
    if (content.number !== shown) return;
    reasons.clButton.disabled = false;
    reasons.replaceChildren(
      clNode("p", {}, clMark(content.mark), " ", ...content.lines.flatMap((line) => [...clText(line), " "])),
      content.text ? clNode("pre", { tabindex: 0, "aria-label": "The policy engine's walk" }, content.text) : "");
  });
  function open(number) {
    asked = number;
    frame.send("detail", { number });
  }

  return { root, open, close };
}

export default {
  render({ model, el }) {
    const frame = clFrame({ model, el, label: "Flow explorer" });
    const rows = new ClRows(10_000);
    const began = performance.now();
    let marks = {}, arrived = 0, sent = 0, missed = 0, ready = false;
    const plain = (word) => ({ icon: "●", mark: "cl-mark-plain", word });
    const count = clNode("span", { class: "cl-count" });
    const save = clNode("button", { type: "button" }, "Export");
    const grid = clGrid({
      rows, label: "Flows, newest last", listen: frame.listen, pressed: () => frame.pressed,
      marks: (verdict) => marks[verdict] || plain(verdict),
      open: (row) => detail.open(rows.number(row)),
      drawn: () => {
        if (!arrived) return;
        frame.root.dataset.firstPaint ??= Math.round(performance.now() - began);  // figures for whoever measures
        frame.root.dataset.update = Math.round(performance.now() - arrived);
        frame.root.dataset.lag = Math.round(Date.now() - sent);
        arrived = 0;
      },
    });
    const counted = () => {
      const shown = Math.min(rows.end, Math.max(rows.base, grid.limit)) - rows.base;
      count.textContent = (shown === rows.length ? `${shown} flows` : `${shown} of ${rows.length} flows`)
        + (missed ? `; Hubble lost ${missed} more` : "");
    };
    const filters = clFilters(frame, rows);
    const replay = clReplay(frame, rows, grid, counted);
    const detail = clDetail(frame, filters, () => {
      grid.close();
      grid.focus();
    });
    frame.body.append(
      filters.node, clNode("div", { class: "cl-bar" }, ...replay.nodes, save, count), grid.root, detail.root,
      clNode("p", { class: "cl-keys" }, "Keys: / filter · arrows, Page, Home, End in the table · Enter details · Esc close"));
    grid.say("No flows yet.");

    frame.on("rows", (content, buffers) => {
      if (!content.reset && !ready) return;  // meant for another view of this widget: this one has no strings yet
      ready = true;
      arrived ||= performance.now();
      sent = content.sent;
      missed = content.lost;
      const place = content.reset && !content.anew ? grid.place() : null;  // the same flows, told once more
      if (content.reset) rows.clear();
      rows.add(content, buffers, content.most);
      if (content.reset) grid.reset(place);
      grid.say(frame.status && frame.status.state === "live" ? "No flow passes the filters." : "No flows.");
      grid.draw();
      counted();
      replay.changed();
    });
    frame.on("file", (content, [data]) => {
      clSave(content.name, new TextDecoder().decode(data));
      frame.say(`${content.count} flows exported to ${content.name}`);
      save.disabled = false;
    });
    frame.listen(save, "click", () => {
      save.disabled = true;
      frame.send("export");
      setTimeout(() => { save.disabled = false; }, 10_000);
    });
    frame.listen(frame.root, "keydown", (event) => {
      const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
      if (event.key === "/" && !typing) {
        event.preventDefault();
        filters.focus();
      } else if (event.key === "Escape" && !detail.root.hidden) detail.close();
    });
    frame.on("marks", (content) => { marks = content.verdicts; });
    frame.begin();
    return () => {
      replay.end();
      grid.end();
      frame.end();
    };
  },
};
