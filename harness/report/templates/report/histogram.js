/* The scores of normal and defective images, and the limit between them. */

import { axes } from "./axes.js";
import { current } from "./current.js";
import { byId, shape } from "./elements.js";

export function showHistogram() {
  const [low, high] = current.range;
  const bins = 40;
  const counts = { normal: new Array(bins).fill(0), defect: new Array(bins).fill(0) };
  const binOf = (value) => Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins));
  for (const { defective, score } of current.images) counts[defective ? "defect" : "normal"][binOf(score)] += 1;
  const most = Math.max(...counts.normal, ...counts.defect, 1);
  const scale = axes(byId("histogram"), {
    height: 250,
    x: current.range,
    y: [-most * 1.35, most * 1.35],
    yLabel: null,
    xLabel: "score; hollow: wrongly called",
    margin: [8, 8, 34, 8],
    say: "Histogram of the scores: normal images above the line, defective ones below it.",
  });
  const middle = scale.y(0);
  for (const [kind, direction] of [["normal", 1], ["defect", -1]]) {
    counts[kind].forEach((count, bin) => {
      if (!count) return;
      const [left, right] = [bin, bin + 1].map((edge) => scale.x(low + (edge / bins) * (high - low)));
      const tip = scale.y(direction * count);
      const called = low + ((bin + 0.5) / bins) * (high - low) > current.limit;
      const bar = scale.add("rect", {
        class: `${kind}${called === (kind === "defect") ? "" : " wrongly"}`,
        x: left + 0.5,
        width: Math.max(right - left - 1, 1),
        y: Math.min(tip, middle),
        height: Math.abs(tip - middle),
      });
      bar.append(shape("title", {}, `${count} ${kind === "defect" ? "defective" : "normal"}`));
    });
  }
  scale.add("line", { class: "axis", x1: 8, x2: scale.width - 8, y1: middle, y2: middle });
  for (const preset of current.case.limits) {
    const at = scale.x(preset.limit);
    scale.add("line", { class: "preset", x1: at, x2: at, y1: 22, y2: scale.height - 34 }).append(shape("title", {}, preset.threshold));
  }
  const at = scale.x(current.limit);
  scale.add("line", { class: "limit", x1: at, x2: at, y1: 8, y2: scale.height - 34 });
  const end = at > scale.width / 2;
  scale.add("text", { class: "strong", x: end ? at - 6 : at + 6, y: 17, "text-anchor": end ? "end" : "start" }, end ? "called normal ◂ ▸" : "◂ ▸ called anomalous");
  const side = end ? 8 : scale.width - 8;
  scale.add("text", { x: side, y: 32, "text-anchor": end ? "start" : "end" }, "▴ normal");
  scale.add("text", { x: side, y: scale.height - 40, "text-anchor": end ? "start" : "end" }, "▾ defective");
}
