"use strict";
const table = document.querySelector("table[data-sortable]");
if (table) {
  const body = table.tBodies[0], rows = [...body.rows];
  const filters = [...document.querySelectorAll("[data-filter]")];
  const shown = document.querySelector("output");

  const key = (row, at) => {
    const cell = row.cells[at], value = cell.dataset.value;
    return value === undefined ? cell.textContent.trim() : value === "" ? null : Number(value);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));

  const sort = (heading) => {
    const at = heading.cellIndex, numbers = heading.classList.contains("number");
    const was = heading.getAttribute("aria-sort");
    const down = was ? was === "ascending" : numbers && heading.dataset.first !== "up";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = rows.map((row) => [key(row, at), row]);
    keyed.sort(([a], [b]) => (a === null ? (b === null ? 0 : 1) : b === null ? -1 : down ? compare(b, a) : compare(a, b)));
    body.append(...keyed.map(([, row]) => row));
  };

  const filter = () => {
    let left = 0;
    for (const row of rows) {
      const fits = filters.every((one) => {
        if (one.type === "checkbox") return !one.checked || row.dataset.verified === "1";
        if (one.type === "search") return row.textContent.toLowerCase().includes(one.value.trim().toLowerCase());
        return !one.value || row.dataset[one.dataset.filter] === one.value;
      });
      row.hidden = !fits;
      left += fits;
    }
    if (shown) shown.textContent = `${left} of ${rows.length} rows`;
  };

  for (const heading of table.tHead.rows[0].cells) {
    const button = heading.querySelector("button");
    if (button) button.addEventListener("click", () => sort(heading));
  }
  for (const one of filters) one.addEventListener("input", filter);
  filter();
}
const open = () => {
  const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (place && place.tagName === "DETAILS") { place.open = true; place.scrollIntoView(); }
};
addEventListener("hashchange", open);
open();
