// Text that has to fit where nothing measures it.
//
// The widths are those of a wide common font, rounded up; in narrower ones some room is left over.

import type { Flag } from "../model/facts";

/** Widths in parts of the font's size, the first that fits. */
const WIDTHS: ReadonlyArray<readonly [RegExp, number]> = [
  [/[ijl.,:;'|!·/ ()[\]frt-]/, 0.38],
  [/[mwMW@%…—]/, 1],
  [/[A-Z]/, 0.72],
];
const USUAL = 0.63;
const BOLD = 1.1;

/** Width of a text in the units of `size`. */
export function widthOf(text: string, size: number, isBold = false): number {
  let width = 0;
  for (const char of text) width += WIDTHS.find(([kind]) => kind.test(char))?.[1] ?? USUAL;
  return width * size * (isBold ? BOLD : 1);
}

/** As much as fits into `most` units. What goes is in the middle: names differ at their ends. */
export function shorten(text: string, most: number, size: number, isBold = false): string {
  if (widthOf(text, size, isBold) <= most) return text;
  const chars = [...text];
  for (let kept = chars.length - 1; kept > 0; kept -= 1) {
    const head = Math.ceil(kept / 2);
    const short = `${chars.slice(0, head).join("")}…${chars.slice(chars.length - (kept - head)).join("")}`;
    if (widthOf(short, size, isBold) <= most) return short;
  }
  return "…";
}

const SEPARATOR = " · ";

/** As many whole parts as a line takes; what is left out is in the outline. */
export function partsThatFit(parts: readonly string[], most: number, size: number): string {
  let text = "";
  for (const part of parts) {
    const longer = text === "" ? part : `${text}${SEPARATOR}${part}`;
    if (widthOf(longer, size) > most) break;
    text = longer;
  }
  return text;
}

/** As many as a line takes, in their order, and how many are left; a first one that is too long is shortened. */
export function flagsThatFit(
  flags: readonly Flag[],
  most: number,
  size: number,
): { shown: Flag[]; hidden: number } {
  const rest = widthOf(` +${flags.length}`, size);
  const shown: Flag[] = [];
  let used = 0;
  for (const flag of flags) {
    const isLast = shown.length === flags.length - 1;
    const needed = widthOf(flag.text, size, flag.odd) + (shown.length > 0 ? widthOf(SEPARATOR, size) : 0);
    if (used + needed > most - (isLast ? 0 : rest)) break;
    shown.push(flag);
    used += needed;
  }
  const first = flags[0];
  if (shown.length === 0 && first !== undefined) {
    shown.push({ ...first, text: shorten(first.text, most - rest, size, first.odd) });
  }
  return { shown, hidden: flags.length - shown.length };
}
