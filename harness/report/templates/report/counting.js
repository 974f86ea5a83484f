/* Images counted for pictures: by kind of defect, and by score. */

export const BINS = 24;

/* Of cases with their limits: { kinds: [{ kind, n }], rows: [{ name, found: [share] }] }, the same kinds of all categories together. */
export function foundByKind(cases, sets) {
  const [kinds, rows] = [new Map(), new Map()];
  for (const { one, limit } of cases) {
    const set = sets[one.set];
    if (!rows.has(one.title)) rows.set(one.title, new Map());
    const counts = rows.get(one.title);
    one.scores.forEach((score, at) => {
      const kind = set.defects[at];
      if (kind === set.normal) return;
      const count = counts.get(kind) ?? [0, 0];
      counts.set(kind, [count[0] + (score > limit), count[1] + 1]);
    });
  }
  for (const set of new Set(cases.map(({ one }) => sets[one.set]))) {
    for (const kind of set.defects) if (kind !== set.normal) kinds.set(kind, 1 + (kinds.get(kind) ?? 0));
  }
  const listed = [...kinds].map(([kind, n]) => ({ kind, n })).sort((a, b) => a.kind.localeCompare(b.kind));
  return {
    kinds: listed,
    rows: [...rows].map(([name, counts]) => ({ name, found: listed.map(({ kind }) => (counts.has(kind) ? counts.get(kind)[0] / counts.get(kind)[1] : null)) })),
  };
}

/* How many normal and defective images fall into each of the bins; what lies above the highest is in the last one. */
export function binned(scores, defective, limit = -Infinity) {
  const ascending = [...scores].sort((a, b) => a - b);
  const low = ascending[0];
  const high = Math.max(ascending[Math.floor((ascending.length - 1) * 0.95)], Math.min(limit + (limit - low) * 0.25, ascending.at(-1))); // a few far scores leave room to the others
  const counts = { normal: new Array(BINS).fill(0), defect: new Array(BINS).fill(0), low, high };
  scores.forEach((score, at) => {
    const bin = high > low ? Math.min(BINS - 1, Math.floor(((score - low) / (high - low)) * BINS)) : 0;
    counts[defective[at] ? "defect" : "normal"][bin] += 1;
  });
  return counts;
}
