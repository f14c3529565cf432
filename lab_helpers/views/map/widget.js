const SVG = "http://www.w3.org/2000/svg";

/** An SVG element; `was` is changed instead when it is given, so that focus stays where it is. */
function drawn(tag, attributes, was = null, text = null) {
  const node = was || document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
  if (text !== null && node.textContent !== text) node.textContent = text;
  return node;
}

export default {
  render({ model, el }) {
    const frame = clFrame({ model, el, label: "Service map" });
    let map = null;        // the last message
    let current = null;    // key of what has the focus, "node …" or "edge …"
    let opened = null;     // key of the opened edge
    let place = null;      // or of the opened place
    let explorer = null;

    const chooser = clNode("select", { "aria-label": "Namespace" });
    const clear = clNode("button", { type: "button", title: "Forget what was and begin with the next flow" }, "Clear");
    const asTable = clNode("button", { type: "button", "aria-pressed": "false" }, "Table");
    const legend = clNode("span", { class: "cl-bar" });
    const svg = drawn("svg", { class: "cl-map", role: "group" });
    const bands = svg.appendChild(drawn("g", { "aria-hidden": "true" }));
    const edges = svg.appendChild(drawn("g", {}));
    const nodes = svg.appendChild(drawn("g", {}));
    const holder = clNode("div", { class: "cl-map-frame" }, svg);
    const empty = clNode("p", { class: "cl-faint" }, "No connection seen yet: try one, and it appears here.");
    const summary = clNode("p", { class: "cl-faint" });
    const table = clNode("div", {
      class: "cl-map-table cl-map-scroll", tabindex: "0", role: "group", "aria-label": "All edges", hidden: true,
    });
    const details = clNode("div", {
      class: "cl-map-details", role: "region", "aria-label": "Details", tabindex: "-1", hidden: true,
    });
    const keys = clNode("p", { class: "cl-faint" },
      "Keys: ← → along the arrows, ↑ ↓ to the next, Home and End, Enter opens an arrow or a place, Esc closes it.");
    frame.body.append(
      clNode("div", { class: "cl-bar" }, clNode("label", {}, "Namespace ", chooser), asTable, clear, legend),
      holder, empty, table, summary, keys, details,
    );

    // --- the drawing ---
    const parts = new Map();  // key → its <g>

    function draw() {
      const { drawing } = map;
      drawn("svg", {
        viewBox: `0 0 ${drawing.width} ${drawing.height}`, style: `max-width:${drawing.width}px`,
        "aria-label": `${drawing.title}: ${drawing.description}`,
      }, svg);
      holder.hidden = !drawing.nodes.length;
      empty.hidden = Boolean(drawing.nodes.length);
      bands.replaceChildren(...drawing.bands.map((band) => {
        const group = drawn("g", { class: "cl-map-band" });
        group.append(drawn("rect", { ...band.box, rx: 6 }),
          drawn("text", { x: band.box.x + 10, y: band.box.y + 18 }, null, band.name));
        return group;
      }));
      const seen = new Set();
      for (const edge of drawing.edges) {
        const key = `edge ${edge.key}`;
        seen.add(key);
        const group = part(key, edges, ["path", "path", "path", "text"]);
        drawn("g", {
          class: `cl-map-edge cl-map-${edge.verdict}`, "aria-label": edge.said,
          "aria-expanded": String(edge.key === opened),
        }, group);
        const [wide, line, head, label] = group.children;
        drawn("path", { class: "cl-map-wide", d: edge.path }, wide);
        drawn("path", { class: "cl-map-line", d: edge.path }, line);
        drawn("path", { class: "cl-map-head", d: edge.head }, head);
        drawn("text", { class: "cl-map-label", x: edge.at.x, y: edge.at.y + 4 }, label,
          edge.label);
      }
      for (const node of drawing.nodes) {
        const key = `node ${node.key}`;
        seen.add(key);
        const group = part(key, nodes, ["rect", "text", "text"]);
        drawn("g", {
          class: `cl-map-node cl-map-${node.kind}`, "aria-label": node.said, "aria-expanded": String(node.key === place),
        }, group);
        const [rect, name, below] = group.children;
        const { x, y } = node.box;
        drawn("rect", { ...node.box, rx: 4 }, rect);
        drawn("text", { x: x + 10, y: y + 22 }, name, node.label);
        drawn("text", { class: "cl-map-below", x: x + 10, y: y + 40 }, below, node.below);
      }
      for (const [key, group] of parts) {
        if (!seen.has(key)) {
          group.remove();
          parts.delete(key);
        }
      }
      if (!parts.has(current)) current = drawing.nodes.length ? `node ${drawing.nodes[0].key}` : null;
      for (const [key, group] of parts) group.setAttribute("tabindex", key === current ? "0" : "-1");
    }

    /** The edge whose label lies under the pointer, though another edge may lie above it. */
    function named(event) {
      const label = document.elementsFromPoint(event.clientX, event.clientY)
        .find((one) => one.classList.contains("cl-map-label"));
      return label && [...parts].find(([, group]) => group.contains(label))?.[0];
    }

    function part(key, parent, tags) {
      if (!parts.has(key)) {
        const group = drawn("g", { role: "button", tabindex: "-1" });
        group.append(...tags.map((tag) => drawn(tag, {})));
        group.addEventListener("click", (event) => {
          const meant = named(event) || key;
          go(meant);
          choose(meant);
        });
        group.addEventListener("focus", () => { current = key; light(key); rove(); });
        group.addEventListener("blur", () => light(null));
        group.addEventListener("mouseenter", () => light(key));
        group.addEventListener("mouseleave", () => light(null));
        parts.set(key, group);
        parent.append(group);
      }
      return parts.get(key);
    }

    function rove() {
      for (const [key, group] of parts) group.setAttribute("tabindex", key === current ? "0" : "-1");
    }

    /** Show what hangs together with an element: the others step back. */
    function light(key) {
      svg.classList.toggle("cl-map-lit", Boolean(key));
      for (const edge of map ? map.drawing.edges : []) {
        const group = parts.get(`edge ${edge.key}`);
        const near = key && (key === `edge ${edge.key}` || key === `node ${edge.source}` || key === `node ${edge.target}`);
        if (group) group.classList.toggle("cl-map-near", Boolean(near));
      }
    }

    // --- walking ---
    function go(key) {
      const group = parts.get(key);
      if (group) group.focus();
    }

    function walk(key, direction) {
      const { nodes: places, edges: lines } = map.drawing;
      const name = key.slice(5);
      if (key.startsWith("node ")) {
        const at = places.findIndex((node) => node.key === name);
        if (direction === "right" || direction === "left") {
          const end = direction === "right" ? "source" : "target";
          const line = lines.find((edge) => edge[end] === name);
          return line ? `edge ${line.key}` : null;
        }
        const next = places[at + (direction === "down" ? 1 : -1)];
        return next ? `node ${next.key}` : null;
      }
      const line = lines.find((edge) => edge.key === name);
      if (!line) return null;
      if (direction === "right") return `node ${line.target}`;
      if (direction === "left") return `node ${line.source}`;
      const next = lines[lines.indexOf(line) + (direction === "down" ? 1 : -1)];
      return next ? `edge ${next.key}` : null;
    }

    const arrows = { ArrowRight: "right", ArrowLeft: "left", ArrowUp: "up", ArrowDown: "down" };
    svg.addEventListener("keydown", (event) => {
      if (!map || !current) return;
      let to = null;
      if (event.key in arrows) to = walk(current, arrows[event.key]);
      else if (event.key === "Home") to = `node ${map.drawing.nodes[0].key}`;
      else if (event.key === "End") to = `node ${map.drawing.nodes[map.drawing.nodes.length - 1].key}`;
      else if (event.key === "Enter" || event.key === " ") choose(current);
      else if (event.key === "Escape") shut();
      else return;
      event.preventDefault();
      if (to) go(to);
      else if (event.key in arrows) frame.say("the end");
    });

    function choose(key) {
      if (key.startsWith("edge ")) open(key.slice(5));
      else openPlace(key.slice(5));
    }

    // --- details ---
    function open(key) {
      opened = key;
      place = null;
      draw();
      details.hidden = false;
      details.replaceChildren(clNode("p", {}, "…"));
      frame.send("open", { key });
    }

    /** A place opened: who stands behind it, and its edges. */
    function openPlace(name) {
      if (opened !== null) frame.send("shut");
      opened = null;
      place = name;
      draw();
      showPlace(true);
    }

    function showPlace(first) {
      const node = map.drawing.nodes.find((item) => item.key === place);
      if (!node) {
        shut();
        return;
      }
      const { pods, identities } = map.places[place] || { pods: [], identities: [] };
      const focused = details.contains(document.activeElement) ? document.activeElement.textContent : null;
      const lines = map.drawing.edges.filter((edge) => edge.source === place || edge.target === place);
      details.hidden = false;
      details.dataset.key = `node ${place}`;
      details.replaceChildren(
        clNode("h4", {}, place), clNode("p", {}, node.said),
        clNode("p", {}, identities.length ? `Identities: ${identities.join(", ")}` : "No identity was seen."),
        clNode("p", {}, pods.length ? `Behind it: ${pods.join(", ")}` : ""),
        clNode("ul", {}, ...lines.map((edge) => clNode("li", {}, `${edge.said} `,
          clNode("button", { type: "button", onclick: () => open(edge.key) }, "Open",
            clNode("span", { class: "cl-hidden" }, ` ${edge.key}`))))),
        clNode("div", { class: "cl-bar" }, clNode("button", { type: "button", onclick: shut }, "Close (Esc)")),
      );
      if (focused) {
        const same = [...details.querySelectorAll("button")].find((item) => item.textContent === focused);
        if (same) same.focus();
      }
      if (first) {
        frame.say(`${node.said}. ${lines.map((edge) => edge.said).join("; ")}`);
        details.focus();
      }
    }

    function shut() {
      if (opened === null && place === null) return;
      const back = opened === null ? `node ${place}` : `edge ${opened}`;
      if (opened !== null) frame.send("shut");
      opened = null;
      place = null;
      details.hidden = true;
      details.replaceChildren();
      draw();
      if (parts.has(back)) go(back);
    }

    details.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        shut();
      }
    });

    function grid(header, rows, cell = (text) => String(text)) {
      return clNode("table", {},
        clNode("thead", {}, clNode("tr", {}, ...header.map((name) =>
          name ? clNode("th", { scope: "col" }, name) : clNode("td", {})))),
        clNode("tbody", {}, ...rows.map((row) =>
          clNode("tr", {}, ...row.map((text, index) => clNode("td", {}, cell(text, index, row)))))));
    }

    frame.on("details", (told) => {
      if (told.key !== opened) return;
      if (told.gone) {
        details.replaceChildren(clNode("p", {}, "This edge is no longer on the map."));
        return;
      }
      const first = details.dataset.key !== told.key || details.childElementCount < 2;
      const open = new Set([...details.querySelectorAll("details[open] > summary")].map((item) => item.textContent));
      const focused = details.contains(document.activeElement) ? document.activeElement.textContent : null;
      details.dataset.key = told.key;
      const copied = clNode("span", { role: "status" });
      const shutter = clNode("button", { type: "button", onclick: shut }, "Close (Esc)");
      const explore = clNode("button", {
        type: "button", onclick: () => frame.send("explore", { command: told.command }),
      }, "These flows in the explorer");
      const copy = clNode("button", {
        type: "button",
        onclick: async () => { copied.textContent = (await clCopy(told.command)) ? "copied" : "not copied"; },
      }, "Copy the command");
      const inside = details.querySelector(".cl-map-explorer") || clNode("div", { class: "cl-map-explorer" });
      details.replaceChildren(
        clNode("h4", {}, told.title), clNode("p", {}, told.sentence),
        clNode("ul", {}, ...told.uses.map((use) => clNode("li", {}, use))),
        clNode("p", {}, clNode("code", {}, told.command)),
        clNode("div", { class: "cl-bar" }, copy, explore, shutter, copied),
        clNode("div", { class: "cl-map-scroll", tabindex: "0", role: "group", "aria-label": "The last flows" },
          grid(told.header, told.flows)),
        inside,
        clNode("h4", {}, "Why, says the policy engine"),
        told.waiting ? clNode("p", {}, "reading the cluster's policies …")
          : clNode("pre", {}, told.why.join("\n") || "The policies could not be read."),
        ...told.policies.map(([name, text]) =>
          clNode("details", { open: open.has(name) }, clNode("summary", {}, name), clNode("pre", {}, text))),
      );
      if (focused) {
        const same = [...details.querySelectorAll("button, summary")].find((item) => item.textContent === focused);
        if (same) same.focus();
      }
      if (first) {
        frame.say(`${told.title}. ${told.sentence}`);
        details.focus({ preventScroll: false });
      }
    });

    frame.on("explorer", async ({ model: id }) => {
      if (explorer === id && details.querySelector(".cl-map-explorer > *")) return;
      explorer = id;
      try {
        const inner = await model.widget_manager.get_model(id);
        const view = await model.widget_manager.create_view(inner);
        const inside = details.querySelector(".cl-map-explorer");
        if (inside) inside.replaceChildren(view.el);
      } catch (error) {
        frame.problem(`The explorer cannot be shown here: ${error}`);
      }
    });

    // --- controls ---
    chooser.addEventListener("change", () => {
      frame.send("show", { namespaces: chooser.value ? chooser.value.split(",") : [] });
    });
    clear.addEventListener("click", () => frame.send("clear"));
    asTable.addEventListener("click", () => {
      const on = asTable.getAttribute("aria-pressed") !== "true";
      asTable.setAttribute("aria-pressed", String(on));
      table.hidden = !on;
      if (on && map) tabulate();
    });

    function tabulate() {
      const focused = table.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      table.replaceChildren(grid([...map.header, "details"], map.rows.map((row) => [...row.slice(1), row[0]]),
        (text, index, row) => (index === row.length - 1
          ? clNode("button", { type: "button", "data-key": text, onclick: () => open(text) },
            "Open", clNode("span", { class: "cl-hidden" }, ` ${text}`))
          : String(text))));
      if (focused) {
        const same = [...table.querySelectorAll("button")].find((item) => item.dataset.key === focused);
        if (same) same.focus();
      }
    }

    let several = null;  // the namespaces the map began with, when they are several

    function choices() {
      const options = [["", "all"], ...map.namespaces.map((name) => [name, name])];
      if (map.shown.length > 1) several = map.shown;
      if (several) options.push([several.join(","), several.join(" and ")]);
      const wanted = JSON.stringify(options);
      if (chooser.dataset.options !== wanted) {
        chooser.dataset.options = wanted;
        chooser.replaceChildren(...options.map(([value, word]) => clNode("option", { value }, word)));
      }
      chooser.value = map.shown.join(",");
      const [own, shown] = [map.own, map.shown].map((names) => names.join(","));
      frame.keep(own, shown === own ? null : shown || "all", (names) => {
        frame.send("show", { namespaces: names === "all" ? [] : names.split(",") });
      });
    }

    frame.on("map", (told) => {
      map = told;
      choices();
      draw();
      legend.replaceChildren(...told.verdicts.map((verdict) => clNode("span", { class: "cl-map-legend" },
        clNode("span", { class: `cl-map-key cl-map-${verdict.verdict}`, "aria-hidden": "true" }), clMark(verdict))));
      summary.textContent = `${told.drawing.description} ${told.note}`.trim();
      if (!table.hidden) tabulate();
      if (place !== null) showPlace(false);
    });

    frame.begin();
    return () => frame.end();
  },
};
