// The topology as a table: all that the drawing says and more, for readers, phones and search.

import type { VNode } from "preact";
import { flagsOf, lagText, notesOf, roleOf, versionText } from "../model/facts";
import { anchor, keyText } from "../model/key";
import { stateOf } from "../model/state";
import type { Placed } from "../topology/layout";
import { State } from "./parts";

/** Deeper than this, rows are not indented any further. */
const INDENTED_DEPTH = 8;

export function Outline({ cards }: { cards: readonly Placed[] }): VNode {
  return (
    <table class="reflow outline">
      <thead>
        <tr>
          <th scope="col">Instance</th>
          <th scope="col">State</th>
          <th scope="col">Role</th>
          <th scope="col">Lag</th>
          <th scope="col">Version</th>
          <th scope="col">Remarks</th>
        </tr>
      </thead>
      <tbody>
        {cards.map((card) => (
          <OutlineRow key={card.name} card={card} />
        ))}
      </tbody>
    </table>
  );
}

function OutlineRow({ card }: { card: Placed }): VNode {
  const { instance } = card;
  const state = stateOf(instance);
  const below = keyText(instance.MasterKey);
  return (
    <tr id={anchor(instance.Key)} tabIndex={-1}>
      <th scope="row" data-label="Instance">
        <span class={`indent depth-${Math.min(card.depth, INDENTED_DEPTH)}`}>
          {instance.InstanceAlias || card.name}
          {instance.InstanceAlias !== "" && <span class="note">{card.name}</span>}
          {card.depth > 0 && <span class="visually-hidden">, below {below}</span>}
        </span>
      </th>
      <td data-label="State">
        <State tone={state.tone}>{state.word}</State>
      </td>
      <td data-label="Role">{roleOf(instance, card.replicas)}</td>
      <td data-label="Lag">{lagText(instance).replace(/^lag /, "") || "–"}</td>
      <td data-label="Version">{versionText(instance) || "unknown"}</td>
      <td data-label="Remarks">
        {flagsOf(instance)
          .filter((flag) => flag.text !== state.word)
          .map((flag) => (
            <span key={flag.text} class={flag.odd ? "flag odd" : "flag"}>
              {flag.text}
            </span>
          ))}
        {card.elsewhere !== "" && <span class="note">its source {card.elsewhere} is not known here</span>}
        {notesOf(instance).map((note) => (
          <span key={note} class="note">
            {note}
          </span>
        ))}
      </td>
    </tr>
  );
}
