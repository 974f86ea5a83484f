/* Axes of charts, and lines in them. */

import { shape, short } from "./elements.js";

export function ticks(low, high, wanted) {
  // Values that differ in their last digits only have no steps between them that a number can hold.
  const least = Math.max(Math.abs(low), Math.abs(high)) * 1e-12;
  const raw = Math.max((high - low) / wanted, least) || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}

export function logTicks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const factor of high / low > 1000 ? [1] : high / low > 20 ? [1, 3] : [1, 2, 5]) {
      const at = factor * 10 ** power;
      if (at >= low && at <= high) found.push(at);
    }
  }
  return found.length > 2 ? found : ticks(low, high, 5);
}

/* Axes in a holder; `x` and `y` of the result turn values into places. */
export function axes(holder, { height, x, y, log = false, whole = false, unmarked = false, xLabel = "", yLabel = "", bare = false, say, margin = [10, 12, 34, 44] }) {
  const width = Math.max(Math.floor(holder.clientWidth), 150);
  const [top, right, bottom, left] = margin;
  const svg = shape("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": say });
  const place = log ? Math.log10 : (value) => value;
  const span = (value, [low, high]) => (high > low ? (value - low) / (high - low) : 0.5);
  const scale = {
    svg,
    width,
    height,
    x: (value) => left + span(place(value), x.map(place)) * (width - left - right),
    y: (value) => height - bottom - span(value, y) * (height - top - bottom),
    add(tag, attributes, text) {
      const made = shape(tag, attributes, text);
      svg.append(made);
      return made;
    },
  };
  holder.replaceChildren(svg);
  if (bare) return scale;
  const across = unmarked ? [] : log ? logTicks(...x) : ticks(...x, Math.max(2, Math.floor(width / 90)));
  for (const at of across.filter((value) => !whole || Number.isInteger(value))) {
    scale.add("line", { class: "axis", x1: scale.x(at), x2: scale.x(at), y1: top, y2: height - bottom });
    scale.add("text", { x: scale.x(at), y: height - bottom + 14, "text-anchor": "middle" }, short(at));
  }
  for (const at of yLabel === null ? [] : ticks(...y, Math.max(2, Math.floor(height / 50)))) {
    scale.add("line", { class: "axis", x1: left, x2: width - right, y1: scale.y(at), y2: scale.y(at) });
    scale.add("text", { x: left - 6, y: scale.y(at) + 4, "text-anchor": "end" }, short(at));
  }
  if (xLabel) scale.add("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, xLabel);
  if (yLabel) {
    const middle = (top + height - bottom) / 2;
    scale.add("text", { x: 11, y: middle, "text-anchor": "middle", transform: `rotate(-90 11 ${middle})` }, yLabel);
  }
  return scale;
}

/* A line through points; those that lie within half a pixel of the one before are left out. */
export function pathOf(points, scale) {
  const kept = [];
  points.forEach(([x, y], at) => {
    const [right, down] = [scale.x(x), scale.y(y)];
    const near = kept.length && Math.abs(right - kept.at(-1)[0]) + Math.abs(down - kept.at(-1)[1]) < 0.5;
    if (!near || at === points.length - 1) kept.push([right, down]);
  });
  return kept.map(([right, down], at) => `${at ? "L" : "M"}${right.toFixed(1)} ${down.toFixed(1)}`).join("");
}
