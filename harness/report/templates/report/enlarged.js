/* One image, large. The dialog itself holds the focus, and Escape closes it. */

import { current } from "./current.js";
import { byId, digits, element } from "./elements.js";
import { pictureOf } from "./pictures.js";
import { pInWords } from "./pvalues.js";
import { verdictOn } from "./tally.js";

const dialog = byId("enlarged");
let enlarged = null;

export function enlarge(at) {
  enlarged = at;
  const image = current.images[at];
  byId("enlarged-title").textContent = image.name;
  const views = [
    ["image", { covered: false, outlined: false }],
    ["error map over it, and the mask’s outline", { covered: true, outlined: true }],
    ["error map", { covered: true, outlined: true, opaque: true }],
  ];
  byId("enlarged-pictures").replaceChildren(...views.map(([text, how]) => element("figure", {}, pictureOf(at, how), element("figcaption", {}, text))));
  const kind = image.defective ? `defective: ${image.defect}` : "normal";
  const side = image.called ? "above" : "not above";
  byId("enlarged-facts").textContent = `${verdictOn(image)} · ${kind} · score ${digits(image.score)}, ${side} the threshold ${digits(current.limit)} · ${current.case.title}`;
  byId("enlarged-p").textContent = pInWords(current.case, at);
  const place = current.order.findIndex((other) => other.at === at);
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place >= current.order.length - 1;
  if (!dialog.open) dialog.showModal();
}

function step(by) {
  const next = current.order[current.order.findIndex((image) => image.at === enlarged) + by];
  if (next) enlarge(next.at);
}

byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("close", () => byId("gallery").querySelector(`[data-at="${enlarged}"]`)?.focus());
