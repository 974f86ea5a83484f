/* Errors over the severity of a change of light or camera, at the limits that were set on unchanged images. */

import { axes, pathOf } from "./axes.js";
import { content } from "./content.js";
import { byId, element, shape } from "./elements.js";
import { savable } from "./saving.js";

/* One picture for each corruption on each board; the colours are those of the other curves. */
export function showChanges() {
  const holder = byId("changes");
  if (!holder) return;
  holder.replaceChildren(
    ...content.corrupted.map((one) => {
      const chart = element("div", { className: "chart" });
      const names = one.curves.map((curve, number) => {
        const sign = element("span", { className: `sign of-${number}` }, "━");
        sign.setAttribute("aria-hidden", "true");
        return element("li", {}, sign, ` ${curve.method}`);
      });
      const more = one.more ? [element("li", {}, `and ${one.more} more methods, in the leaderboard`)] : [];
      requestAnimationFrame(() => drawChange(chart, one));
      const note = element("span", { className: "note" }, one.scope);
      const figure = element("figure", {}, element("figcaption", {}, `${one.corruption} `, note), chart, element("ul", { className: "signs" }, ...names, ...more));
      savable(figure);
      return figure;
    }),
  );
}

function drawChange(holder, one) {
  const last = one.curves[0].false_alarms.length - 1;
  const scale = axes(holder, {
    height: 190,
    x: [0, last],
    y: [0, 100],
    whole: true,
    xLabel: "severity",
    yLabel: "per cent",
    say: `False alarms and misses under ${one.corruption}, ${one.scope}`,
  });
  one.curves.forEach((curve, number) => {
    for (const [what, shares] of [["false alarms", curve.false_alarms], ["misses", curve.misses]]) {
      const points = shares.map((share, severity) => [severity, 100 * share]);
      const line = scale.add("path", { class: `curve of-${number}${what === "misses" ? " broken" : ""}`, d: pathOf(points, scale) });
      line.append(shape("title", {}, `${curve.method}: ${what}`));
    }
  });
}
