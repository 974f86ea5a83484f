/* The first screen: how often the method to use is wrong, beside others, and the way to its images. */

import { axes } from "./axes.js";
import { content } from "./content.js";
import { shape } from "./elements.js";
import { look } from "./explorer.js";
import { fitted } from "./labels.js";
import { percent } from "./statistics.js";

const panels = [...document.querySelectorAll(".answer")];

/* The answer on one data set, the others hidden; undefined where there is none. */
export function showAnswer(source) {
  for (const panel of panels) panel.hidden = panel.dataset.source !== source;
  const at = panels.findIndex((panel) => !panel.hidden);
  if (at >= 0) drawRates(panels[at].querySelector(".rates-chart"), content.answers[at].rows);
}

function drawRates(holder, rows) {
  const [step, top] = [38, 26];
  const left = Math.min(210, holder.clientWidth * 0.4, 16 + 6.4 * Math.max(...rows.map((row) => row.name.length)));
  const most = Math.max(0.1, ...rows.flatMap((row) => [row.false_alarms[2], row.misses[2]]));
  const said = rows.map((row) => `${row.name}: false alarms ${percent(row.false_alarms[0])}, misses ${percent(row.misses[0])}`);
  const half = (holder.clientWidth - left) / 2;
  const scale = axes(holder, { height: top + rows.length * step + 14, x: [0, 1], y: [0, 1], yLabel: null, bare: true, margin: [0, 0, 0, 0], say: said.join("; ") });
  ["false_alarms", "misses"].forEach((kind, number) => {
    const start = left + number * half;
    const xOf = (rate) => start + (rate / most) * (half - 46);
    scale.add("text", { class: "strong", x: start, y: 12 }, kind.replace("_", " "));
    scale.add("line", { class: "axis", x1: start, x2: start, y1: 18, y2: scale.height - 8 });
    rows.forEach((row, at) => {
      const [rate, low, high] = row[kind];
      const y = top + at * step + 12;
      scale.add("line", { class: "bar", x1: xOf(low), x2: xOf(high), y1: y, y2: y });
      if (row.kind === "floor") scale.add("rect", { class: "floor-mark", x: xOf(rate) - 4, y: y - 4, width: 8, height: 8 });
      else scale.add("circle", { class: row.kind === "chosen" ? "dot" : "hollow", cx: xOf(rate), cy: y, r: 5 });
      scale.add("text", { x: Math.min(xOf(high) + 6, start + half - 34), y: y + 4 }, percent(rate));
    });
  });
  rows.forEach((row, at) => {
    const label = scale.add("text", { class: row.kind === "floor" ? "" : "strong", x: left - 12, y: top + at * step + 16, "text-anchor": "end", "font-weight": row.kind === "chosen" ? 700 : 400 }, fitted(row.name, left - 14));
    label.append(shape("title", {}, row.name));
  });
}

for (const button of document.querySelectorAll(".look")) {
  button.addEventListener("click", () => {
    look(button.dataset.case, button.dataset.threshold);
    document.getElementById("images").scrollIntoView();
    document.getElementById("images-title").focus({ preventScroll: true });
  });
}
