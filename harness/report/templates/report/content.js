/* What the page was made of: test sets, trials, and cases, which are the scores of one trial by one pool. */

import { byId } from "./elements.js";

export const content = JSON.parse(byId("content").textContent);

export function casesOf(set) {
  return Object.entries(content.cases)
    .filter(([, one]) => one.set === set)
    .sort(([, a], [, b]) => (b.auroc ?? 0) - (a.auroc ?? 0) || a.title.localeCompare(b.title) || a.seed - b.seed);
}
