/* Saves a picture with its caption as SVG or PNG, drawn as it looks here. Nothing leaves the page but into a file. */

import { element, shape } from "./elements.js";

const KEPT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "font-size", "font-family", "font-weight", "paint-order", "text-anchor"];

/* The pictures of a figure in one SVG that needs no style sheet, the caption above them. */
export function standalone(figure) {
  const drawn = [...figure.querySelectorAll(".chart svg")];
  const origin = figure.querySelector(".chart").getBoundingClientRect();
  const words = figure.querySelector("figcaption").cloneNode(true);
  words.querySelector(".save")?.remove();
  const caption = words.textContent.replace(/\s+/g, " ").trim();
  const width = Math.ceil(Math.max(origin.width, 200)) + 24;
  const lines = folded(caption, Math.floor((width - 24) / 6.6));
  const top = 14 + 17 * lines.length;
  const whole = shape("svg", { xmlns: "http://www.w3.org/2000/svg", width, height: Math.ceil(origin.height) + top + 12, role: "img", "aria-label": caption });
  const style = getComputedStyle(document.body);
  whole.append(shape("rect", { width: "100%", height: "100%", fill: getComputedStyle(figure).backgroundColor }));
  lines.forEach((line, at) => whole.append(shape("text", { x: 12, y: 20 + 17 * at, "font-size": 12.5, "font-family": "sans-serif", "font-weight": at ? 400 : 600, fill: style.color }, line)));
  for (const svg of drawn) {
    const box = svg.getBoundingClientRect();
    const copy = svg.cloneNode(true);
    const [from, to] = [svg.querySelectorAll("*"), copy.querySelectorAll("*")];
    from.forEach((one, at) => {
      const looks = getComputedStyle(one);
      for (const name of KEPT) to[at].setAttribute(name, looks.getPropertyValue(name));
      to[at].removeAttribute("class");
    });
    copy.setAttribute("x", box.left - origin.left + 12);
    copy.setAttribute("y", box.top - origin.top + top);
    const title = svg.closest(".chart > div")?.querySelector("h4");
    if (title) whole.append(shape("text", { x: box.left - origin.left + 12, y: box.top - origin.top + top - 5, "font-size": 11, "font-family": "sans-serif", fill: style.color }, title.textContent));
    whole.append(copy);
  }
  return whole;
}

function folded(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1).length + word.length > most && lines.at(-1)) lines.push("");
    lines[lines.length - 1] += `${lines.at(-1) ? " " : ""}${word}`;
  }
  return lines;
}

const addressOf = (svg) => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;

async function pngOf(svg) {
  const image = new Image();
  image.src = addressOf(svg);
  await image.decode();
  const canvas = element("canvas", { width: 2 * Number(svg.getAttribute("width")), height: 2 * Number(svg.getAttribute("height")) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

/* Gives a figure the buttons that save it. */
export function savable(figure) {
  const caption = figure.querySelector("figcaption");
  const name = caption.firstChild.textContent.trim();
  const buttons = ["SVG", "PNG"].map((format) => {
    const button = element("button", { type: "button", title: `Save this picture as ${format}` }, format);
    button.setAttribute("aria-label", `Save ${name} as ${format}`);
    button.addEventListener("click", async () => {
      const svg = standalone(figure);
      const link = element("a", { download: `${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.${format.toLowerCase()}` });
      link.href = format === "SVG" ? addressOf(svg) : await pngOf(svg);
      link.click();
    });
    return button;
  });
  caption.prepend(element("span", { className: "save" }, ...buttons));
}

document.querySelectorAll("figure:has(.chart)").forEach(savable);
