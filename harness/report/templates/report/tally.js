/* How many images are judged rightly and wrongly at a limit. */

export function countsOf(images) {
  const counted = { rightNormal: 0, falseAlarms: 0, misses: 0, rightAbnormal: 0 };
  for (const { defective, called } of images) counted[defective ? (called ? "rightAbnormal" : "misses") : called ? "falseAlarms" : "rightNormal"] += 1;
  return counted;
}

export function verdictOn(image) {
  if (image.defective) return image.called ? "found" : "miss";
  return image.called ? "false alarm" : "passed";
}
