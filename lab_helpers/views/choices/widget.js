// A question: a group of radio buttons (Tab goes to it, arrows and Space choose, Enter commits) and "Commit".

const CL_ANSWER_DUE = 4_000;

function clQuestion(model, root) {
  const group = `cl-choice-${Math.random().toString(36).slice(2)}`;
  const inputs = [];
  const lines = model.get("options").map(([value, words]) => {
    const input = clNode("input", { type: "radio", name: group, value });
    inputs.push(input);
    return clNode("label", {}, input, clNode("span", {}, ...clText(words)));
  });
  const button = clNode("button", { type: "button", class: "cl-commit", onclick: commit }, "Commit");
  const state = clNode("p", { class: "cl-standing", role: "status", "aria-live": "polite" });
  const problem = clNode("div", { class: "cl-problem", role: "alert", hidden: true });
  root.append(
    clNode("fieldset", {}, clNode("legend", {}, "Predict: ", ...clText(model.get("question"))), ...lines),
    clNode("div", { class: "cl-bar" }, button), problem, state,
  );
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !inputs.includes(event.target)) return;
    event.preventDefault();
    commit();
  });
  let waiting = 0;

  function commit() {
    if (model.get("locked")) return;
    const chosen = inputs.find((input) => input.checked);
    model.send({ kind: "commit", value: chosen ? chosen.value : "" });
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.textContent = "The kernel has not answered yet. If it was restarted, run this cell again.";
    }, CL_ANSWER_DUE);
  }

  function draw() {
    clearTimeout(waiting);
    const locked = model.get("locked");
    for (const input of inputs) {
      if (locked) input.checked = input.value === model.get("chosen");
      else if (model.get("chosen")) input.checked = input.value === model.get("chosen");
      input.disabled = locked;
    }
    button.disabled = locked;
    state.replaceChildren(...clText(model.get("state")));
    problem.textContent = model.get("problem");
    problem.hidden = !model.get("problem");
  }

  const changes = "change:answers change:chosen change:locked change:state change:problem";
  model.on(changes, draw);
  draw();
  return () => {
    clearTimeout(waiting);
    model.off(changes, draw);
  };
}

export default {
  render({ model, el }) {
    const root = clNode("div", { class: "cl-view cl-live cl-choice" });
    el.append(root);
    clKeepKeys(root);
    clDirect(model);
    return clQuestion(model, root);
  },
};
