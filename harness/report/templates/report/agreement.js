/* What two methods make of the same images, and the paired test in words. */

import { mcnemar } from "./statistics.js";

export const SPLITS = [
  ["both are right", (image) => image.right[0] && image.right[1]],
  ["only the first is right", (image) => image.right[0] && !image.right[1]],
  ["only the second is right", (image) => !image.right[0] && image.right[1]],
  ["neither is right", (image) => !image.right[0] && !image.right[1]],
];

/* Each test image as two cases judge it, each at its own limit. */
export function judgedByBoth(set, cases, limits) {
  return set.names.map((name, at) => {
    const defective = set.defects[at] !== set.normal;
    const called = cases.map((one, which) => one.scores[at] > limits[which]);
    return { at, name, defective, defect: set.defects[at], called, right: called.map((each) => each === defective) };
  });
}

/* The paired test as a sentence. */
export function testInWords(images, names) {
  const [first, second] = [1, 2].map((split) => images.filter(SPLITS[split][1]).length);
  if (!first && !second) return `${names[0]} and ${names[1]} judge each of these ${images.length} images alike.`;
  const p = mcnemar(first, second);
  const said = p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(p < 0.1 ? 3 : 2)}`;
  const so = p < 0.05 ? `more than chance: ${first > second ? names[0] : names[1]} judges more of them rightly` : "which may be chance: no difference is shown";
  return `Of ${images.length} images, ${first} ${first === 1 ? "is" : "are"} judged rightly by ${names[0]} alone and ${second} by ${names[1]} alone (McNemar’s exact test, ${said}), ${so}.`;
}
