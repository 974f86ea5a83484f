/* The images of one case: its scores, the slider for the limit, and what is counted at it. */

import { casesOf, content } from "./content.js";
import { current, KINDS } from "./current.js";
import { moveDots, showCurves } from "./curves.js";
import { byId, digits, element, share, short } from "./elements.js";
import { decide, gallery, showGallery } from "./gallery.js";
import { showHistogram } from "./histogram.js";
import { soon } from "./later.js";
import { showPair } from "./pair.js";
import { choice } from "./pictures.js";
import { countsOf } from "./tally.js";
import { showTraining } from "./training.js";

const slider = byId("limit");

export function look(name, threshold) {
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
  Object.assign(current, { name, case: one, set, images, range: [low - pad, high + pad], everything: false });
  byId("limits").replaceChildren(
    ...one.limits.map((other) => {
      const button = element("button", { type: "button" }, other.oracle ? `${other.threshold} (saw test labels)` : other.threshold);
      button.addEventListener("click", () => {
        setLimit(other.limit, true);
        soon("pair", () => showPair(current.name, other.threshold));
      });
      return button;
    }),
  );
  showTraining();
  judge(preset.limit);
  showCurves();
  setLimit(preset.limit, true);
  soon("pair", () => showPair(name, preset.threshold));
}

function judge(limit) {
  current.limit = limit;
  for (const image of current.images) {
    image.called = image.score > limit;
    image.margin = image.defective ? image.score - limit : limit - image.score;
  }
}

function setLimit(limit, settled) {
  judge(limit);
  const [low, high] = current.range;
  if (settled) slider.value = Math.round(((limit - low) / (high - low)) * 1000);
  showCounts();
  showHistogram();
  moveDots();
  if (settled) showGallery();
  else gallery.querySelectorAll(".tile").forEach((tile) => decide(tile, current.images[Number(tile.dataset.at)]));
}

slider.addEventListener("input", () => {
  const [low, high] = current.range;
  setLimit(low + (Number(slider.value) / 1000) * (high - low), false);
});
slider.addEventListener("change", () => setLimit(current.limit, false) ?? showGallery());

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
