// The board of bets. Each cell is a button: Enter, Space or a click goes to the next choice, arrows go to the next cell,
// digits choose at once, Delete takes the bet back.

function clBoard(frame) {
  const bets = new Map();
  let board = null, at = 0;
  const root = clNode("div", { class: "cl-bets" });
  frame.body.append(root);

  const choice = (value) => board.choices.find((one) => one.word === value);
  const open = () => !board.committed && !board.settled;

  function label(cell) {
    const bet = bets.get(cell.pair);
    const parts = [cell.pair.replace(" → ", " to "), `now ${cell.before.word}`];
    if (cell.after) parts[1] = `was ${cell.before.word}, now ${cell.after.word}`;
    parts.push(bet ? `your bet: ${bet}` : "no bet");
    if (cell.fared) parts.push(cell.fared.word);
    return parts.join(", ");
  }

  function fill(button, cell) {
    const bet = bets.get(cell.pair) || "";
    const seen = [clMark(cell.before)];
    if (cell.after && cell.after.word !== cell.before.word) seen.push(" → ", clMark(cell.after));
    const wager = bet ? [`bet: ${choice(bet) ? choice(bet).icon : ""} ${bet}`] : [open() ? "bet: ?" : "no bet"];
    if (cell.fared) wager.push(" ", clMark(cell.fared));
    button.dataset.bet = bet;
    button.setAttribute("aria-label", label(cell));
    button.replaceChildren(clNode("span", {}, ...seen), clNode("span", { class: "cl-bet" }, ...wager));
  }

  function put(index, value) {
    if (!open()) return;
    const cell = board.cells[index];
    if (value) bets.set(cell.pair, value);
    else bets.delete(cell.pair);
    const button = root.querySelectorAll(".cl-cell")[index];
    fill(button, cell);
    frame.say(label(cell));
    root.querySelector(".cl-commit").disabled = bets.size === 0;
    stand();
  }

  function next(index) {
    const values = ["", ...board.choices.map((one) => one.word)];
    const now = values.indexOf(bets.get(board.cells[index].pair) || "");
    put(index, values[(now + 1) % values.length]);
  }

  function go(index) {
    const buttons = [...root.querySelectorAll(".cl-cell")];
    at = Math.max(0, Math.min(buttons.length - 1, index));
    buttons.forEach((button, place) => button.setAttribute("tabindex", place === at ? "0" : "-1"));
    buttons[at].focus();
  }

  function pressed(event, index) {
    const wide = board.targets.length;
    const moves = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide,
      Home: -(index % wide), End: wide - 1 - (index % wide),
    };
    if (event.key in moves) {
      const to = index + moves[event.key];
      if (to >= 0 && to < board.cells.length) go(to);
    } else if (event.key === "Delete" || event.key === "Backspace") put(index, "");
    else if (/^[1-9]$/.test(event.key) && board.choices[event.key - 1]) put(index, board.choices[event.key - 1].word);
    else return;
    event.preventDefault();
  }

  function draw() {
    const focused = root.contains(document.activeElement) && document.activeElement.classList.contains("cl-cell");
    const head = clNode("tr", {}, clNode("th", { scope: "col" }, "from \\ to"),
      ...board.targets.map((target) => clNode("th", { scope: "col" }, target)));
    const rows = board.sources.map((source, row) => {
      const cells = board.targets.map((_, column) => {
        const index = row * board.targets.length + column;
        const button = clNode("button", {
          class: "cl-cell", type: "button", tabindex: index === at ? "0" : "-1", "aria-disabled": open() ? null : "true",
          onclick: () => { at = index; next(index); }, onkeydown: (event) => pressed(event, index),
          onfocus: () => { at = index; },
        });
        fill(button, board.cells[index]);
        return clNode("td", {}, button);
      });
      return clNode("tr", {}, clNode("th", { scope: "row" }, source), ...cells);
    });
    const keys = board.choices.map((one, place) => `${place + 1} ${one.word}`).join(", ");
    const help = `Arrows move, Enter or a click goes to the next choice, ${keys}, Delete takes a bet back.`;
    root.replaceChildren(
      clNode("h4", {}, "Bet: ", ...clText(board.question)),
      clNode("table", {}, clNode("thead", {}, head), clNode("tbody", {}, ...rows)),
      ...(open() ? [
        clNode("p", { class: "cl-help" }, help),
        clNode("div", { class: "cl-bar" }, clNode("button", {
          class: "cl-commit", type: "button", disabled: bets.size === 0,
          onclick: () => frame.send("commit", { bets: Object.fromEntries(bets) }),
        }, "Commit these bets")),
      ] : []),
      clNode("p", { class: "cl-standing" }),
    );
    stand();
    if (focused) go(at);
  }

  function stand() {
    const chosen = `${bets.size} of ${board.cells.length} connections bet on, not committed yet.`;
    root.querySelector(".cl-standing").replaceChildren(...clText(open() && bets.size ? chosen : board.state));
  }

  return (content) => {
    const before = board && board.state;
    board = content;
    if (!open()) bets.clear();
    for (const cell of board.cells) if (cell.bet) bets.set(cell.pair, cell.bet);
    draw();
    if (before && before !== board.state) frame.say(board.state);
  };
}

export default {
  render({ model, el }) {
    const frame = clFrame({ model, el, label: "Bets on who reaches whom" });
    frame.on("board", clBoard(frame));
    frame.begin();
    return frame.end;
  },
};
