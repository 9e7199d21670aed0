// What was repaired, or not.

import type { VNode } from "preact";
import type { Recovery } from "../api/types";
import { clusterHref } from "../links";
import { keyText } from "../model/key";
import type { Tone } from "../model/state";
import { Code, State, When } from "./parts";

/** The page shows the newest; all of them are in the API. */
const SHOWN = 10;

interface Outcome {
  tone: Tone;
  word: string;
}

export function outcomeOf(recovery: Recovery): Outcome {
  if (recovery.RecoveryEndTimestamp === "") return { tone: "warn", word: "under way" };
  return recovery.IsSuccessful ? { tone: "ok", word: "recovered" } : { tone: "bad", word: "failed" };
}

export function Recoveries({ recoveries, now }: { recoveries: readonly Recovery[]; now: number }): VNode {
  if (recoveries.length === 0) return <p class="aside">None so far.</p>;
  return (
    <table class="reflow">
      <thead>
        <tr>
          <th scope="col">Outcome</th>
          <th scope="col">Started</th>
          <th scope="col">Failure</th>
          <th scope="col">Successor</th>
          <th scope="col">Cluster</th>
          <th scope="col">Acknowledged</th>
        </tr>
      </thead>
      <tbody>
        {recoveries.slice(0, SHOWN).map((recovery) => (
          <RecoveryRow key={recovery.UID} recovery={recovery} now={now} />
        ))}
      </tbody>
    </table>
  );
}

function RecoveryRow({ recovery, now }: { recovery: Recovery; now: number }): VNode {
  const { tone, word } = outcomeOf(recovery);
  const { AnalyzedInstanceKey: failed, Analysis: code, ClusterDetails: cluster } = recovery.AnalysisEntry;
  const successor = keyText(recovery.SuccessorKey);
  const lost = recovery.LostReplicas.map(keyText);
  const errors = (recovery.AllErrors ?? []).filter((text) => text !== "");
  return (
    <tr>
      <td data-label="Outcome">
        <State tone={tone}>{word}</State>
      </td>
      <td data-label="Started">
        <When text={recovery.RecoveryStartTimestamp} now={now} />
      </td>
      <td data-label="Failure">
        <Code code={code} /> <span class="nowrap">{keyText(failed)}</span>
        {errors.map((text) => (
          <span key={text} class="note">
            {text}
          </span>
        ))}
      </td>
      <td data-label="Successor">
        {successor || "none"}
        {lost.length > 0 && <span class="note">lost: {lost.join(", ")}</span>}
      </td>
      <td data-label="Cluster">
        <a href={clusterHref(cluster)}>{cluster.ClusterAlias || cluster.ClusterName}</a>
      </td>
      <td data-label="Acknowledged">{recovery.Acknowledged ? "yes" : "no"}</td>
    </tr>
  );
}
