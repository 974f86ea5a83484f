/* Mean ranks over categories; bars join the methods that are not told apart. */

import { axes } from "./axes.js";
import { content } from "./content.js";
import { byId, shape } from "./elements.js";
import { fitted } from "./labels.js";

export function criticalOf(threshold, boardNumber) {
  return content.critical.find((one) => one.board === boardNumber && (!threshold || one.threshold === threshold));
}

export function showCritical(found) {
  const methods = found.ranks;
  const note = `threshold ${found.threshold}, over ${found.categories} categories; Friedman’s p = ${found.p.toFixed(3)}`;
  byId("critical-note").textContent = `${note}. A bar on the right joins methods that are not told apart (Nemenyi, ${found.distance.toFixed(2)}).`;
  const [step, top] = [20, 14];
  const holder = byId("critical");
  const left = Math.min(holder.clientWidth * 0.55, 14 + 6.2 * Math.max(...methods.map(([name]) => name.length)));
  const right = 16 + 9 * found.groups.length;
  const scale = axes(holder, {
    height: top + methods.length * step + 34,
    x: [1, Math.max(methods.length, methods.at(-1)[1])],
    y: [0, 1],
    xLabel: "mean rank, lower is better",
    yLabel: null,
    margin: [4, right, 34, left],
    say: `${note}. Mean ranks: ${methods.map(([name, rank]) => `${name} ${rank.toFixed(2)}`).join("; ")}. Critical difference ${found.distance.toFixed(2)}.`,
  });
  const yOf = (at) => top + at * step;
  methods.forEach(([name, rank], at) => {
    const label = scale.add("text", { class: "strong", x: left - 10, y: yOf(at) + 4, "text-anchor": "end" }, fitted(name, left - 12));
    label.append(shape("title", {}, name));
    scale.add("line", { class: "axis", x1: left, x2: scale.x(rank), y1: yOf(at), y2: yOf(at) });
    scale.add("circle", { class: "dot", cx: scale.x(rank), cy: yOf(at), r: 4 });
  });
  const names = methods.map(([name]) => name);
  found.groups.forEach((group, number) => {
    const places = group.map((name) => names.indexOf(name));
    const x = scale.width - right + 12 + 9 * number;
    scale.add("line", { class: "group", x1: x, x2: x, y1: yOf(Math.min(...places)) - 6, y2: yOf(Math.max(...places)) + 6 });
  });
}
