/* Curves over a protocol: a figure against the number of training images, or against how many of them are defective. */

import { axes, pathOf } from "./axes.js";
import { content } from "./content.js";
import { byId, element, shape, short } from "./elements.js";
import { fitted } from "./labels.js";
import { savable } from "./saving.js";

const LINES = 6; // lines in one picture
const SPACING = 15; // pixels between names at the ends of lines

/* Every curve of what is shown: of this category and threshold, where one is chosen, and of this data under any protocol. */
export function showProtocols({ source, category, threshold }) {
  const found = content.curves.filter(
    (one) => (one.sources.includes(source) || one.data.startsWith(`${source} · `)) && (!category || one.category === category) && (!threshold || one.threshold === threshold),
  );
  byId("protocols").hidden = !found.length;
  byId("protocols").replaceChildren(
    ...found.map((one) => {
      const holder = element("div", { className: "chart" });
      const title = one.axis === "shots" ? "Learning curves" : "Contamination curves";
      const few = one.lines.length > LINES ? `; the ${LINES} best of ${one.lines.length} methods` : "";
      const note = element("span", { className: "note" }, `${one.data} · ${one.category}, limit ${one.threshold}; band: ± standard deviation over seeds${few}`);
      const list = element("ul", { className: "enough" }, ...one.lines.slice(0, LINES).map((line) => element("li", {}, sentenceOf(one, line))));
      requestAnimationFrame(() => drawProtocol(holder, one));
      const figure = element("figure", {}, element("figcaption", {}, `${title} `, note), holder, list);
      savable(figure);
      return figure;
    }),
  );
}

const amountOf = (one, at) => (one.axis === "shots" ? String(Math.round(at)) : `${short(100 * at)} %`);

const sentenceOf = (one, line) => `${told(one, line)}${line.unset && ` ${one.threshold} could set no limit at ${line.unset}.`}`;

function told(one, line) {
  const [first, last] = [line.points[0], line.points.at(-1)];
  const ends = `${line.name}: ${first[1].toFixed(3)} at ${amountOf(one, first[0])}, ${last[1].toFixed(3)} at ${amountOf(one, last[0])}`;
  if (one.axis !== "shots") return `${ends}.`;
  const seeds = line.points.every(([, , , n]) => n > 1);
  return line.enough
    ? `${ends}; within its noise of that from ${line.enough} on.`
    : `${ends}; ${seeds ? "no smaller number is within its noise of that" : "one seed has no noise to compare with"}.`;
}

/* Values stand at equal distances, for numbers of images double and the shares of a run are few. */
function drawProtocol(holder, one) {
  const lines = one.lines.slice(0, LINES);
  const values = [...new Set(lines.flatMap((line) => line.points.map(([at]) => at)))].sort((a, b) => a - b);
  const reach = lines.flatMap((line) => line.points.flatMap(([, mean, sd]) => [mean - (sd ?? 0), mean + (sd ?? 0)]));
  const [low, high] = [Math.min(...reach), Math.max(...reach)];
  const pad = (high - low) * 0.08 || 0.05;
  const right = Math.min(170, Math.floor(holder.clientWidth * 0.36));
  const scale = axes(holder, {
    height: 280,
    x: [0, values.length - 1],
    y: [low - pad, high + pad],
    unmarked: true,
    xLabel: one.counts,
    yLabel: one.metric,
    margin: [10, right, 34, 48],
    say: `${one.metric} by ${one.counts}. ${lines.map((line) => sentenceOf(one, line)).join(" ")}`,
  });
  values.forEach((value, place) => scale.add("text", { x: scale.x(place), y: scale.height - 20, "text-anchor": "middle" }, amountOf(one, value)));
  const ends = [];
  lines.forEach((line, number) => {
    const points = line.points.map(([at, mean, sd]) => [values.indexOf(at), mean, sd ?? 0]);
    const upper = pathOf(points.map(([x, mean, sd]) => [x, mean + sd]), scale);
    const lower = pathOf(points.toReversed().map(([x, mean, sd]) => [x, mean - sd]), scale);
    scale.add("path", { class: `band of-${number}`, d: `${upper}L${lower.slice(1)}Z` });
    scale.add("path", { class: `curve of-${number}`, d: pathOf(points.map(([x, mean]) => [x, mean]), scale) });
    for (const [x, mean] of points) {
      const dot = scale.add("circle", { class: `dot of-${number}`, cx: scale.x(x), cy: scale.y(mean), r: 3.5 });
      dot.append(shape("title", {}, `${line.name}: ${mean.toFixed(3)} at ${amountOf(one, values[x])}`));
    }
    const [x, mean] = points.at(-1);
    ends.push({ name: line.name, short: line.short, number, x: scale.x(x), y: scale.y(mean) });
  });
  let lowest = -Infinity;
  for (const end of ends.sort((a, b) => a.y - b.y)) {
    lowest = Math.max(end.y + 4, lowest + SPACING);
    const name = scale.add("text", { class: `strong name of-${end.number}`, x: scale.width - right + 8, y: lowest }, fitted(end.short, right - 10));
    name.append(shape("title", {}, end.name));
  }
}
