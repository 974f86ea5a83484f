/* The leaderboard: its rows filtered, sorted and numbered. */

import { showAnswer } from "./answer.js";
import { content } from "./content.js";
import { showCosts } from "./costs.js";
import { criticalOf, showCritical } from "./critical.js";
import { byId } from "./elements.js";
import { look } from "./explorer.js";
import { showKinds } from "./heatmap.js";
import { soon } from "./later.js";
import { showProtocols } from "./protocols.js";
import { numbersOf } from "./ranks.js";
import { showSmall } from "./small.js";

const board = byId("board");
const rows = [...board.tBodies[0].rows].map((row) => ({
  row,
  ...row.dataset,
  floor: row.classList.contains("floor"),
  ranked: "ranked" in row.dataset,
  values: [...row.querySelectorAll("td[data-value]")].map((cell) => (cell.dataset.value === "" ? null : Number(cell.dataset.value))),
}));
export const filters = byId("filters");
const headings = [...board.tHead.querySelectorAll("button")];
const sorted = { column: String(content.ranked_by), descending: true };
const MOST = 60; // rows whose images are drawn in pictures
const categories = new Set(Object.values(content.sets).map((set) => set.category));
const ROWS = 150; // that are drawn before somebody asks for all
let everyRow = false;
let shownRows = [];
let shownBoard = -1; // the one board that is shown, if there is one only

const valueOf = (entry, column) => (/^\d+$/.test(column) ? entry.values[Number(column)] : entry[column]);

function compare(one, other) {
  const [a, b] = [valueOf(one, sorted.column), valueOf(other, sorted.column)];
  if (a === null || b === null) return (a === null) - (b === null); // what has no value comes last either way
  const ahead = typeof a === "number" ? a - b : a.localeCompare(b);
  return sorted.descending ? -ahead : ahead;
}

export function showBoard() {
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
  const unranked = (entry) => !entry.ranked && !entry.floor; // of fewer categories than others, so that they stand last
  shown.sort((a, b) => unranked(a) - unranked(b) || compare(a, b));
  const kept = new Set(everyRow ? shown : shown.slice(0, ROWS));
  byId("more-rows").hidden = kept.size === shown.length;
  byId("more-rows").textContent = `Show all ${shown.length} rows`;
  for (const entry of rows) entry.row.hidden = !kept.has(entry);
  board.tBodies[0].append(...[...kept].map((entry) => entry.row));
  board.classList.toggle("one-category", Boolean(wanted.category));
  board.classList.toggle("one-threshold", Boolean(wanted.threshold));
  const together = new Set(shown.map((entry) => entry.board)).size === 1;
  const numbers = numbersOf(shown.map((entry) => (together && entry.ranked && !entry.floor ? valueOf(entry, sorted.column) : null)));
  shown.forEach((entry, at) => {
    entry.number = numbers[at];
    entry.row.cells[0].textContent = entry.number;
  });
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
  shownBoard = together ? Number(shown[0].board) : -1;
  soon("charts", showCharts);
}

export function showCharts() {
  const wanted = Object.fromEntries(new FormData(filters));
  const found = criticalOf(wanted.threshold, shownBoard);
  byId("critical-figure").hidden = !found; // before anything is drawn: what is hidden leaves its room to the others
  const cases = shownCases(wanted);
  showAnswer(wanted.source ?? rows[0]?.source);
  showProtocols({ ...wanted, source: wanted.source ?? rows[0]?.source });
  showCosts(shownRows, sorted, headings);
  if (found) showCritical(found);
  const where = wanted.category && cases.length ? wanted.category : "all categories";
  showKinds(cases, where);
  const firsts = new Map(cases.toReversed().map((one) => [one.one.title, one])); // of each method its first seed
  const single = new Set(cases.map(({ one }) => one.set)).size === 1;
  showSmall(single ? [...firsts.values()].reverse() : [], where);
}

/* The cases behind the first of the rows that are shown, each with its limit by that row's threshold; rows of a mean stand for all their categories. */
function shownCases(wanted) {
  const best = shownRows.filter((entry) => !entry.floor).slice(0, MOST);
  const methods = new Map(best.map((entry, place) => [`${entry.method}\n${entry.threshold}`, place]));
  const single = new Set(shownRows.map((entry) => entry.category)).size === 1 ? shownRows[0]?.category : "";
  const found = [];
  for (const one of Object.values(content.cases)) {
    const set = content.sets[one.set];
    if (one.data !== (wanted.source ?? rows[0]?.source)) continue;
    if (single && categories.has(single) && set.category !== single) continue;
    for (const { threshold, limit } of one.limits) {
      const place = methods.get(`${one.method}\n${threshold}`);
      if (place !== undefined) found.push({ one, limit, place });
    }
  }
  return found.sort((a, b) => a.place - b.place);
}

for (const button of headings) {
  button.addEventListener("click", () => {
    const { column } = button.dataset;
    const text = !/^\d+$/.test(column);
    const lessIsBetter = Number(column) < 2 || Number(column) >= content.columns.seconds;
    sorted.descending = sorted.column === column ? !sorted.descending : !(text || lessIsBetter);
    sorted.column = column;
    showBoard();
  });
}
filters.addEventListener("input", (event) => {
  if (event.target.name === "sort") {
    const column = event.target.value;
    Object.assign(sorted, { column, descending: !(Number(column) < 2 || Number(column) >= content.columns.seconds) });
  }
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
byId("more-rows").addEventListener("click", () => {
  everyRow = true;
  showBoard();
});
