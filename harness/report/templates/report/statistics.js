/* Intervals, paired tests and fronts. */

const Z = 1.959964;

/* The bounds at 95 % of a rate seen as k of n (Wilson, 1927). */
export function wilson(k, n) {
  if (!n) return [0, 1];
  const [rate, step] = [k / n, (Z * Z) / n];
  const centre = (rate + step / 2) / (1 + step);
  const reach = (Z / (1 + step)) * Math.sqrt((rate * (1 - rate)) / n + step / n / 4);
  return [k === 0 ? 0 : centre - reach, k === n ? 1 : centre + reach];
}

/* McNemar's exact test: two-sided p that so many images are won and lost by chance. */
export function mcnemar(won, lost) {
  const n = won + lost;
  let [term, sum] = [n * Math.log(0.5), 0];
  for (let k = 0; k <= Math.min(won, lost); k++) {
    sum += Math.exp(term);
    term += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * sum);
}

/* The points that no other one beats in both: less on x, more on y; from left to right. */
export function frontOf(points) {
  const found = [];
  for (const point of [...points].sort((a, b) => a.x - b.x || b.y - a.y)) if (!found.length || point.y > found.at(-1).y) found.push(point);
  return found;
}

export const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.0095 ? 1 : 0)} %`;
