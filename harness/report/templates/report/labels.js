/* Names beside points, so that none covers another or a point. */

const LETTER = 6.1; // about the width of a letter at 11 px
const LINE = 13;

const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/* The place of each name that finds room, in the order of the points: { point, x, y, anchor }. Points are { x, y, name } in pixels. */
export function placeLabels(points, { width, height }) {
  const taken = points.map(({ x, y }) => ({ left: x - 5, right: x + 5, top: y - 5, bottom: y + 5 }));
  const placed = [];
  for (const point of points) {
    const long = point.name.length * LETTER;
    const places = [
      [9, 4, "start"], [-9, 4, "end"], [0, -9, "middle"], [0, 18, "middle"],
      [9, -8, "start"], [9, 16, "start"], [-9, -8, "end"], [-9, 16, "end"],
    ];
    for (const [right, down, anchor] of places) {
      const [x, y] = [point.x + right, point.y + down];
      const left = anchor === "start" ? x : anchor === "end" ? x - long : x - long / 2;
      const box = { left, right: left + long, top: y - LINE + 3, bottom: y + 3 };
      if (box.left < 2 || box.right > width - 2 || box.top < 2 || box.bottom > height - 30 || taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      placed.push({ point, x, y, anchor });
      break;
    }
  }
  return placed;
}

/* A name that fits into so many pixels: what is cut is its middle, since its end may tell it from others. */
export function fitted(name, pixels) {
  const most = Math.max(4, Math.floor(pixels / LETTER));
  const end = Math.floor((most - 1) / 2);
  return name.length > most ? `${name.slice(0, most - 1 - end)}…${name.slice(-end)}` : name;
}
