/* The p-value of each image: how many of the normal images that limits were set on score as high. */

/* As `harness.p_values` has it: the image itself counts as one more that scores as high. */
export const pOf = (one, at) => (one.calibration ? (1 + one.as_high[at]) / (1 + one.calibration) : null);

export const pText = (p) => (p === null ? "" : p < 0.001 ? "p < 0.001" : `p ${p.toFixed(3)}`);

/* What the p-value of one image says, in words. */
export function pInWords(one, at) {
  const p = pOf(one, at);
  if (p === null) return "";
  const n = one.calibration;
  const said = `${pText(p)}: ${one.as_high[at]} of the ${n} normal images that the limit was set on score as high as this one, or higher (with this one itself ${1 + one.as_high[at]} of ${n + 1}).`;
  return one.unfitted
    ? `${said} Of new normal images, no more than ${p.toFixed(3)} of all would have a p as small.`
    : `${said} The model knows those images, so p is too small for new ones, normal ones included.`;
}

/* What p-values are, for the whole gallery. */
export function pExplained(one) {
  if (!one.calibration) return "There are no p-values: this trial’s scores of normal images are gone.";
  const least = (1 / (1 + one.calibration)).toFixed(3);
  const said = `p says how unusual a score is among the ${one.calibration} normal images that the limit was set on: how many of them, the image itself counted in, score as high, divided by their number. With so many images it is never below ${least}.`;
  return one.unfitted
    ? `${said} The model had not seen them, so of new normal images at most 5 in 100 have a p of 0.05 or less: a small p is a reason for a second glance, and no proof of a defect.`
    : `${said} The model has learned from them, and gives lower scores to images that it knows, so here p is too small for any new image and promises nothing. Limits from images that it does not know (--calibrate crossfit) give p-values that hold.`;
}
