/* What the page shows first. */

import { filters, showBoard, showCharts } from "./board.js";
import { showChanges } from "./changes.js";
import { casesOf, content } from "./content.js";
import "./choosing.js";
import "./saving.js";
import { current } from "./current.js";
import { showCurves } from "./curves.js";
import { element } from "./elements.js";
import { look } from "./explorer.js";
import { showHistogram } from "./histogram.js";
import { choice } from "./pictures.js";
import { showTraining } from "./training.js";

function start() {
  const [answer] = content.answers;
  const { threshold, source } = filters.elements;
  const offered = [...threshold.options].map((option) => option.value);
  threshold.value = answer && offered.includes(answer.threshold) ? answer.threshold : (offered[1] ?? "");
  if (answer && source) source.value = answer.data;
  const sets = Object.entries(content.sets).sort(([, a], [, b]) => a.category.localeCompare(b.category));
  const told = (key, set) => {
    const alike = (other) => other.category === set.category;
    const more = [`${set.dataset}, ${set.image_size} px`, `data ${key}`];
    const needed = sets.filter(([, other]) => alike(other)).length > 1 ? more : [];
    return [set.category, ...needed].join(" · ");
  };
  choice.elements.set.replaceChildren(...sets.map(([key, set]) => element("option", { value: key }, told(key, set))));
  showBoard();
  showChanges();
  const first = sets.length ? casesOf(sets[0][0])[0] : null;
  if (answer) look(answer.case, answer.threshold);
  else if (first) look(first[0], "mean");
  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      showCharts();
      showChanges();
      if (current.case) {
        showHistogram();
        showCurves();
        showTraining();
      }
    }, 150);
  });
}

start();
