/* The curves of the case that is looked at, with those of the others on its images behind them. */

import { axes, pathOf } from "./axes.js";
import { casesOf, content } from "./content.js";
import { current } from "./current.js";
import { byId, short } from "./elements.js";
import { curvesOf } from "./roc.js";
import { countsOf } from "./tally.js";

const FAINT = 40; // other methods' curves, at most

function curveOf(one) {
  const set = content.sets[one.set];
  one.curves ??= curvesOf(one.scores, set.defects.map((defect) => defect !== set.normal));
  return one.curves;
}

export function showCurves() {
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
