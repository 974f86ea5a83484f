/* How many images of each kind of defect each method finds at its limit. */

import { axes } from "./axes.js";
import { content } from "./content.js";
import { foundByKind } from "./counting.js";
import { byId, shape } from "./elements.js";
import { fitted } from "./labels.js";

export function showKinds(cases, where) {
  const { kinds, rows } = foundByKind(cases, content.sets);
  byId("kinds-figure").hidden = !kinds.length;
  if (!kinds.length) return;
  byId("kinds-note").textContent = `${where}; per cent found at the limit; n: images of that kind`;
  const holder = byId("kinds-map");
  const beside = Math.min(holder.clientWidth * 0.42, 16 + 6.2 * Math.max(...rows.map((row) => row.name.length)));
  const narrow = (holder.clientWidth - beside - 40) / kinds.length < 34; // then names stand above their rows
  const left = narrow ? 0 : beside;
  const [step, top, down] = narrow ? [42, 96, 18] : [24, 96, 0];
  const width = Math.min(90, (holder.clientWidth - left - 40) / kinds.length);
  const said = rows.map((row) => `${row.name} ${row.found.map((share, at) => `${kinds[at].kind} ${share === null ? "–" : Math.round(100 * share)}`).join(", ")}`);
  const scale = axes(holder, { height: top + rows.length * step + 8, x: [0, 1], y: [0, 1], yLabel: null, bare: true, margin: [0, 0, 0, 0], say: `Share found: ${said.join("; ")}` });
  kinds.forEach(({ kind, n }, at) => {
    const [x, y] = [left + (at + 0.5) * width, top - 22];
    scale.add("text", { class: "strong", x, y, transform: `rotate(${narrow ? -55 : -35} ${x} ${y})` }, fitted(kind, 90)).append(shape("title", {}, kind));
    scale.add("text", { x, y: top - 6, "text-anchor": "middle" }, narrow ? n : `n ${n}`);
  });
  rows.forEach((row, line) => {
    const y = top + line * step + down;
    const place = narrow ? { x: 0, y: y - 5 } : { x: left - 10, y: y + 15, "text-anchor": "end" };
    scale.add("text", { class: "strong", ...place }, narrow ? row.name : fitted(row.name, left - 12)).append(shape("title", {}, row.name));
    row.found.forEach((share, at) => {
      if (share === null) return;
      scale.add("rect", { class: "cell", x: left + at * width + 1, y: y + 1, width: Math.max(width - 2, 1), height: 22, "fill-opacity": (0.06 + 0.94 * share).toFixed(3) });
      scale.add("text", { class: share > 0.55 ? "cell-text on-dark" : "cell-text strong", x: left + (at + 0.5) * width, y: y + 16, "text-anchor": "middle" }, Math.round(100 * share));
    });
  });
}
