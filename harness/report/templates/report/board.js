/* The leaderboard: its rows filtered, sorted and numbered. */

import { content } from "./content.js";
import { showCosts } from "./costs.js";
import { showCritical } from "./critical.js";
import { byId } from "./elements.js";
import { look } from "./explorer.js";

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
  shownBoard = together ? Number(shown[0].board) : -1;
  showCharts();
}

export function showCharts() {
  showCosts(shownRows, sorted, headings);
  showCritical(filters.elements.threshold.value, shownBoard);
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
