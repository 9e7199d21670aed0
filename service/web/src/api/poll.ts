// Asks again and again: soon while all is well, more seldom after each failure, hardly ever while nobody looks.

export const EVERY_MS = 2_000;
/** While the page is in the background. */
const HIDDEN_EVERY_MS = 60_000;
/** After many failures: soon enough for a person who waits, seldom enough for a node that is in trouble. */
const SELDOM_MS = 30_000;

/**
 * Milliseconds until the next question. `chance` is in [0, 1): pages that failed together do not come back
 * together.
 */
export function delayAfter(failures: number, hidden: boolean, chance: number): number {
  const wanted = Math.min(EVERY_MS * 2 ** Math.min(failures, 10), SELDOM_MS);
  const base = hidden ? Math.max(wanted, HIDDEN_EVERY_MS) : wanted;
  return failures === 0 && !hidden ? base : Math.round(base * (0.75 + chance / 2));
}

export interface Poller {
  /** Asks at once, whatever was planned; a question under way is dropped. */
  now(): void;
}

/** Calls `ask` for ever, one call at a time. It says whether it went well, and stops when its signal says so. */
export function poll(ask: (signal: AbortSignal) => Promise<boolean>): Poller {
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = new AbortController();

  async function turn(): Promise<void> {
    running.abort();
    clearTimeout(timer);
    const mine = new AbortController();
    running = mine;
    const well = await ask(mine.signal);
    if (mine.signal.aborted) return;
    failures = well ? 0 : failures + 1;
    timer = setTimeout(() => void turn(), delayAfter(failures, document.hidden, Math.random()));
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void turn();
  });
  return { now: () => void turn() };
}
