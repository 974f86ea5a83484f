/* The lists from which the case to look at is chosen. */

import { casesOf } from "./content.js";
import { current } from "./current.js";
import { look } from "./explorer.js";
import { choice } from "./pictures.js";

choice.addEventListener("submit", (event) => event.preventDefault());
choice.elements.set.addEventListener("change", (event) => {
  const others = casesOf(event.target.value);
  const same = others.find(([, one]) => one.title === current.case.title && one.seed === current.case.seed) ?? others[0];
  look(same[0], currentThreshold());
});
choice.elements.case.addEventListener("change", (event) => look(event.target.value, currentThreshold()));

const currentThreshold = () => current.case.limits.find((preset) => preset.limit === current.limit)?.threshold;
