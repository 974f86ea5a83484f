/* A test image with its error map and the border of its mask. */

import { current } from "./current.js";
import { byId, element, shape } from "./elements.js";
import { paint, readSheet } from "./maps.js";

export const choice = byId("choice");

/* A test image; `covered` adds the error map, `outlined` the mask's border. */
export function pictureOf(at, { covered, outlined, opaque = false }, { set, case: one } = current) {
  const holder = element("span", { className: "picture" });
  const source = set.images[at];
  if (source && !opaque) holder.append(element("img", { src: source, alt: "", decoding: "async" }));
  else if (!opaque) holder.append(element("span", { className: "none" }, "no picture kept"));
  if (covered) {
    const canvas = element("canvas", { width: 1, height: 1 });
    if (!opaque) canvas.style.opacity = Number(choice.elements.strength.value) / 100;
    holder.append(canvas);
    readSheet(one.trial).then((sheet) => {
      if (!paint(canvas, sheet, at, opaque) && opaque) holder.append(element("span", { className: "none" }, "no error map kept"));
    });
  }
  const border = outlined ? set.outlines[at] : null;
  if (border) {
    const svg = shape("svg", { viewBox: `0 0 ${border.width} ${border.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(shape("path", { class: "under", d: border.path }), shape("path", { d: border.path }));
    holder.append(svg);
  }
  return holder;
}
