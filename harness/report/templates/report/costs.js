/* What methods cost against how well they do, with names beside the points and the front that nothing beats. */

import { axes, pathOf } from "./axes.js";
import { content } from "./content.js";
import { byId, element, shape, short } from "./elements.js";
import { placeLabels } from "./labels.js";
import { frontOf } from "./statistics.js";

const NAMED = 40; // points that may have their name beside them

export function showCosts(shownRows, sorted, headings) {
  const { seconds, latency, memory } = content.columns;
  const column = columnOf(sorted);
  const name = headings.find((button) => button.dataset.column === String(column)).textContent;
  const show = (id, cost, label, unit, none) => showCost(byId(id), pointsOf(shownRows, column, cost), { name, label, unit, none, floor: floorOf(shownRows, column) });
  show("time", seconds, "seconds of a fit", "s", "No row here has a time.");
  if (latency !== null) show("latency", latency, "milliseconds of a decision", "ms", "No row here has a latency.");
  if (memory !== null) show("memory", memory, "MB of memory", "MB", "No row here has its memory measured.");
}

/* The metric that is sorted by, where more of it is better, or else the one that ranks. */
function columnOf(sorted) {
  const column = /^\d+$/.test(sorted.column) ? Number(sorted.column) : content.ranked_by;
  return column > 1 && column < content.columns.seconds ? column : content.ranked_by;
}

const pointsOf = (shownRows, column, cost) =>
  shownRows
    .filter((entry) => !entry.floor && entry.values[cost] > 0 && entry.values[column] !== null)
    .map((entry) => ({ entry, x: entry.values[cost], y: entry.values[column] }));

function floorOf(shownRows, column) {
  const floors = shownRows.filter((entry) => entry.floor && entry.values[column] !== null).map((entry) => entry.values[column]);
  return floors.length ? Math.max(...floors) : null;
}

function showCost(holder, points, { name, label, unit, none, floor }) {
  if (!points.length) {
    holder.replaceChildren(element("p", { className: "note" }, none));
    return;
  }
  const [xs, ys] = [points.map((point) => point.x), points.map((point) => point.y)];
  const [low, high] = [Math.min(...ys, floor ?? 1), Math.max(...ys, floor ?? 0)];
  const pad = (high - low) * 0.12 || 0.05;
  const scale = axes(holder, {
    height: 320,
    x: [Math.min(...xs) / 1.5, Math.max(...xs) * 1.5],
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
  const front = frontOf(points);
  if (front.length > 1) scale.add("path", { class: "front", d: pathOf(front.map(({ x, y }) => [x, y]), scale) });
  for (const point of points) {
    const dot = scale.add("circle", { class: front.includes(point) ? "dot" : "hollow", cx: scale.x(point.x), cy: scale.y(point.y), r: front.includes(point) ? 5 : 4 });
    dot.append(shape("title", {}, `${point.entry.method}, ${point.entry.threshold}: ${short(point.y)} in ${short(point.x)} ${unit}`));
  }
  const first = [...front, ...points.filter((point) => !front.includes(point)).sort((a, b) => b.y - a.y)];
  const places = first.slice(0, NAMED).map(({ entry, x, y }) => ({ x: scale.x(x), y: scale.y(y), name: entry.method }));
  for (const { point, x, y, anchor } of placeLabels(places, scale)) scale.add("text", { class: "strong", x, y, "text-anchor": anchor }, point.name);
}
