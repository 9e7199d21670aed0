// Small things that several pages show.

import type { ComponentChildren, VNode } from "preact";
import type { Tone } from "../model/state";
import { absolute, ago, parseTime } from "../model/time";

/** Outlines of a 16 × 16 field: a shape of its own for each tone, so that no colour is needed to tell them apart. */
const SHAPES: Record<Tone, { outline: string; sign: string }> = {
  ok: { outline: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Z", sign: "M4.800 8.200 7 10.500 11.300 5.800" },
  warn: { outline: "M8 1.200 15.200 14.500H.8Z", sign: "M8 6v4M8 11.800v1" },
  bad: {
    outline: "M5.100 1h5.800L15 5.100v5.800L10.900 15H5.100L1 10.900V5.100Z",
    sign: "M5.300 5.300l5.400 5.400M10.700 5.300 5.300 10.700",
  },
  muted: { outline: "M2.500 2.500h11v11h-11Z", sign: "M6.200 5.500v5M9.800 5.500v5" },
};

/** The sign of a tone; decorative, the word stands beside it. */
export function Mark({ tone, x, y }: { tone: Tone; x?: number; y?: number }): VNode {
  const place = x === undefined ? {} : { x, y };
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {...place}>
      <path class="outline" d={SHAPES[tone].outline} />
      <path class="sign" d={SHAPES[tone].sign} />
    </svg>
  );
}

/** A sign and its word. */
export function State({ tone, children }: { tone: Tone; children: ComponentChildren }): VNode {
  return (
    <span class={`state ${tone}`}>
      <Mark tone={tone} /> <span>{children}</span>
    </span>
  );
}

/** A long name that may break where a word ends. */
export function Code({ code }: { code: string }): VNode {
  const words = code.split(/(?<=[a-z])(?=[A-Z])/);
  return <span>{words.map((word, at) => (at === 0 ? word : [<wbr key={at} />, word]))}</span>;
}

/** Something to be known before all else. */
export function Notice({ tone, children }: { tone: Tone; children: ComponentChildren }): VNode {
  return (
    <div class={`notice ${tone}`}>
      <Mark tone={tone} />
      <div>{children}</div>
    </div>
  );
}

/** A moment: how long ago, and when exactly. */
export function When({ text, now }: { text: string; now: number }): VNode {
  const at = parseTime(text);
  if (at === null) return <span>{text || "–"}</span>;
  return (
    <time dateTime={new Date(at).toISOString()}>
      {absolute(at)} <span class="aside">({ago(at, now)})</span>
    </time>
  );
}

/** What is shown while nothing has come yet. */
export function Loading(): VNode {
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">Loading</span>
      <div class="bone" />
      <div class="bone" />
      <div class="bone" />
    </div>
  );
}

/** Nothing came at all. */
export function Failed({ what, why, retry }: { what: string; why: string; retry: () => void }): VNode {
  return (
    <Notice tone="bad">
      <p>
        <strong>{what} could not be read:</strong> {why}.
      </p>
      <p>
        The page keeps trying. <RetryButton retry={retry} />
      </p>
    </Notice>
  );
}

export function RetryButton({ retry }: { retry: () => void }): VNode {
  return (
    <button type="button" onClick={retry}>
      Try now
    </button>
  );
}
