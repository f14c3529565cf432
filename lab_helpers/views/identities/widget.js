export default {
  render({ model, el }) {
    const frame = clFrame({ model, el, label: "Identity browser" });
    let entries = [];
    let shown = [];
    let chosen = null;   // key of the chosen identity
    const number = Math.random().toString(36).slice(2, 8);

    const search = clNode("input", { type: "search", placeholder: "label, pod, address, number", "aria-label": "Find" });
    const chooser = clNode("select", { "aria-label": "Namespace" });
    const again = clNode("button", { type: "button", onclick: () => frame.send("refresh") }, "Read again");
    const list = clNode("ul", { class: "cl-ids-list", role: "listbox", tabindex: "0", "aria-label": "Identities" });
    const count = clNode("span", { class: "cl-faint" });
    const details = clNode("div", { class: "cl-ids-details", role: "region", "aria-label": "The chosen identity" },
      clNode("p", {}, "Choose an identity."));
    const notes = clNode("div", {});

    const target = clNode("input", { type: "text", "aria-label": "Pod, workload or namespace", placeholder: "shop/frontend" });
    const change = clNode("input", { type: "text", "aria-label": "Change of labels", placeholder: "app=web tier-" });
    const preview = clNode("button", { type: "submit" }, "What would happen?");
    const answer = clNode("div", { role: "status" });
    const form = clNode("form", { class: "cl-bar" },
      clNode("label", {}, "kubectl label", target), clNode("label", {}, "with", change), preview);
    const edit = clNode("section", { class: "cl-ids-if", "aria-label": "What a change of labels would do" },
      clNode("h4", {}, "What would a change of labels do? (Nothing is done.)"), form, answer);

    const time = clNode("div", { class: "cl-ids-time", role: "group", "aria-label": "Who held which address" });
    const past = clNode("details", {}, clNode("summary", {}, "Who held which address, and when"), time);

    frame.body.append(
      clNode("div", { class: "cl-bar" }, search, clNode("label", {}, "Namespace ", chooser), again, count),
      clNode("div", { class: "cl-ids" }, list, details), edit, past, notes,
    );

    // --- the list ---
    const text = (entry) => [entry.numeric, ...entry.labels, ...entry.seats.flat(), ...entry.nodes].join(" ").toLowerCase();

    function fill() {
      const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      shown = entries.filter((entry) => wanted.every((word) => text(entry).includes(word)));
      if (!shown.some((entry) => entry.key === chosen)) chosen = shown.length ? shown[0].key : null;
      list.replaceChildren(...shown.map((entry, index) => clNode("li", {
        role: "option", id: `ids-${number}-${index}`, "aria-selected": String(entry.key === chosen),
        onclick: () => { choose(entry.key); list.focus(); },
      },
      clNode("b", {}, String(entry.numeric)), ` ${entry.name} `,
      clNode("span", { class: "cl-ids-few" }, few(entry)))));
      count.textContent = `${shown.length} of ${entries.length} identities`;
      list.hidden = !shown.length;
      point();
      describe();
    }

    function few(entry) {
      const pods = entry.seats.length;
      const policies = new Set(entry.uses.map((use) => use[0])).size;
      const who = entry.kind === "pods" ? `${pods} pod${pods === 1 ? "" : "s"}` : entry.kind;
      return `· ${who} · ${policies} polic${policies === 1 ? "y" : "ies"}`;
    }

    function point() {
      const at = shown.findIndex((entry) => entry.key === chosen);
      [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
      if (at >= 0) {
        list.setAttribute("aria-activedescendant", `ids-${number}-${at}`);
        const item = list.children[at];
        if (item.offsetTop < list.scrollTop) list.scrollTop = item.offsetTop;
        const low = item.offsetTop + item.offsetHeight - list.clientHeight;
        if (low > list.scrollTop) list.scrollTop = low;
      } else list.removeAttribute("aria-activedescendant");
    }

    function choose(key) {
      chosen = key;
      point();
      describe();
    }

    list.addEventListener("keydown", (event) => {
      const at = shown.findIndex((entry) => entry.key === chosen);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
      if (to !== undefined) {
        event.preventDefault();
        const entry = shown[Math.max(0, Math.min(shown.length - 1, to))];
        if (entry) choose(entry.key);
      } else if (event.key === "Enter") {
        event.preventDefault();
        const entry = shown[at];
        if (entry) {
          const seat = entry.seats[0];
          target.value = seat ? seat[0] : target.value;
          change.focus();
        }
      } else if (event.key === "Escape") {
        search.value = "";
        fill();
      }
    });
    search.addEventListener("input", fill);
    search.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        list.focus();
      } else if (event.key === "Escape") {
        search.value = "";
        fill();
      }
    });

    // --- one identity ---
    function grid(name, header, rows) {
      const frameOf = { class: "cl-ids-scroll", tabindex: "0", role: "group", "aria-label": name };
      return clNode("div", frameOf, clNode("table", {},
        clNode("thead", {}, clNode("tr", {}, ...header.map((name) =>
          name ? clNode("th", { scope: "col" }, name) : clNode("td", {})))),
        clNode("tbody", {}, ...rows.map((row) => clNode("tr", {}, ...row.map((cell) => clNode("td", {}, cell)))))));
    }

    /** The children of an element, without those that are null. */
    function put(place, ...children) {
      place.replaceChildren(...children.filter((child) => child));
    }

    let described = "";
    function describe() {
      const entry = entries.find((item) => item.key === chosen);
      const now = JSON.stringify(entry || null);
      if (now === described) return;
      described = now;
      if (!entry) {
        details.replaceChildren(clNode("p", {}, entries.length ? "No identity fits." : "No identity is known yet."));
        return;
      }
      const where = entry.nodes.length ? `This number means this on ${entry.nodes.join(", ")} only.` : null;
      put(details,
        clNode("h4", {}, `Identity ${entry.numeric}`),
        clNode("div", { class: "cl-ids-labels" }, ...entry.labels.map((label) => clNode("code", {}, label))),
        where && clNode("p", {}, where),
        clNode("h4", {}, "Who carries it"),
        entry.seats.length ? grid("Who carries it", ["pod", "addresses", "node"], entry.seats)
          : clNode("p", {}, entry.kind === "pods" ? "No pod at the moment." : `No pod: ${entry.kind}.`),
        clNode("h4", {}, "Rules about it"),
        entry.uses.length ? grid("Rules about it", ["policy", "rule", "what", "selector", "ports"], entry.uses)
          : clNode("p", {}, "No rule of any policy selects it, nor names it as a peer."),
      );
    }

    // --- what if ---
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer.replaceChildren(clNode("p", {}, "asking the policy engine …"));
      frame.send("preview", { target: target.value, change: change.value });
    });

    frame.on("consequence", (told) => {
      if (told.error) {
        answer.replaceChildren(clNode("p", {}, clMark({ icon: "▲", mark: "cl-mark-note", word: "not a change:" }),
        ` ${told.error}`));
        return;
      }
      put(answer,
        clNode("p", {}, "If: ", clNode("code", {}, told.command)),
        clNode("ul", {}, ...told.lines.map((line) => clNode("li", {}, line)),
          ...told.warnings.map((line) => clNode("li", {}, clMark({ icon: "▲", mark: "cl-mark-note", word: "besides:" }), ` ${line}`))),
        told.rules.length ? clNode("h4", {}, "Rules gained and lost") : null,
        told.rules.length ? clNode("ul", {}, ...told.rules.map((line) => clNode("li", {}, line))) : null,
        clNode("h4", {}, "Verdicts that change"),
        told.rows.length ? grid("Verdicts that change", told.header, told.rows) : clNode("p", {}, "None."),
      );
    });
    // --- the past ---
    frame.on("history", ({ lines }) => {
      time.replaceChildren(...lines.map((line) => clNode("div", { class: "cl-ids-line" },
        clNode("span", { class: "cl-ids-address" }, line.address + (line.mark ? ` ▲ ${line.mark}` : "")),
        clNode("span", { class: "cl-ids-track" }, ...line.spans.map((span) => clNode("span", {
          class: `cl-ids-bar${span.ended ? " cl-ids-ended" : ""}`, title: span.said,
          style: `left:${span.left}%;width:${span.width}%`,
        }, span.text))),
        clNode("span", { class: "cl-hidden" }, line.spans.map((span) => span.said).join("; ")))));
    });

    // --- all of it ---
    chooser.addEventListener("change", () => {
      frame.send("show", { namespaces: chooser.value ? chooser.value.split(",") : [] });
    });
    let several = null;

    frame.on("catalogue", (told) => {
      entries = told.entries;
      if (told.shown.length > 1) several = told.shown;
      const options = [["", "all"], ...told.namespaces.map((name) => [name, name])];
      if (several) options.push([several.join(","), several.join(" and ")]);
      const wanted = JSON.stringify(options);
      if (chooser.dataset.options !== wanted) {
        chooser.dataset.options = wanted;
        chooser.replaceChildren(...options.map(([value, word]) => clNode("option", { value }, word)));
      }
      chooser.value = told.shown.join(",");
      const [own, now] = [told.own, told.shown].map((names) => names.join(","));
      frame.keep(own, now === own ? null : now || "all", (names) => {
        frame.send("show", { namespaces: names === "all" ? [] : names.split(",") });
      });
      notes.replaceChildren(...told.notes.map((note) => clNode("p", { class: "cl-faint" }, ...clText(note))));
      fill();
    });

    frame.begin();
    return () => frame.end();
  },
};
