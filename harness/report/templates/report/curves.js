/* The curves of the case that is looked at, with those of the others on its images behind them. */

import { axes, pathOf } from "./axes.js";
import { casesOf, content } from "./content.js";
import { current } from "./current.js";
import { byId, shape, short } from "./elements.js";
import { soon } from "./later.js";
import { curvesOf } from "./roc.js";
import { wilson } from "./statistics.js";
import { countsOf } from "./tally.js";

const FAINT = 40; // other methods' curves, at most
const drawn = {};

function curveOf(one) {
  const set = content.sets[one.set];
  one.curves ??= curvesOf(one.scores, set.defects.map((defect) => defect !== set.normal));
  return one.curves;
}

/* The curves of the case and of others, which a limit does not move; and their dots, which it does. */
export function showCurves() {
  const one = current.case;
  const abnormal = current.images.filter((image) => image.defective).length;
  const others = casesOf(one.set).map(([, other]) => other).filter((other) => other !== one).slice(0, FAINT);
  const interval = one.auroc_interval;
  byId("roc-note").textContent = `AUROC ${short(one.auroc)}${interval ? ` (${interval[0].toFixed(2)} to ${interval[1].toFixed(2)})` : ""}`;
  byId("pr-note").textContent = `AP ${short(one.average_precision)}`;
  const square = { height: 210, x: [0, 1], y: [0, 1], margin: [8, 10, 34, 42] };
  const draw = (id, kind, labels) => {
    const scale = axes(byId(id), { ...square, ...labels });
    if (kind === "roc") scale.add("path", { class: "band", d: bandOf(curveOf(one).roc, abnormal, scale) });
    const behind = scale.add("g", {});
    soon(id, () => behind.append(...others.map((other) => shape("path", { class: "faint", d: pathOf(curveOf(other)[kind], scale) }))));
    if (kind === "roc") scale.add("path", { class: "dashed", d: pathOf([[0, 0], [1, 1]], scale) });
    scale.add("path", { class: "curve", d: pathOf(curveOf(one)[kind], scale) });
    return { scale, dot: scale.add("circle", { class: "dot", r: 5 }) };
  };
  drawn.roc = draw("roc", "roc", { xLabel: "false alarm rate", yLabel: "detection rate", say: `ROC curve, area ${short(one.auroc)}` });
  drawn.pr = draw("pr", "precision", { xLabel: "recall", yLabel: "precision", say: `Precision-recall curve, average precision ${short(one.average_precision)}` });
  moveDots();
}

/* Where the limit stands on both curves. */
export function moveDots() {
  const { rightNormal, falseAlarms, misses, rightAbnormal } = countsOf(current.images);
  const recall = rightAbnormal / (misses + rightAbnormal);
  place(drawn.roc, falseAlarms / (rightNormal + falseAlarms), recall);
  place(drawn.pr, recall, rightAbnormal / (rightAbnormal + falseAlarms));
}

function place({ scale, dot }, x, y) {
  const known = Number.isFinite(x) && Number.isFinite(y);
  dot.setAttribute("visibility", known ? "visible" : "hidden");
  dot.setAttribute("cx", scale.x(known ? x : 0));
  dot.setAttribute("cy", scale.y(known ? y : 0));
}

/* The 95 % intervals of the detection rate along a ROC curve, as a closed path. */
function bandOf(roc, abnormal, scale) {
  const bounds = roc.map(([alarms, found]) => [alarms, ...wilson(Math.round(found * abnormal), abnormal)]);
  return `${pathOf(bounds.map(([x, , high]) => [x, high]), scale)}L${pathOf(bounds.toReversed().map(([x, low]) => [x, low]), scale).slice(1)}Z`;
}
