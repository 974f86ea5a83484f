"use strict";

const content = JSON.parse(document.getElementById("content").textContent);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const ONCE = 48; // tiles that are drawn before somebody asks for all
const FAINT = 40; // other methods' curves, at most

/* Elements. Text is only ever set as text, so that no name can become markup. */

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function shape(tag, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== "") made.textContent = text;
  return made;
}

function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-4 ? value.toExponential(2) : Number(value.toPrecision(3)).toString();
}

/* A score beside others, with as many digits. */
const digits = (value) => (Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : value.toPrecision(3));

const share = (part, whole) => (whole ? (part / whole).toFixed(3) : "–");

/* Charts. */

function ticks(low, high, wanted) {
  // Values that differ in their last digits only have no steps between them that a number can hold.
  const least = Math.max(Math.abs(low), Math.abs(high)) * 1e-12;
  const raw = Math.max((high - low) / wanted, least) || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}

function logTicks(low, high) {
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
function axes(holder, { height, x, y, log = false, whole = false, xLabel = "", yLabel = "", say, margin = [10, 12, 34, 44] }) {
  const width = Math.max(holder.clientWidth, 150);
  const [top, right, bottom, left] = margin;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": say });
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
  const across = log ? logTicks(...x) : ticks(...x, Math.max(2, Math.floor(width / 90)));
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
  holder.replaceChildren(svg);
  return scale;
}

const pathOf = (points, scale) => points.map(([x, y], at) => `${at ? "L" : "M"}${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`).join("");

/* Leaderboard. */

const board = byId("board");
const rows = [...board.tBodies[0].rows].map((row) => ({
  row,
  ...row.dataset,
  floor: row.classList.contains("floor"),
  ranked: "ranked" in row.dataset,
  values: [...row.querySelectorAll("td[data-value]")].map((cell) => (cell.dataset.value === "" ? null : Number(cell.dataset.value))),
}));
const filters = byId("filters");
const headings = [...board.tHead.querySelectorAll("button")];
const sorted = { column: String(content.ranked_by), descending: true };
let shownRows = [];

const valueOf = (entry, column) => (/^\d+$/.test(column) ? entry.values[Number(column)] : entry[column]);

function compare(one, other) {
  const [a, b] = [valueOf(one, sorted.column), valueOf(other, sorted.column)];
  if (a === null || b === null) return (a === null) - (b === null); // what has no value comes last either way
  const ahead = typeof a === "number" ? a - b : a.localeCompare(b);
  return sorted.descending ? -ahead : ahead;
}

function showBoard() {
  const wanted = Object.fromEntries(new FormData(filters));
  const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  const source = wanted.source ?? rows[0]?.source;
  const shown = rows.filter(
    (entry) =>
      entry.source === source &&
      (!wanted.category || entry.category === wanted.category) &&
      (!wanted.track || entry.track === wanted.track) &&
      ((entry.floor && (!entry.threshold || !wanted.threshold || entry.threshold === wanted.threshold)) ||
        (!entry.floor && (!wanted.threshold || entry.threshold === wanted.threshold) && words.every((word) => entry.method.toLowerCase().includes(word)))),
  );
  shown.sort(compare);
  const kept = new Set(shown);
  for (const entry of rows) entry.row.hidden = !kept.has(entry);
  board.tBodies[0].append(...shown.map((entry) => entry.row));
  board.classList.toggle("one-category", Boolean(wanted.category));
  const together = new Set(shown.map((entry) => entry.board)).size === 1;
  let [number, position, before] = [0, 0, undefined];
  for (const entry of shown) {
    const value = valueOf(entry, sorted.column);
    const counts = together && entry.ranked && !entry.floor && value !== null;
    if (counts) {
      position += 1;
      if (value !== before) number = position;
      before = value;
    }
    entry.number = counts ? number : "";
    entry.row.cells[0].textContent = entry.number;
  }
  for (const button of headings) {
    const heading = button.closest("th");
    if (button.dataset.column === sorted.column) heading.setAttribute("aria-sort", sorted.descending ? "descending" : "ascending");
    else heading.removeAttribute("aria-sort");
  }
  shownRows = shown;
  const methods = shown.filter((entry) => !entry.floor).length;
  const scope = [source, wanted.category || "all categories", wanted.track && `thresholds set on ${wanted.track}`, wanted.threshold && `threshold ${wanted.threshold}`];
  byId("scope").textContent = scope.filter(Boolean).join(" · ");
  byId("shown").textContent = `${methods} of ${rows.filter((entry) => !entry.floor).length} rows`;
  showCosts();
  showCritical(wanted.threshold, together ? Number(shown[0].board) : -1);
}

for (const button of headings) {
  button.addEventListener("click", () => {
    const { column } = button.dataset;
    const text = !/^\d+$/.test(column);
    const lessIsBetter = Number(column) >= content.columns.seconds;
    sorted.descending = sorted.column === column ? !sorted.descending : !(text || lessIsBetter);
    sorted.column = column;
    showBoard();
  });
}
filters.addEventListener("input", (event) => {
  const { track, threshold } = filters.elements;
  const possible = rows.some((entry) => entry.threshold === threshold.value && (!track.value || entry.track === track.value));
  if (event.target === track && !possible) threshold.value = ""; // a threshold belongs to one track
  if (event.target === threshold && !possible) track.value = rows.find((entry) => entry.threshold === threshold.value)?.track ?? "";
  showBoard();
});
filters.addEventListener("submit", (event) => event.preventDefault());
board.addEventListener("click", (event) => {
  const row = event.target.closest("button.link")?.closest("tr");
  if (!row) return;
  look(row.dataset.case, row.dataset.threshold);
  byId("images").scrollIntoView();
  byId("images-title").focus({ preventScroll: true });
});

function showCosts() {
  const { seconds, latency } = content.columns;
  showCost(byId("time"), seconds, { label: "seconds of a fit", unit: "s", none: "No row here has a time." });
  if (latency !== null) showCost(byId("latency"), latency, { label: "milliseconds of a decision", unit: "ms", none: "No row here has a latency." });
}

/* The metric that is sorted by, or ranked by, against what a column says it costs. */
function showCost(holder, cost, { label, unit, none }) {
  const column = /^\d+$/.test(sorted.column) && Number(sorted.column) < content.columns.seconds ? Number(sorted.column) : content.ranked_by;
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

function showCritical(threshold, boardNumber) {
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

/* The images of one case: a trial's scores of one pool. */

const choice = byId("choice");
const slider = byId("limit");
const gallery = byId("gallery");
const sheets = new Map();
const KINDS = [
  ["all", () => true],
  ["misses", (image) => image.defective && !image.called],
  ["false alarms", (image) => !image.defective && image.called],
  ["right", (image) => image.defective === image.called],
];
let current = null; // { name, case, set, images, limit, range, kind, order, everything }

function casesOf(set) {
  return Object.entries(content.cases)
    .filter(([, one]) => one.set === set)
    .sort(([, a], [, b]) => (b.auroc ?? 0) - (a.auroc ?? 0) || a.title.localeCompare(b.title) || a.seed - b.seed);
}

function look(name, threshold) {
  const one = content.cases[name];
  if (!one) return;
  const set = content.sets[one.set];
  const others = casesOf(one.set);
  const several = new Set(others.map(([, other]) => other.seed)).size > 1;
  choice.elements.set.value = one.set;
  choice.elements.case.replaceChildren(
    ...others.map(([key, other]) => element("option", { value: key }, `${other.title}${several ? `, seed ${other.seed}` : ""} (AUROC ${short(other.auroc)})`)),
  );
  choice.elements.case.value = name;
  byId("looking").textContent = `${set.category} · ${one.title}${several ? `, seed ${one.seed}` : ""}`;
  const images = one.scores.map((score, at) => ({ at, score, name: set.names[at], defect: set.defects[at], defective: set.defects[at] !== set.normal }));
  const limits = one.limits.map((preset) => preset.limit);
  const [low, high] = [Math.min(...one.scores, ...limits), Math.max(...one.scores, ...limits)];
  const pad = (high - low) * 0.02 || Math.abs(high) * 0.02 || 1;
  const preset = one.limits.find((other) => other.threshold === threshold) ?? one.limits[0];
  current = { name, case: one, set, images, range: [low - pad, high + pad], kind: current?.kind ?? "all", everything: false };
  byId("limits").replaceChildren(
    ...one.limits.map((other) => {
      const button = element("button", { type: "button" }, other.oracle ? `${other.threshold} (saw test labels)` : other.threshold);
      button.addEventListener("click", () => setLimit(other.limit, true));
      return button;
    }),
  );
  showTraining();
  setLimit(preset.limit, true);
}

function setLimit(limit, settled) {
  current.limit = limit;
  for (const image of current.images) {
    image.called = image.score > limit;
    image.margin = image.defective ? image.score - limit : limit - image.score;
  }
  const [low, high] = current.range;
  if (settled) slider.value = Math.round(((limit - low) / (high - low)) * 1000);
  showCounts();
  showHistogram();
  showCurves();
  if (settled) showGallery();
  else gallery.querySelectorAll(".tile").forEach((tile) => decide(tile, current.images[Number(tile.dataset.at)]));
}

slider.addEventListener("input", () => {
  const [low, high] = current.range;
  setLimit(low + (Number(slider.value) / 1000) * (high - low), false);
});
slider.addEventListener("change", () => setLimit(current.limit, false) ?? showGallery());

function countsOf(images) {
  const counted = { rightNormal: 0, falseAlarms: 0, misses: 0, rightAbnormal: 0 };
  for (const { defective, called } of images) counted[defective ? (called ? "rightAbnormal" : "misses") : called ? "falseAlarms" : "rightNormal"] += 1;
  return counted;
}

function showCounts() {
  const { rightNormal, falseAlarms, misses, rightAbnormal } = countsOf(current.images);
  const [normal, abnormal] = [rightNormal + falseAlarms, misses + rightAbnormal];
  byId("right-normal").textContent = rightNormal;
  byId("false-alarms").textContent = falseAlarms;
  byId("misses").textContent = misses;
  byId("right-abnormal").textContent = rightAbnormal;
  byId("normal-rate").textContent = share(rightNormal, normal);
  byId("abnormal-rate").textContent = share(rightAbnormal, abnormal);
  byId("accuracy").textContent = share(rightNormal + rightAbnormal, normal + abnormal);
  byId("balanced").textContent = normal && abnormal ? ((rightNormal / normal + rightAbnormal / abnormal) / 2).toFixed(3) : "–";
  byId("f1").textContent = share(2 * rightAbnormal, 2 * rightAbnormal + falseAlarms + misses);
  byId("limit-value").textContent = digits(current.limit);
  slider.setAttribute("aria-valuetext", `${short(current.limit)}: ${falseAlarms} false alarms, ${misses} misses`);
  current.case.limits.forEach((preset, at) => byId("limits").children[at].setAttribute("aria-pressed", preset.limit === current.limit));
  const buttons = KINDS.map(([kind, belongs]) => {
    const button = element("button", { type: "button" }, `${kind} ${current.images.filter(belongs).length}`);
    button.dataset.kind = kind;
    button.setAttribute("aria-pressed", kind === current.kind);
    return button;
  });
  const held = document.activeElement?.dataset?.kind;
  byId("kinds").replaceChildren(...buttons);
  if (held) buttons.find((button) => button.dataset.kind === held)?.focus();
}

byId("kinds").addEventListener("click", (event) => {
  const kind = event.target.dataset.kind;
  if (!kind) return;
  current.kind = kind;
  showCounts();
  showGallery();
});

function showHistogram() {
  const [low, high] = current.range;
  const bins = 40;
  const counts = { normal: new Array(bins).fill(0), defect: new Array(bins).fill(0) };
  const binOf = (value) => Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins));
  for (const { defective, score } of current.images) counts[defective ? "defect" : "normal"][binOf(score)] += 1;
  const most = Math.max(...counts.normal, ...counts.defect, 1);
  const scale = axes(byId("histogram"), {
    height: 230,
    x: current.range,
    y: [-most * 1.12, most * 1.12],
    yLabel: null,
    xLabel: "score",
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
  scale.add("text", { x: side, y: middle - 8, "text-anchor": end ? "start" : "end" }, "normal ▴");
  scale.add("text", { x: side, y: middle + 16, "text-anchor": end ? "start" : "end" }, "defective ▾");
}

/* One pass over falling scores, ties together; each point is what calling all from there on anomalous gives. */
function curvesOf(scores, defective) {
  const order = scores.map((_, at) => at).sort((a, b) => scores[b] - scores[a]);
  const abnormal = defective.filter(Boolean).length;
  const normal = scores.length - abnormal;
  const [roc, precision] = [[[0, 0]], []];
  let [found, alarms] = [0, 0];
  order.forEach((at, place) => {
    if (defective[at]) found += 1;
    else alarms += 1;
    if (place + 1 < order.length && scores[order[place + 1]] === scores[at]) return;
    roc.push([alarms / (normal || 1), found / (abnormal || 1)]);
    precision.push([found / (abnormal || 1), found / (found + alarms)]);
  });
  return { roc, precision: precision.length ? [[0, precision[0][1]], ...precision] : [] };
}

function curveOf(one) {
  const set = content.sets[one.set];
  one.curves ??= curvesOf(one.scores, set.defects.map((defect) => defect !== set.normal));
  return one.curves;
}

function showCurves() {
  const { rightNormal, falseAlarms, misses, rightAbnormal } = countsOf(current.images);
  const [normal, abnormal] = [rightNormal + falseAlarms, misses + rightAbnormal];
  const one = current.case;
  const others = casesOf(one.set).map(([, other]) => other).filter((other) => other !== one).slice(0, FAINT);
  const interval = one.auroc_interval;
  byId("roc-note").textContent = `AUROC ${short(one.auroc)}${interval ? ` (${interval[0].toFixed(2)} to ${interval[1].toFixed(2)})` : ""}`;
  byId("pr-note").textContent = `AP ${short(one.average_precision)}`;
  const square = { height: 210, x: [0, 1], y: [0, 1], margin: [8, 10, 34, 42] };
  const draw = (id, kind, labels, point) => {
    const scale = axes(byId(id), { ...square, ...labels });
    for (const other of others) scale.add("path", { class: "faint", d: pathOf(curveOf(other)[kind], scale) });
    if (kind === "roc") scale.add("path", { class: "dashed", d: pathOf([[0, 0], [1, 1]], scale) });
    scale.add("path", { class: "curve", d: pathOf(curveOf(one)[kind], scale) });
    if (point.every(Number.isFinite)) scale.add("circle", { class: "dot", cx: scale.x(point[0]), cy: scale.y(point[1]), r: 5 });
  };
  const recall = rightAbnormal / abnormal;
  draw("roc", "roc", { xLabel: "false alarm rate", yLabel: "detection rate", say: `ROC curve, area ${short(one.auroc)}` }, [falseAlarms / normal, recall]);
  draw("pr", "precision", { xLabel: "recall", yLabel: "precision", say: `Precision-recall curve, average precision ${short(one.average_precision)}` }, [recall, rightAbnormal / (rightAbnormal + falseAlarms)]);
}

function showTraining() {
  const { losses } = content.trials[current.case.trial];
  const holder = byId("training");
  byId("training-note").textContent = losses.length ? `last ${short(losses.at(-1))}` : "";
  if (losses.length < 2) {
    holder.replaceChildren(element("p", { className: "note" }, losses.length ? `One epoch: ${short(losses[0])}.` : "This method does not train in epochs."));
    return;
  }
  const scale = axes(holder, {
    height: 210,
    x: [1, losses.length],
    y: [Math.min(0, ...losses), Math.max(...losses)],
    whole: true,
    xLabel: "epoch",
    margin: [8, 10, 34, 48],
    say: `Training loss from ${short(losses[0])} to ${short(losses.at(-1))} over ${losses.length} epochs`,
  });
  scale.add("path", { class: "curve", d: pathOf(losses.map((loss, at) => [at + 1, loss]), scale) });
}

/* Error maps. */

/* The grey sheet of a trial as levels, read once; the lowest four fifths of the trial's errors are not shown. */
async function readSheet(trial) {
  const maps = content.trials[trial].maps;
  if (!maps) return null;
  if (!sheets.has(trial)) {
    if (sheets.size >= 16) sheets.delete(sheets.keys().next().value);
    sheets.set(trial, decodeSheet(maps));
  }
  return sheets.get(trial);
}

async function decodeSheet(maps) {
  const image = new Image();
  image.src = maps.uri;
  await image.decode();
  const canvas = element("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const places = new Map(maps.images.map((at, place) => [at, place]));
  const histogram = new Uint32Array(256);
  for (let place = 0; place < maps.images.length; place++) eachPixel(maps, place, canvas.width, (from) => (histogram[pixels[from * 4]] += 1));
  let [low, below] = [0, 0];
  const unshown = maps.images.length * maps.width * maps.height * 0.8;
  while (low < 200 && (below += histogram[low]) < unshown) low += 1;
  return { maps, pixels, places, low, width: canvas.width };
}

function eachPixel(maps, place, sheetWidth, use) {
  const [left, top] = [(place % maps.columns) * maps.step, Math.floor(place / maps.columns) * maps.step];
  let to = 0;
  for (let y = 0; y < maps.height; y++) for (let x = 0; x < maps.width; x++) use((top + y) * sheetWidth + left + x, to++);
}

const STOPS = [[68, 1, 110], [170, 20, 110], [232, 66, 40], [253, 158, 30], [255, 240, 120]];

function colour(level) {
  const at = level * (STOPS.length - 1);
  const [from, to] = [STOPS[Math.floor(at)], STOPS[Math.min(Math.floor(at) + 1, STOPS.length - 1)]];
  return from.map((value, channel) => value + (to[channel] - value) * (at % 1));
}

/* The map of one image in a canvas: seen through where errors are small, or opaque. */
function paint(canvas, sheet, at, opaque) {
  const place = sheet?.places.get(at);
  if (place === undefined) return false;
  const { maps, pixels, low, width } = sheet;
  [canvas.width, canvas.height] = [maps.width, maps.height];
  const context = canvas.getContext("2d");
  const painted = context.createImageData(maps.width, maps.height);
  eachPixel(maps, place, width, (from, to) => {
    const level = Math.max(0, pixels[from * 4] - low) / (255 - low);
    painted.data.set([...colour(level), opaque ? 255 : Math.min(1, level * 1.6) * 255], to * 4);
  });
  context.putImageData(painted, 0, 0);
  return true;
}

/* A test image; `covered` adds the error map, `outlined` the mask's border. */
function pictureOf(at, { covered, outlined, opaque = false }) {
  const { set, case: one } = current;
  const holder = element("span", { className: "picture" });
  const source = set.images[at];
  if (source && !opaque) holder.append(element("img", { src: source, alt: "", decoding: "async" }));
  else if (!opaque) holder.append(element("span", { className: "none" }, "no picture kept"));
  if (covered) {
    const canvas = element("canvas", { width: 1, height: 1 });
    if (!opaque) canvas.style.opacity = Number(choice.elements.strength.value) / 100;
    holder.append(canvas);
    readSheet(one.trial).then((sheet) => {
      if (!paint(canvas, sheet, at, opaque) && opaque) holder.append(element("span", { className: "none" }, "no error map kept"));
    });
  }
  const border = outlined ? set.outlines[at] : null;
  if (border) {
    const svg = shape("svg", { viewBox: `0 0 ${border.width} ${border.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(shape("path", { class: "under", d: border.path }), shape("path", { d: border.path }));
    holder.append(svg);
  }
  return holder;
}

function verdictOn(image) {
  if (image.defective) return image.called ? "found" : "miss";
  return image.called ? "false alarm" : "passed";
}

function decide(tile, image) {
  tile.classList.toggle("wrong", image.defective !== image.called);
  tile.querySelector(".decision").textContent = verdictOn(image);
}

function showGallery() {
  const belongs = KINDS.find(([kind]) => kind === current.kind)[1];
  const order = current.images.filter(belongs).sort((a, b) => a.margin - b.margin || a.at - b.at);
  current.order = order;
  const shown = current.everything ? order : order.slice(0, ONCE);
  const outlined = choice.elements.outlines.checked;
  gallery.replaceChildren(
    ...shown.map((image) => {
      const caption = element("span", { className: "caption" });
      caption.append(
        element("span", { className: "decision" }),
        element("span", { className: "kind" }, image.defective ? image.defect : "normal"),
        element("span", { className: "score" }, ` · ${digits(image.score)}`),
      );
      const tile = element("button", { type: "button", className: "tile", title: image.name }, pictureOf(image.at, { covered: true, outlined }), caption);
      tile.dataset.at = image.at;
      decide(tile, image);
      tile.addEventListener("click", () => enlarge(image.at));
      return tile;
    }),
  );
  const kept = content.trials[current.case.trial].maps;
  const sparse = kept && kept.images.length < current.images.length ? ` To keep the file small, ${kept.images.length} of ${current.images.length} images have their error map here.` : "";
  byId("gallery-note").textContent = order.length
    ? `The most wrongly judged come first, then those nearest to the threshold. Colour is error: none in the lowest four fifths of the trial’s pixels, yellow at its largest.${sparse}`
    : `There are no ${current.kind} at this threshold.`;
  byId("more").hidden = shown.length === order.length;
  byId("more").textContent = `Show all ${order.length}`;
}

byId("more").addEventListener("click", () => {
  current.everything = true;
  showGallery();
  gallery.children[ONCE]?.focus();
});
choice.addEventListener("submit", (event) => event.preventDefault());
choice.elements.set.addEventListener("change", (event) => {
  const others = casesOf(event.target.value);
  const same = others.find(([, one]) => one.title === current.case.title && one.seed === current.case.seed) ?? others[0];
  look(same[0], currentThreshold());
});
choice.elements.case.addEventListener("change", (event) => look(event.target.value, currentThreshold()));
choice.elements.outlines.addEventListener("change", showGallery);
choice.elements.strength.addEventListener("input", (event) => {
  for (const canvas of gallery.querySelectorAll("canvas")) canvas.style.opacity = Number(event.target.value) / 100;
});

const currentThreshold = () => current.case.limits.find((preset) => preset.limit === current.limit)?.threshold;

/* One image, large. The dialog itself holds the focus, and Escape closes it. */

const dialog = byId("enlarged");
let enlarged = null;

function enlarge(at) {
  enlarged = at;
  const image = current.images[at];
  byId("enlarged-title").textContent = image.name;
  const views = [
    ["image", { covered: false, outlined: false }],
    ["error map over it, and the mask’s outline", { covered: true, outlined: true }],
    ["error map", { covered: true, outlined: true, opaque: true }],
  ];
  byId("enlarged-pictures").replaceChildren(...views.map(([text, how]) => element("figure", {}, pictureOf(at, how), element("figcaption", {}, text))));
  const kind = image.defective ? `defective: ${image.defect}` : "normal";
  const side = image.called ? "above" : "not above";
  byId("enlarged-facts").textContent = `${verdictOn(image)} · ${kind} · score ${digits(image.score)}, ${side} the threshold ${digits(current.limit)} · ${current.case.title}`;
  const place = current.order.findIndex((other) => other.at === at);
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place >= current.order.length - 1;
  if (!dialog.open) dialog.showModal();
}

function step(by) {
  const next = current.order[current.order.findIndex((image) => image.at === enlarged) + by];
  if (next) enlarge(next.at);
}

byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("close", () => gallery.querySelector(`[data-at="${enlarged}"]`)?.focus());

/* Start. */

function start() {
  const { threshold } = filters.elements;
  const offered = [...threshold.options].map((option) => option.value);
  threshold.value = offered.includes("mean") ? "mean" : (offered[1] ?? "");
  const sets = Object.entries(content.sets).sort(([, a], [, b]) => a.category.localeCompare(b.category));
  const told = (key, set) => {
    const alike = (other) => other.category === set.category;
    const more = [`${set.dataset}, ${set.image_size} px`, `data ${key}`];
    const needed = sets.filter(([, other]) => alike(other)).length > 1 ? more : [];
    return [set.category, ...needed].join(" · ");
  };
  choice.elements.set.replaceChildren(...sets.map(([key, set]) => element("option", { value: key }, told(key, set))));
  showBoard();
  const first = sets.length ? casesOf(sets[0][0])[0] : null;
  if (first) look(first[0], "mean");
  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      showCosts();
      if (current) {
        showHistogram();
        showCurves();
        showTraining();
      }
    }, 150);
  });
}

start();
