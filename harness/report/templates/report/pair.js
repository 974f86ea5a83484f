/* Two methods on the same images: what both find, what one finds, what neither does, and the paired test in words. */

import { judgedByBoth, SPLITS, testInWords } from "./agreement.js";
import { casesOf, content } from "./content.js";
import { byId, digits, element } from "./elements.js";
import { pictureOf } from "./pictures.js";
import { verdictOn } from "./tally.js";

const AT_ONCE = 24; // pairs of pictures that are drawn
const pairChoice = byId("pair-choice");
const pair = { split: null, threshold: "", images: [], cases: [] };

/* The pair that is shown beside a case: it and the next best AUROC of its own data and protocol, unless another was chosen. */
export function showPair(name, threshold) {
  const others = casesOf(content.cases[name].set);
  byId("pair").hidden = others.length < 2;
  if (others.length < 2) return;
  const before = pairChoice.elements.second.value;
  for (const select of [pairChoice.elements.first, pairChoice.elements.second]) {
    select.replaceChildren(...others.map(([key, other]) => element("option", { value: key }, `${other.title}${other.seed ? `, seed ${other.seed}` : ""}`)));
  }
  pairChoice.elements.first.value = name;
  const { method, data } = content.cases[name];
  const second =
    others.find(([key]) => key === before && key !== name) ??
    others.find(([, other]) => other.method !== method && other.data === data) ??
    others.find(([, other]) => other.method !== method) ??
    others.find(([key]) => key !== name);
  pairChoice.elements.second.value = second[0];
  pair.threshold = threshold;
  drawPair();
}

function drawPair() {
  const keys = [pairChoice.elements.first.value, pairChoice.elements.second.value];
  const cases = keys.map((key) => content.cases[key]);
  const set = content.sets[cases[0].set];
  const presets = cases.map((one) => one.limits.find((preset) => preset.threshold === pair.threshold) ?? one.limits[0]);
  Object.assign(pair, { cases, set, images: judgedByBoth(set, cases, presets.map((preset) => preset.limit)) });
  const told = new Set(presets.map((preset) => preset.threshold));
  byId("pair-note").textContent = `${set.category} · each at its limit by ${[...told].join(" and ")}`;
  byId("pair-test").textContent = testInWords(pair.images, cases.map((one) => one.title));
  pair.split = [1, 2, 3, 0].find((split) => pair.images.some(SPLITS[split][1]));
  drawSplit();
}

function drawSplit() {
  byId("pair-kinds").replaceChildren(
    ...SPLITS.map(([text, belongs], split) => {
      const button = element("button", { type: "button" }, `${text} ${pair.images.filter(belongs).length}`);
      button.dataset.split = split;
      button.setAttribute("aria-pressed", split === pair.split);
      return button;
    }),
  );
  const images = pair.images.filter(SPLITS[pair.split][1]);
  byId("pair-gallery").replaceChildren(
    ...images.slice(0, AT_ONCE).map((image) => {
      const both = element("div", { className: "both" }, ...pair.cases.map((one) => pictureOf(image.at, { covered: true, outlined: true }, { set: pair.set, case: one })));
      const said = pair.cases.map((one, which) => element("div", {}, `${one.title}: ${verdictOn({ ...image, called: image.called[which] })}, score ${digits(one.scores[image.at])}`));
      return element("figure", { className: "pair", title: image.name }, both, element("figcaption", {}, element("strong", {}, image.defective ? image.defect : "normal"), ...said));
    }),
    ...(images.length > AT_ONCE ? [element("p", { className: "note" }, `and ${images.length - AT_ONCE} more`)] : []),
  );
}

byId("pair-kinds").addEventListener("click", (event) => {
  const { split } = event.target.dataset;
  if (split === undefined) return;
  pair.split = Number(split);
  drawSplit();
  byId("pair-kinds").children[pair.split].focus();
});
pairChoice.addEventListener("change", drawPair);
pairChoice.addEventListener("submit", (event) => event.preventDefault());
