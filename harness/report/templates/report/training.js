/* The loss over the epochs of a fit. */

import { axes, pathOf } from "./axes.js";
import { content } from "./content.js";
import { current } from "./current.js";
import { byId, element, short } from "./elements.js";

export function showTraining() {
  const { losses } = content.trials[current.case.trial];
  const holder = byId("training");
  byId("training-note").textContent = losses.length ? `last ${short(losses.at(-1))}` : "";
  byId("training-figure").hidden = !losses.length;
  if (losses.length < 2) {
    holder.replaceChildren(element("p", { className: "note" }, losses.length ? `One epoch: ${short(losses[0])}.` : ""));
    return;
  }
  const scale = axes(holder, {
    height: 210,
    x: [1, losses.length],
    y: [Math.min(0, ...losses), Math.max(...losses)],
    whole: true,
    xLabel: "epoch",
    margin: [8, 10, 34, 48],
    say: `Training loss from ${short(losses[0])} to ${short(losses.at(-1))} over ${losses.length} ${losses.length === 1 ? "epoch" : "epochs"}`,
  });
  scale.add("path", { class: "curve", d: pathOf(losses.map((loss, at) => [at + 1, loss]), scale) });
}
