/* The test images, the most wrongly judged first. */

import { content } from "./content.js";
import { current, KINDS } from "./current.js";
import { byId, digits, element } from "./elements.js";
import { enlarge } from "./enlarged.js";
import { choice, pictureOf } from "./pictures.js";
import { pExplained, pOf, pText } from "./pvalues.js";
import { verdictOn } from "./tally.js";

const ONCE = 48; // tiles that are drawn before somebody asks for all

export const gallery = byId("gallery");

export function decide(tile, image) {
  tile.classList.toggle("wrong", image.defective !== image.called);
  tile.querySelector(".decision").textContent = verdictOn(image);
}

export function showGallery() {
  const belongs = KINDS.find(([kind]) => kind === current.kind)[1];
  const order = current.images.filter(belongs).sort((a, b) => a.margin - b.margin || a.at - b.at);
  current.order = order;
  const shown = current.everything ? order : order.slice(0, ONCE);
  const outlined = choice.elements.outlines.checked;
  gallery.replaceChildren(
    ...shown.map((image) => {
      const caption = element("span", { className: "caption" });
      caption.append(
        element("span", { className: "decision" }),
        element("span", { className: "kind" }, image.defective ? image.defect : "normal"),
        element("span", { className: "score" }, ` · ${digits(image.score)}`),
        element("span", { className: "p" }, pText(pOf(current.case, image.at))),
      );
      const tile = element("button", { type: "button", className: "tile", title: image.name }, pictureOf(image.at, { covered: true, outlined }), caption);
      tile.dataset.at = image.at;
      decide(tile, image);
      tile.addEventListener("click", () => enlarge(image.at));
      return tile;
    }),
  );
  const kept = content.trials[current.case.trial].maps;
  const sparse = kept && kept.images.length < current.images.length ? ` To keep the file small, ${kept.images.length} of ${current.images.length} images have their error map here.` : "";
  byId("gallery-note").textContent = order.length
    ? `The most wrongly judged come first, then those nearest to the threshold. Colour is error: none in the lowest four fifths of the trial’s pixels, yellow at its largest.${sparse}`
    : `There are no ${current.kind} at this threshold.`;
  byId("p-note").textContent = order.length ? pExplained(current.case) : "";
  byId("more").hidden = shown.length === order.length;
  byId("more").textContent = `Show all ${order.length}`;
}

byId("more").addEventListener("click", () => {
  current.everything = true;
  showGallery();
  gallery.children[ONCE]?.focus();
});

choice.elements.outlines.addEventListener("change", showGallery);
choice.elements.strength.addEventListener("input", (event) => {
  for (const canvas of gallery.querySelectorAll("canvas")) canvas.style.opacity = Number(event.target.value) / 100;
});
