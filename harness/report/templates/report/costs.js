/* What methods cost against how well they do. */

import { axes } from "./axes.js";
import { content } from "./content.js";
import { byId, element, shape, short } from "./elements.js";

export function showCosts(shownRows, sorted, headings) {
  const { seconds, latency } = content.columns;
  showCost(byId("time"), shownRows, columnOf(sorted), seconds, headings, { label: "seconds of a fit", unit: "s", none: "No row here has a time." });
  if (latency !== null) showCost(byId("latency"), shownRows, columnOf(sorted), latency, headings, { label: "milliseconds of a decision", unit: "ms", none: "No row here has a latency." });
}

const columnOf = (sorted) => (/^\d+$/.test(sorted.column) && Number(sorted.column) < content.columns.seconds ? Number(sorted.column) : content.ranked_by);

/* The metric that is sorted by, or ranked by, against what a column says it costs. */
function showCost(holder, shownRows, column, cost, headings, { label, unit, none }) {
  const name = headings.find((button) => button.dataset.column === String(column)).textContent;
  const points = shownRows
    .filter((entry) => !entry.floor && entry.values[cost] > 0 && entry.values[column] !== null)
    .map((entry) => ({ entry, x: entry.values[cost], y: entry.values[column] }));
  if (!points.length) {
    holder.replaceChildren(element("p", { className: "note" }, none));
    return;
  }
  const [xs, ys] = [points.map((point) => point.x), points.map((point) => point.y)];
  const floors = shownRows.filter((entry) => entry.floor && entry.values[column] !== null).map((entry) => entry.values[column]);
  const floor = floors.length ? Math.max(...floors) : null;
  const [low, high] = [Math.min(...ys, floor ?? 1), Math.max(...ys, floor ?? 0)];
  const pad = (high - low) * 0.12 || 0.05;
  const scale = axes(holder, {
    height: 300,
    x: [Math.min(...xs) / 1.3, Math.max(...xs) * 1.3],
    y: [low - pad, high + pad],
    log: true,
    xLabel: label,
    yLabel: name,
    say: `${name} against the ${label}, of ${points.length} rows; the same figures stand in the table.`,
  });
  if (floor !== null) {
    scale.add("line", { class: "dashed", x1: 44, x2: scale.width - 12, y1: scale.y(floor), y2: scale.y(floor) });
    scale.add("text", { x: scale.width - 14, y: scale.y(floor) - 5, "text-anchor": "end" }, "best floor");
  }
  for (const { entry, x, y } of points) {
    const dot = scale.add("circle", { class: "dot", cx: scale.x(x), cy: scale.y(y), r: entry.number && points.length <= 40 ? 8.5 : 4 });
    dot.append(shape("title", {}, `${entry.method}, ${entry.threshold}: ${short(y)} in ${short(x)} ${unit}`));
    if (entry.number && points.length <= 40) scale.add("text", { class: "dot-label", x: scale.x(x), y: scale.y(y) + 4 }, entry.number);
  }
}
