// Times and durations as text: ISO 8601, 24 hours, the zone said, no locale.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `3 s`, `12 min`, `5 h 20 min`, `3 d 4 h`; the two largest units are enough for a person. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 2 * MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return two(whole, HOUR, "h", MINUTE, "min");
  return two(whole, DAY, "d", HOUR, "h");
}

function two(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % large) / small);
  const head = `${Math.floor(seconds / large)} ${largeName}`;
  return rest === 0 ? head : `${head} ${rest} ${smallName}`;
}

/** Milliseconds since the epoch; the API writes RFC 3339, or UTC with a space. `null` = no time. */
export function parseTime(text: string): number | null {
  if (text === "" || text.startsWith("0001-")) return null;
  const iso = text.includes("T") ? text : `${text.replace(" ", "T")}Z`;
  const at = Date.parse(iso);
  return Number.isNaN(at) ? null : at;
}

/** `2026-11-21 17:25:08 UTC`, the zone in which the nodes write their logs. */
export function absolute(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A time of the API as a person reads it; what is no time stands as it is. */
export function timeText(text: string): string {
  const at = parseTime(text);
  return at === null ? text || "?" : absolute(at);
}

/** `3 min ago`. Clocks differ: what is to come is now. */
export function ago(at: number, now: number): string {
  return `${duration((now - at) / 1000)} ago`;
}
