/* The case that is looked at, and what is chosen of it. */

export const current = { case: null, kind: "all" }; // and name, set, images, limit, range, order, everything

export const KINDS = [
  ["all", () => true],
  ["misses", (image) => image.defective && !image.called],
  ["false alarms", (image) => !image.defective && image.called],
  ["right", (image) => image.defective === image.called],
];
