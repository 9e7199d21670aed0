// What analysis found, and instances that are not well.

import type { VNode } from "preact";
import type { BlockedRecovery, Finding, Instance } from "../api/types";
import { clusterHref } from "../links";
import { lagText, notesOf } from "../model/facts";
import { keyText } from "../model/key";
import { stateOf, type Tone } from "../model/state";
import { timeText } from "../model/time";
import { Code, State } from "./parts";

const NO_PROBLEM = "NoProblem";

/** Nobody is to be alarmed about what somebody announced, nor about a weakness that hurts nobody yet. */
function toneOf(finding: Finding): Tone {
  if (finding.IsDowntimed) return "muted";
  return finding.Analysis === NO_PROBLEM ? "warn" : "bad";
}

interface FindingsProps {
  findings: readonly Finding[];
  blocked: readonly BlockedRecovery[];
}

/** One entry for each finding; nothing without any. */
export function Findings({ findings, blocked }: FindingsProps): VNode | null {
  if (findings.length === 0) return null;
  return (
    <ul class="list">
      {findings.map((finding) => (
        <FindingItem
          key={`${keyText(finding.AnalyzedInstanceKey)} ${finding.Analysis}`}
          finding={finding}
          block={blocked.find(
            (entry) => keyText(entry.FailedInstanceKey) === keyText(finding.AnalyzedInstanceKey),
          )}
        />
      ))}
    </ul>
  );
}

function FindingItem({ finding, block }: { finding: Finding; block: BlockedRecovery | undefined }): VNode {
  const { ClusterDetails: cluster, StructureAnalysis: structure } = finding;
  const isFailure = finding.Analysis !== NO_PROBLEM;
  return (
    <li>
      <p class="headline">
        <State tone={toneOf(finding)}>{isFailure ? <Code code={finding.Analysis} /> : "weakness"}</State>{" "}
        <strong>{keyText(finding.AnalyzedInstanceKey)}</strong>{" "}
        <span class="aside">
          in <a href={clusterHref(cluster)}>{cluster.ClusterAlias || cluster.ClusterName}</a>
        </span>
      </p>
      {isFailure && finding.Description !== "" && <p>{finding.Description}</p>}
      {isFailure && finding.CountReplicas > 0 && (
        <p>
          {finding.CountValidReplicatingReplicas} of {finding.CountReplicas} replicas replicate.
        </p>
      )}
      {(structure ?? []).map((code) => (
        <p key={code}>{inWords(code)}</p>
      ))}
      {finding.IsDowntimed && (
        <p>In downtime until {timeText(finding.DowntimeEndTimestamp)}: reported, not repaired.</p>
      )}
      {block !== undefined && (
        <p>Not repaired: recovery {block.BlockingRecoveryId} was not long ago and is not acknowledged.</p>
      )}
    </li>
  );
}

/** `NoLoggingReplicasStructureWarning` reads as `No logging replicas (NoLogging…)`. */
function inWords(code: string): string {
  const words = code
    .replace(/StructureWarning$/, "")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return `${words.charAt(0).toUpperCase()}${words.slice(1).replace("gtid", "GTID")} (${code}).`;
}

interface ProblemsProps {
  instances: readonly Instance[];
  /** Aliases of clusters by name. */
  aliases: ReadonlyMap<string, string>;
}

/** Instances with problems. */
export function Problems({ instances, aliases }: ProblemsProps): VNode | null {
  if (instances.length === 0) return null;
  return (
    <ul class="list">
      {instances.map((instance) => {
        const state = stateOf(instance);
        return (
          <li key={keyText(instance.Key)}>
            <p class="headline">
              <State tone={state.tone}>{state.word}</State> <strong>{keyText(instance.Key)}</strong>{" "}
              <span class="aside">
                in{" "}
                <a href={clusterHref(clusterOf(instance, aliases))}>
                  {aliases.get(instance.ClusterName) ?? instance.ClusterName}
                </a>
              </span>
            </p>
            {lagNote(instance, state.word)
              .concat(notesOf(instance))
              .map((note) => (
                <p key={note} class="note">
                  {note}
                </p>
              ))}
          </li>
        );
      })}
    </ul>
  );
}

/** An instance knows the name of its cluster only. */
function clusterOf(
  instance: Instance,
  aliases: ReadonlyMap<string, string>,
): { ClusterName: string; ClusterAlias: string } {
  return { ClusterName: instance.ClusterName, ClusterAlias: aliases.get(instance.ClusterName) ?? "" };
}

function lagNote(instance: Instance, word: string): string[] {
  return word === "lagging" ? [lagText(instance)] : [];
}
