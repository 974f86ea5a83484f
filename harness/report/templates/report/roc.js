/* ROC and precision-recall curves. */

/* One pass over falling scores, ties together; each point is what calling all from there on anomalous gives. */
export function curvesOf(scores, defective) {
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
