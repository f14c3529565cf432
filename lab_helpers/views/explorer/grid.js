// A table of flows that draws only what is in sight. Rows live in typed columns, at most `capacity` of them, so neither
// the page's memory nor the work of drawing grows with time.

const CL_ROW = 24;
const CL_ARROWS = ["→", "←", "↔"];
const CL_ARROW_WORDS = ["to", "replies to", "and"];
const CL_COLUMNS = ["time (UTC)", "from", "", "to", "verdict", "seen at", "details"];

/** The newest `capacity` rows as columns. Row numbers count from the first ever added: base ≤ n < end. */
class ClRows {
  constructor(capacity) {
    this.capacity = capacity;
    this.times = new Float64Array(capacity);
    this.numbers = new Float64Array(capacity);
    this.columns = new Uint32Array(capacity * 8);
    this.clear();
  }

  clear() {
    this.base = 0;
    this.end = 0;
    this.strings = [];
  }

  get length() { return this.end - this.base; }

  /** Adds what Python's packing made; `most` rows are kept. */
  add(content, [times, numbers, columns], most) {
    for (const [index, text] of content.strings.entries()) this.strings[content.base + index] = text;
    const count = content.count;
    for (let index = 0; index < count; index++) {
      const slot = this.end % this.capacity;
      this.times[slot] = times.getFloat64(index * 8, true);
      this.numbers[slot] = numbers.getFloat64(index * 8, true);
      for (let column = 0; column < 8; column++) {
        this.columns[slot * 8 + column] = columns.getUint32((column * count + index) * 4, true);
      }
      this.end += 1;
    }
    this.base = Math.max(this.base, this.end - Math.min(most, this.capacity));
  }

  time(row) { return this.times[row % this.capacity]; }

  number(row) { return this.numbers[row % this.capacity]; }

  /** left, left_port, arrow, right, right_port, verdict, seen, details */
  value(row, column) { return this.columns[(row % this.capacity) * 8 + column]; }

  text(row, column) { return this.strings[this.value(row, column)] || ""; }

  port(row, column) {
    const port = this.value(row, column);
    return port ? `:${port}` : "";
  }

  /** The first row later than a moment. */
  after(moment) { return this.first((row) => this.time(row) > moment); }

  /** The first row of a flow's number or a later one. */
  find(number) { return this.first((row) => this.number(row) >= number); }

  /** The first row for which `past` holds, as it does for all after it. */
  first(past) {
    let low = this.base, high = this.end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (past(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/**
 * The grid over `rows`. `marks` maps a verdict to its icon, word and colour; `open(row)` is called for Enter and click.
 *   grid.limit     rows from here on are not shown (replay); Infinity shows all
 *   grid.draw()    after rows or limit have changed (drawn with the next frame)
 *   `drawn()` is called after each frame that was drawn; none is while `pressed()`: a row is clicked where it was pressed
 *   grid.reset()   after rows were cleared
 *   grid.place()   where the reader is, by the flows' numbers; grid.reset(place) goes back there
 */
function clGrid({ rows, marks, open, drawn, label, listen, pressed = () => false }) {
  const spacer = clNode("div", { role: "presentation", class: "cl-spacer" });
  const viewport = clNode("div", { class: "cl-viewport", role: "rowgroup" }, spacer);
  const empty = clNode("p", { class: "cl-empty" });
  const head = clNode("div", { role: "rowgroup", class: "cl-head-group" }, clNode(
    "div", { role: "row", class: "cl-row cl-head", "aria-rowindex": 1 },
    ...CL_COLUMNS.map((name) => clNode(
      "div", { role: "columnheader" }, name || clNode("span", { class: "cl-hidden" }, "direction"))),
  ));
  const table = clNode(
    "div", { role: "grid", "aria-label": label, "aria-colcount": CL_COLUMNS.length, "aria-readonly": "true" },
    head, viewport);
  const root = clNode("div", { class: "cl-flows" }, table, empty);
  const pool = [];
  let active = -1, opened = -1, following = true, wanted = false, base = 0, height = 0, top = null;

  const grid = { root, limit: Infinity, draw, reset, place, focus, get active() { return active; }, show, follow };

  const end = () => Math.min(rows.end, Math.max(rows.base, grid.limit));

  function reset(place = null) {
    active = opened = -1;
    following = true;
    top = null;
    base = rows.base;
    if (place && rows.length) {
      following = place.following;
      active = place.active === null ? -1 : rows.find(place.active);
      opened = place.opened === null ? -1 : rows.find(place.opened);
      top = (rows.find(place.top) - base) * CL_ROW + place.within;
    }
    draw();
  }

  function place() {
    if (!rows.length) return null;
    stay();
    const scrollTop = Math.max(0, top ?? viewport.scrollTop);
    const number = (row) => (row >= rows.base && row < rows.end ? rows.number(row) : null);
    const above = Math.min(rows.end - 1, rows.base + Math.floor(scrollTop / CL_ROW));
    return { following, active: number(active), opened: number(opened), top: rows.number(above), within: scrollTop % CL_ROW };
  }

  function follow() {
    following = true;
    active = -1;
    draw();
  }

  function draw() {
    if (wanted) return;
    wanted = true;
    requestAnimationFrame(paint);
  }

  function paint() {
    if (pressed()) {
      requestAnimationFrame(paint);
      return;
    }
    wanted = false;
    render();
    drawn();
  }

  function element(row) {
    const size = Math.ceil((viewport.clientHeight || 360) / CL_ROW) + 6;
    while (pool.length < size) {
      const cells = CL_COLUMNS.map(() => clNode("div", { role: "gridcell" }));
      for (const index of [1, 3]) {
        cells[index].classList.add("cl-peer");
        cells[index].append(clNode("span", { class: "cl-name" }), clNode("span", {}));
      }
      const node = clNode("div", { role: "row", class: "cl-row", tabindex: -1 }, ...cells);
      node.clCells = cells;
      node.clRow = -1;
      pool.push(node);
      spacer.append(node);
    }
    return pool[row % pool.length];
  }

  const write = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };

  function fill(node, row) {
    const verdict = rows.text(row, 5);
    const mark = marks(verdict);
    const arrow = rows.value(row, 2);
    const [time, left, direction, right, word, seen, details] = node.clCells;
    write(time, clClock(rows.time(row)));
    write(left.firstChild, rows.text(row, 0));
    write(left.lastChild, rows.port(row, 1));
    write(direction, CL_ARROWS[arrow]);
    direction.setAttribute("aria-label", CL_ARROW_WORDS[arrow]);
    write(right.firstChild, rows.text(row, 3));
    write(right.lastChild, rows.port(row, 4));
    if (word.clVerdict !== verdict || word.clMark !== mark.icon) {
      word.clVerdict = verdict;
      word.clMark = mark.icon;
      word.replaceChildren(clMark(mark));
    }
    write(seen, rows.text(row, 6));
    write(details, rows.text(row, 7));
    node.clRow = row;
  }

  function render() {
    const first = rows.base, last = end(), count = last - first;
    if (active >= 0) active = Math.min(Math.max(active, first), last - 1);
    if (spacer.clCount !== count) {
      spacer.clCount = count;
      spacer.style.height = `${count * CL_ROW}px`;
      table.setAttribute("aria-rowcount", count + 1);
    }
    empty.hidden = count > 0;
    table.hidden = count === 0;
    height = viewport.clientHeight;
    stay();
    if (following) viewport.scrollTop = count * CL_ROW;
    else if (top !== null) viewport.scrollTop = top;
    top = null;
    const begin = first + Math.max(0, Math.floor(viewport.scrollTop / CL_ROW) - 2);
    element(0);
    const bottom = Math.min(last, begin + pool.length);
    const focused = root.contains(document.activeElement) && pool.includes(document.activeElement);
    const used = new Set();
    let tabbable = false;
    for (let row = begin; row < bottom; row++) {
      const node = element(row);
      used.add(node);
      if (node.clRow !== row || node.clEpoch !== rows.strings) {
        fill(node, row);
        node.clEpoch = rows.strings;
      }
      node.hidden = false;
      node.style.transform = `translateY(${(row - first) * CL_ROW}px)`;
      node.setAttribute("aria-rowindex", row - first + 2);
      const current = row === active || (active < 0 && row === bottom - 1);
      node.tabIndex = current ? 0 : -1;
      tabbable ||= current;
      node.setAttribute("aria-selected", row === opened);
    }
    for (const node of pool) {
      if (!used.has(node)) {
        node.hidden = true;
        node.clRow = -1;
      }
    }
    viewport.tabIndex = tabbable || count === 0 ? -1 : 0;
    if (focused && active >= begin && active < bottom) element(active).focus({ preventScroll: true });
  }

  /** Rows went away at the top since the last time: the others stay where they are, or are to be, on the screen. */
  function stay() {
    const gone = (rows.base - base) * CL_ROW;
    base = rows.base;
    if (top !== null) top -= gone;
    else if (gone > 0) viewport.scrollTop -= gone;
  }

  function show(row, { focus: wantsFocus = true } = {}) {
    if (top === null) stay();
    else render();
    const first = rows.base, last = end();
    active = Math.min(Math.max(row, first), last - 1);
    following = active === last - 1;
    const y = (active - first) * CL_ROW;
    if (y < viewport.scrollTop) viewport.scrollTop = y;
    else if (y + CL_ROW > viewport.scrollTop + viewport.clientHeight) {
      viewport.scrollTop = y + CL_ROW - viewport.clientHeight;
    }
    render();
    if (wantsFocus) element(active).focus({ preventScroll: true });
  }

  function focus() {
    if (rows.length) show(active < 0 ? end() - 1 : active);
  }

  function choose(row) {
    opened = row;
    active = row;
    following = false;
    render();
    open(row);
  }

  listen(viewport, "scroll", () => {
    const bottom = spacer.clCount * CL_ROW - viewport.clientHeight;
    following = viewport.scrollTop >= bottom - CL_ROW / 2 && (active < 0 || active >= end() - 1);
    draw();
  });
  listen(viewport, "click", (event) => {
    const node = event.target.closest(".cl-row");
    if (node && node.clRow >= 0) {
      node.focus({ preventScroll: true });
      choose(node.clRow);
    }
  });
  listen(viewport, "keydown", (event) => {
    const page = Math.max(1, Math.floor(viewport.clientHeight / CL_ROW) - 1);
    const from = active < 0 ? end() - 1 : active;
    const moves = {
      ArrowUp: from - 1, ArrowDown: from + 1, PageUp: from - page, PageDown: from + page, Home: rows.base,
      End: end() - 1,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !rows.length) return;
    if (event.key in moves) {
      event.preventDefault();
      show(moves[event.key]);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(from);
    }
  });
  const watcher = new ResizeObserver(() => draw());
  watcher.observe(viewport);
  grid.end = () => watcher.disconnect();
  grid.close = () => {
    opened = -1;
    render();
  };
  grid.say = (text) => { empty.textContent = text; };
  return grid;
}

/** 12:34:56.789 */
function clClock(milliseconds) {
  return Number.isFinite(milliseconds) ? new Date(milliseconds).toISOString().slice(11, 23) : "";
}

