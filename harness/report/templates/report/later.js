/* What can wait until a page with many scores has answered a click. */

import { content } from "./content.js";

const MANY = 20_000; // scores, with which pictures take longer than an eye waits
const waiting = new Map();
const many = Object.values(content.cases).reduce((sum, one) => sum + one.scores.length, 0) > MANY;

/* Does it at once on a small page; on a large one behind the next frame, and of several by one name only the last. */
export function soon(name, action) {
  if (!many) {
    action();
    return;
  }
  clearTimeout(waiting.get(name));
  waiting.set(name, setTimeout(() => requestAnimationFrame(action), 30));
}
