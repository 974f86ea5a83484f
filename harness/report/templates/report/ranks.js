/* The numbers of rows in a table. */

/* 1, 2, 2, 4 for values in their order: equal ones share a number, and what has no value has none. */
export function numbersOf(values) {
  let [number, position, before] = [0, 0, undefined];
  return values.map((value) => {
    if (value === null || value === undefined) return "";
    position += 1;
    if (value !== before) number = position;
    before = value;
    return number;
  });
}
