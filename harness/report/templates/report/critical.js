/* Mean ranks over categories, and which methods are not told apart. */

import { axes } from "./axes.js";
import { content } from "./content.js";
import { byId, shape } from "./elements.js";

export function showCritical(threshold, boardNumber) {
  const found = content.critical.find((one) => one.board === boardNumber && (!threshold || one.threshold === threshold));
  byId("critical-figure").hidden = !found;
  if (!found) return;
  const methods = found.ranks;
  const note = `threshold ${found.threshold}, over ${found.categories} categories; Friedman’s p = ${found.p.toFixed(3)}`;
  byId("critical-note").textContent = `${note}. Methods whose bars overlap are not told apart (Nemenyi, ${found.distance.toFixed(2)}).`;
  const [step, top] = [20, 22];
  const holder = byId("critical");
  const half = found.distance / 2;
  const left = Math.min(230, holder.clientWidth * 0.45);
  const scale = axes(holder, {
    height: top + methods.length * step + 34,
    x: [Math.min(1, methods[0][1] - half), Math.max(methods.length, methods.at(-1)[1] + half)],
    y: [0, 1],
    xLabel: "mean rank, lower is better",
    yLabel: null,
    margin: [8, 12, 34, left],
    say: `${note}. Mean ranks: ${methods.map(([name, rank]) => `${name} ${rank.toFixed(2)}`).join("; ")}. Critical difference ${found.distance.toFixed(2)}.`,
  });
  const limit = methods[0][1] + half;
  scale.add("line", { class: "dashed", x1: scale.x(limit), x2: scale.x(limit), y1: 8, y2: scale.height - 34 });
  methods.forEach(([name, rank], at) => {
    const y = top + at * step + 2;
    const room = Math.floor(left / 6.2);
    const label = scale.add("text", { class: "strong", x: left - 8, y: y + 4, "text-anchor": "end" }, name.length > room ? `${name.slice(0, room - 1)}…` : name);
    label.append(shape("title", {}, name));
    scale.add("line", { class: "span", x1: scale.x(rank - half), x2: scale.x(rank + half), y1: y, y2: y });
    scale.add("circle", { class: "dot", cx: scale.x(rank), cy: y, r: 4 });
  });
}
