/* Error maps: cut out of the grey sheet of a trial, and painted. */

import { content } from "./content.js";
import { element } from "./elements.js";

const sheets = new Map();

/* The grey sheet of a trial as levels, read once; the lowest four fifths of the trial's errors are not shown. */
export async function readSheet(trial) {
  const maps = content.trials[trial].maps;
  if (!maps) return null;
  if (!sheets.has(trial)) {
    if (sheets.size >= 16) sheets.delete(sheets.keys().next().value);
    sheets.set(trial, decodeSheet(maps));
  }
  return sheets.get(trial);
}

async function decodeSheet(maps) {
  const image = new Image();
  image.src = maps.uri;
  await image.decode();
  const canvas = element("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const places = new Map(maps.images.map((at, place) => [at, place]));
  const histogram = new Uint32Array(256);
  for (let place = 0; place < maps.images.length; place++) eachPixel(maps, place, canvas.width, (from) => (histogram[pixels[from * 4]] += 1));
  let [low, below] = [0, 0];
  const unshown = maps.images.length * maps.width * maps.height * 0.8;
  while (low < 200 && (below += histogram[low]) < unshown) low += 1;
  return { maps, pixels, places, low, width: canvas.width };
}

function eachPixel(maps, place, sheetWidth, use) {
  const [left, top] = [(place % maps.columns) * maps.step, Math.floor(place / maps.columns) * maps.step];
  let to = 0;
  for (let y = 0; y < maps.height; y++) for (let x = 0; x < maps.width; x++) use((top + y) * sheetWidth + left + x, to++);
}

const STOPS = [[68, 1, 110], [170, 20, 110], [232, 66, 40], [253, 158, 30], [255, 240, 120]];

function colour(level) {
  const at = level * (STOPS.length - 1);
  const [from, to] = [STOPS[Math.floor(at)], STOPS[Math.min(Math.floor(at) + 1, STOPS.length - 1)]];
  return from.map((value, channel) => value + (to[channel] - value) * (at % 1));
}

/* The map of one image in a canvas: seen through where errors are small, or opaque. */
export function paint(canvas, sheet, at, opaque) {
  const place = sheet?.places.get(at);
  if (place === undefined) return false;
  const { maps, pixels, low, width } = sheet;
  [canvas.width, canvas.height] = [maps.width, maps.height];
  const context = canvas.getContext("2d");
  const painted = context.createImageData(maps.width, maps.height);
  eachPixel(maps, place, width, (from, to) => {
    const level = Math.max(0, pixels[from * 4] - low) / (255 - low);
    painted.data.set([...colour(level), opaque ? 255 : Math.min(1, level * 1.6) * 255], to * 4);
  });
  context.putImageData(painted, 0, 0);
  return true;
}
