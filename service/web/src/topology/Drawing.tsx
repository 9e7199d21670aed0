// The topology as a picture. Each card leads to its row in the outline, which says the same in words.

import type { VNode } from "preact";
import { Mark } from "../components/parts";
import { type Flag, flagsOf, lagText, roleOf, shortVersion } from "../model/facts";
import { anchor } from "../model/key";
import { stateOf } from "../model/state";
import type { Tie } from "./forest";
import { CARD, type Edge, type Layout, type Placed } from "./layout";
import { flagsThatFit, partsThatFit, shorten, widthOf } from "./text";

/** Sizes of type in a card; the style sheet has the same. */
const NAME_SIZE = 15;
const LINE_SIZE = 12.5;
/** From the edge of a card to its text. */
const MARGIN = 12;
/** The mark, and some air. */
const NAME_AT = 36;
const LINE = CARD.width - 2 * MARGIN;

export function Drawing({ drawn, label }: { drawn: Layout; label: string }): VNode {
  const { width, height } = drawn;
  return (
    <section class="canvas" aria-label={label} tabIndex={0}>
      <svg class="topology" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group">
        <defs>
          <marker
            id="arrow"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="8"
            markerHeight="8"
            orient="auto"
          >
            <path d="M0 0 8 4 0 8Z" />
          </marker>
        </defs>
        {drawn.edges.map((edge) => (
          <EdgeLine key={`${edge.source} ${edge.replica}`} edge={edge} />
        ))}
        {drawn.cards.map((card) => (
          <Card key={card.name} card={card} />
        ))}
      </svg>
    </section>
  );
}

const TIES: Record<Tie, { words: string; sign: string }> = {
  replicates: { words: "replicates from", sign: "" },
  stopped: { words: "does not replicate from", sign: "×" },
  detached: { words: "is detached from", sign: "//" },
  group: { words: "is in the group of", sign: "" },
};

function EdgeLine({ edge }: { edge: Edge }): VNode {
  const { words, sign } = TIES[edge.tie];
  const { x, y } = edge.middle;
  return (
    <g class={`edge ${edge.tie}`} aria-hidden="true">
      <title>
        {edge.replica} {words} {edge.source}
      </title>
      <path d={edge.path} {...(edge.isLoop ? { "marker-end": "url(#arrow)" } : {})} />
      {sign !== "" && (
        <>
          <circle cx={x} cy={y} r="9" />
          <text x={x} y={y + 4.5} text-anchor="middle">
            {sign}
          </text>
        </>
      )}
    </g>
  );
}

function Card({ card }: { card: Placed }): VNode {
  const { instance, name } = card;
  const state = stateOf(instance);
  const title = instance.InstanceAlias || name;
  const names = [...new Set([title, name])];
  const version = shortVersion(instance);
  const address = names.slice(1).map((name) => shorten(name, LINE, LINE_SIZE));
  const particulars = [lagText(instance), roleOf(instance, card.replicas)].filter((part) => part !== "");
  const flags = flagsOfCard(card, state.word);
  const words = [...names, state.word, ...particulars, version, ...flags.map((flag) => flag.text)];
  const wordWidth = widthOf(`${state.word} · `, LINE_SIZE, true);
  return (
    <a
      class={`card ${state.tone}`}
      href={`#${anchor(instance.Key)}`}
      aria-label={words.filter(Boolean).join(", ")}
    >
      <title>{names.join("\n")}</title>
      <svg x={card.x} y={card.y} width={CARD.width} height={CARD.height} aria-hidden="true">
        <rect class="plate" x="1.500" y="1.500" width={CARD.width - 3} height={CARD.height - 3} rx="8" />
        <Mark tone={state.tone} x={MARGIN} y={9} />
        <text class="name" x={NAME_AT} y="22">
          {shorten(title, CARD.width - NAME_AT - MARGIN, NAME_SIZE, true)}
        </text>
        <text class="second" x={MARGIN} y="40">
          {partsThatFit([...address, version].filter(Boolean), LINE, LINE_SIZE)}
        </text>
        <text x={MARGIN} y="57">
          <tspan class="word">{state.word}</tspan> · {partsThatFit(particulars, LINE - wordWidth, LINE_SIZE)}
        </text>
        <Flags flags={flags} />
      </svg>
    </a>
  );
}

/** What is said already is not said again. */
function flagsOfCard(card: Placed, word: string): Flag[] {
  const unknown = card.elsewhere === "" ? [] : [{ text: `source ${card.elsewhere} unknown`, odd: true }];
  return [...unknown, ...flagsOf(card.instance).filter((flag) => flag.text !== word)];
}

function Flags({ flags }: { flags: readonly Flag[] }): VNode {
  const { shown, hidden } = flagsThatFit(flags, LINE, LINE_SIZE);
  return (
    <text class="flags" x={MARGIN} y="74">
      {shown.map((flag, at) => (
        <tspan key={flag.text} class={flag.odd ? "odd" : ""}>
          {at > 0 ? " · " : ""}
          {flag.text}
        </tspan>
      ))}
      {hidden > 0 && <tspan> +{hidden}</tspan>}
    </text>
  );
}
