// A plot that the kernel draws. The picture comes as SVG in the theme's colours, with its numbers beside it.

function clPlot(frame) {
  const kinds = clNode("select", { "aria-label": "What to plot", onchange: () => frame.send("kind", { name: kinds.value }) });
  const pause = clNode("button", {
    type: "button", "aria-pressed": "false",
    onclick: () => frame.send("pause", { on: pause.getAttribute("aria-pressed") !== "true" }),
  }, "Pause");
  const command = clNode("code", {});
  const picture = clNode("div", { class: "cl-picture" });
  const numbers = clNode("pre", { tabindex: "0", "aria-label": "The numbers of the plot" });
  const details = clNode("details", {}, clNode("summary", {}, "the numbers"), numbers);
  frame.body.append(clNode("div", { class: "cl-plot" },
    clNode("div", { class: "cl-bar" }, clNode("label", {}, "plot ", kinds), pause,
      clNode("span", {}, "flows of ", command)), picture, details));

  return (content) => {
    if (kinds.options.length === 0) {
      for (const [name, words] of content.kinds) kinds.append(clNode("option", { value: name }, words));
    }
    if (pause.getAttribute("aria-pressed") !== String(content.paused)) {
      pause.setAttribute("aria-pressed", String(content.paused));
      frame.say(content.paused ? "the plot is held" : "the plot goes on");
    }
    kinds.value = content.chosen;
    frame.keep(content.own, content.chosen === content.own ? null : content.chosen, (name) => frame.send("kind", { name }));
    command.textContent = content.command;
    picture.innerHTML = content.picture;
    numbers.textContent = content.numbers;
  };
}

export default {
  render({ model, el }) {
    const frame = clFrame({ model, el, label: "A plot of live flows" });
    frame.on("plot", clPlot(frame));
    frame.begin();
    return frame.end;
  },
};
