/* The scores of every method on one category, small and side by side. */

import { axes } from "./axes.js";
import { content } from "./content.js";
import { BINS, binned } from "./counting.js";
import { byId, element } from "./elements.js";

export function showSmall(cases, where) {
  byId("small-figure").hidden = cases.length < 2;
  if (cases.length < 2) return;
  byId("small-note").textContent = `${where}; above the line normal images, below it defective ones, scores rising to the right, the highest of them in the last bar; line: the limit`;
  byId("small").replaceChildren(
    ...cases.map(({ one, limit }) => {
      const holder = element("div", {});
      const panel = element("div", {}, element("h4", { title: one.title }, one.title), holder);
      requestAnimationFrame(() => drawOne(holder, one, limit));
      return panel;
    }),
  );
}

function drawOne(holder, one, limit) {
  const set = content.sets[one.set];
  const { normal, defect, low, high } = binned(one.scores, set.defects.map((kind) => kind !== set.normal), limit);
  const most = Math.max(...normal, ...defect, 1);
  const scale = axes(holder, { height: 84, x: [low, Math.max(high, low + 1e-12)], y: [-most, most], yLabel: null, bare: true, margin: [2, 2, 2, 2], say: `Scores of ${one.title}` });
  const [wide, middle] = [(scale.width - 4) / BINS, scale.y(0)];
  for (const [kind, counts, up] of [["normal", normal, 1], ["defect", defect, -1]]) {
    counts.forEach((count, bin) => {
      if (!count) return;
      const tip = scale.y(up * count);
      scale.add("rect", { class: kind, x: 2 + bin * wide, width: Math.max(1, wide - 1), y: Math.min(tip, middle), height: Math.abs(tip - middle) });
    });
  }
  scale.add("line", { class: "axis", x1: 2, x2: scale.width - 2, y1: middle, y2: middle });
  const at = Math.min(Math.max(scale.x(limit), 1), scale.width - 1);
  scale.add("line", { class: "limit", x1: at, x2: at, y1: 2, y2: 82 });
}
