// The page's half of every live widget. A widget's own module follows this text and ends with
//   export default { render({ model, el }) { const frame = clFrame({ model, el, label: "…" }); …; return frame.end; } };
// It imports nothing: what a widget needs arrives over its comm.

/** An element: clNode("button", { class: "x", onclick: f, "aria-label": "…" }, "text", child …). */
function clNode(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Keys pressed in an element are its own: the notebook's shortcuts stay out of it. */
function clKeepKeys(root) {
  for (const name of ["keydown", "keyup", "keypress", "copy", "paste", "cut", "contextmenu"]) {
    root.addEventListener(name, (event) => event.stopPropagation());
  }
  root.setAttribute("data-jp-suppress-context-menu", "");
  root.setAttribute("data-lm-suppress-shortcuts", "true");
}

/** Text in which `backquoted` parts become code elements. */
function clText(text) {
  return String(text).split("`").map((part, index) => (index % 2 ? clNode("code", {}, part) : part));
}

/** Icon and word of a mark, as Python's tones name them: clMark({ icon: "✔", mark: "cl-mark-good", word: "…" }). */
function clMark({ icon, mark, word }) {
  return clNode("span", { class: `cl-mark ${mark}` }, clNode("span", { "aria-hidden": "true" }, icon), " ", word);
}

/** Copies text; resolves to whether it worked (a page that is not secure has no clipboard of its own). */
async function clCopy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = clNode("textarea", { style: "position:fixed;opacity:0", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Offers text as a file. */
function clSave(name, text, type = "application/json") {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = clNode("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** What views were left with when their kernel went, by the cell's output area: the view that comes next finds it. */
const CL_LEFT = (globalThis.clLeft ??= new WeakMap());
/** Numbers in use by views of the same name: several explorers in a notebook are told apart by them. */
const CL_NUMBERS = (globalThis.clNumbers ??= new Map());
const CL_BEAT = 20_000;
const CL_PATIENCE = [300, 600, 1_200, 2_500, 5_000, 10_000];
const CL_PRESSED = "button, summary, [role=button], [role=option], [role=row]";
const CL_PRESS = 1_000;  // the pointer may be let go where nobody hears of it

/**
 * Take the kernel's messages without anywidget's part in it: that gives a module two seconds to load, and where the
 * machine is slower it drops all messages for good (0.11). Whoever has a frame is loaded.
 */
function clDirect(model) {
  let whole = null;  // the model behind the one that modules are given: an event tells
  const meet = (found) => { whole = found; };
  model.on("change:cl_self", meet);
  model.set("cl_self", {});
  model.off("change:cl_self", meet);
  let plain = null;
  for (let place = whole; place; place = Object.getPrototypeOf(place)) {
    if (Object.hasOwn(place, "_handle_comm_msg")) plain = place._handle_comm_msg;  // the last is that of all widgets
  }
  if (plain && whole.comm) whole.comm.on_msg(plain.bind(whole));
}

/**
 * State line, problems, a region for screen readers, and messages.
 *   frame.body                      put your elements here
 *   frame.on(kind, (content, buffers) => …)   a message of the kernel's; buffers are DataViews
 *   frame.send(kind, data)          a message to it
 *   frame.say(text)                 what a screen reader should speak (changes of state, results; not each flow)
 *   frame.hold(text)                says "paused", and why, in the place of "live"; "" ends that
 *   frame.problem(text)             shows a problem until the next one or ""
 *   frame.keep(own, value, use)     the reader's choice (null: none), where the cell itself says `own`. When the kernel is
 *                                   restarted and the same cell is run again, its view is left so: the first call there
 *                                   calls use(value)
 *   frame.listen(target, event, f)  a listener that goes when the widget goes
 *   frame.pressed                   is the pointer held down on something to be clicked? It must still be there when the
 *                                   pointer is let go, so messages wait until then; what redraws by itself waits as well
 *   frame.begin()                   say hello, again until it is answered (the first may wait behind the cells, because
 *                                   the kernel's thread for such messages is not there yet): call it when the handlers
 *                                   are set
 *   frame.end()                     return it from render
 */
function clFrame({ model, el, label }) {
  const handlers = new Map();
  const ending = new AbortController();
  const state = clNode("div", { class: "cl-state cl-mark-plain" });
  const problem = clNode("div", { class: "cl-problem", role: "alert", hidden: true });
  const spoken = clNode("div", { class: "cl-hidden", role: "status", "aria-live": "polite" });
  const body = clNode("div", {});
  const again = clNode("p", { class: "cl-faint", hidden: true });
  let kept = null;
  const numbers = CL_NUMBERS.get(label) || CL_NUMBERS.set(label, new Set()).get(label);
  let number = 1;
  while (numbers.has(number)) number += 1;
  numbers.add(number);
  const name = number > 1 ? `${label} ${number}` : label;
  const page = Math.random().toString(36).slice(2);
  let held = "", greeting = 0, answered = false, pressing = 0;
  const waiting = [];
  const root = clNode("section", { class: "cl-view cl-live", "aria-label": name }, state, problem, again, body, spoken);
  el.append(root);
  clKeepKeys(root);

  const frame = {
    root,
    body,
    dead: false,
    status: null,
    get pressed() { return pressing !== 0; },
    on(kind, handler) { handlers.set(kind, handler); },
    send(kind, data = {}) {
      if (!frame.dead) model.send({ kind, ...data });
    },
    hold(text) {
      held = text;
      if (frame.status) draw(frame.status);
    },
    say(text) { spoken.textContent = text; },
    problem(text) {
      problem.hidden = !text;
      problem.textContent = text || "";
    },
    keep(own, value, use) {
      const all = CL_LEFT.get(root.closest(".jp-Cell-outputArea")) || {};
      const left = kept ? null : all[label];
      kept = { own, value };
      if (value === again.clValue) again.clReached = true;
      else if (again.clReached) again.hidden = true;  // not before: a page may be told twice what was in force
      if (!left) return;
      delete all[label];
      if (left.own !== own || left.value === null || left.value === value) return;
      again.clValue = left.value;
      again.textContent = `As you left it before the kernel was restarted: ${left.value || "everything"}`;
      again.hidden = false;
      frame.say(again.textContent);
      use(left.value);
    },
    listen(target, name, handler, options = {}) {
      target.addEventListener(name, handler, { ...options, signal: ending.signal });
    },
    begin(turn = 0) {
      if (answered) return;
      frame.send("hello", { page });
      greeting = setTimeout(() => frame.begin(turn + 1), CL_PATIENCE[Math.min(turn, CL_PATIENCE.length - 1)]);
    },
    end() {
      ending.abort();
      numbers.delete(number);
      clearInterval(beating);
      clearTimeout(greeting);
      clearTimeout(pressing);
      model.off("msg:custom", receive);
      model.off("comm_live_update", lost);
      model.off("comm:close", lost);
      root.remove();
    },
  };

  function draw(status) {
    const shown = held && status.state === "live"
      ? { icon: "❚❚", mark: "cl-mark-note", word: "paused", what: held, try: "" } : status;
    state.className = `cl-state ${shown.mark}`;
    state.replaceChildren(clMark(shown));
    if (shown.what) state.append(clNode("span", {}, ...clText(shown.what)));
    if (shown.try) state.append(clNode("span", {}, "Try: ", ...clText(shown.try)));
  }

  function show(status) {
    const before = frame.status && frame.status.word + frame.status.what;
    frame.status = status;
    draw(status);
    if (before !== null && before !== status.word + status.what) frame.say(`${status.word} ${status.what}`);
    const handler = handlers.get("status");
    if (handler) handler(status);
  }

  function press(event) {
    if (!event.target.closest(CL_PRESSED)) return;
    clearTimeout(pressing);
    pressing = setTimeout(release, CL_PRESS);
  }

  function release() {
    clearTimeout(pressing);
    pressing = 0;
    for (const [content, buffers] of waiting.splice(0)) receive(content, buffers);
  }

  function receive(content, buffers) {
    if (pressing) {
      waiting.push([content, buffers]);
      return;
    }
    frame.dead = false;
    if (content.kind === "status") show(content);
    else if (content.kind === "welcome") answered ||= content.page === page;
    else if (content.kind === "problem") frame.problem(content.what);
    else if (content.kind !== "beat") {
      const handler = handlers.get(content.kind);
      if (handler) handler(content, buffers);
    }
  }

  function lost() {
    release();
    if (frame.dead) return;
    frame.dead = true;
    const area = root.closest(".jp-Cell-outputArea");
    if (kept && area) CL_LEFT.set(area, { ...CL_LEFT.get(area), [label]: kept });
    show({
      state: "restarted", icon: "▲", mark: "cl-mark-note", word: "no kernel",
      what: "the kernel was restarted or is gone; what you see is the last it told", try: "run the cell again",
    });
  }

  frame.listen(root, "pointerdown", press, { capture: true });
  for (const name of ["pointerup", "pointercancel"]) {
    frame.listen(window, name, () => { if (pressing) setTimeout(release); }, { capture: true });  // after the click
  }
  const beating = setInterval(() => frame.send("beat"), CL_BEAT);
  clDirect(model);
  model.on("msg:custom", receive);
  model.on("comm_live_update", lost);
  model.on("comm:close", lost);
  show({ state: "connecting", icon: "●", mark: "cl-mark-plain", word: "connecting", what: "waiting for the kernel", try: "" });
  return frame;
}

