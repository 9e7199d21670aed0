// All clusters, what needs attention, what was repaired.

import type { VNode } from "preact";
import type { ClusterInfo, Finding, Instance } from "../api/types";
import { Findings, Problems } from "../components/Findings";
import { Frame } from "../components/Frame";
import { Code, Failed, Loading, Notice, State } from "../components/parts";
import { Recoveries } from "../components/Recoveries";
import { clusterHref } from "../links";
import { compare, countStates } from "../model/state";
import type { Fleet, State as PageState } from "../store";

export function Clusters({ state, retry }: { state: PageState; retry: () => void }): VNode {
  const { fleet } = state;
  return (
    <Frame
      state={state}
      answer={fleet}
      summary={fleet.value === null ? "" : summary(fleet.value)}
      retry={retry}
    >
      <h1 tabIndex={-1}>Clusters</h1>
      {fleet.value !== null ? (
        <Content fleet={fleet.value} now={state.now} />
      ) : fleet.error === "" ? (
        <Loading />
      ) : (
        <Failed what="The list of clusters" why={fleet.error} retry={retry} />
      )}
    </Frame>
  );
}

function summary(fleet: Fleet): string {
  const findings = fleet.findings.map((finding) => finding.Analysis).join(", ");
  return `${fleet.clusters.length} clusters. ${findings === "" ? "No findings." : `Findings: ${findings}.`}`;
}

function Content({ fleet, now }: { fleet: Fleet; now: number }): VNode {
  if (fleet.clusters.length === 0) return <Nothing />;
  const isQuiet = fleet.findings.length === 0 && fleet.problems.length === 0;
  const aliases = new Map(fleet.clusters.map((cluster) => [cluster.ClusterName, nameOf(cluster)]));
  const clusters = [...fleet.clusters].sort((a, b) => compare(nameOf(a), nameOf(b)));
  return (
    <>
      {!fleet.recoversAtAll && <RecoveriesAreOff />}
      <section aria-labelledby="attention">
        <h2 id="attention">Needs attention</h2>
        {isQuiet && (
          <p>
            <State tone="ok">nothing does</State>
          </p>
        )}
        <Findings findings={fleet.findings} blocked={fleet.blocked} />
        <Problems instances={fleet.problems} aliases={aliases} />
      </section>
      <section aria-labelledby="all">
        <h2 id="all">All clusters</h2>
        <ul class="tiles">
          {clusters.map((cluster) => (
            <Tile
              key={cluster.ClusterName}
              cluster={cluster}
              isAliasShared={
                clusters.filter((other) => other.ClusterAlias === cluster.ClusterAlias).length > 1
              }
              findings={fleet.findings.filter(
                (finding) => finding.ClusterDetails.ClusterName === cluster.ClusterName,
              )}
              problems={fleet.problems.filter((instance) => instance.ClusterName === cluster.ClusterName)}
            />
          ))}
        </ul>
      </section>
      <section aria-labelledby="recoveries">
        <h2 id="recoveries">Recoveries</h2>
        <Recoveries recoveries={fleet.recoveries} now={now} />
      </section>
    </>
  );
}

function nameOf(cluster: ClusterInfo): string {
  return cluster.ClusterAlias || cluster.ClusterName;
}

/** Also on the page of one cluster. */
export function RecoveriesAreOff(): VNode {
  return (
    <Notice tone="warn">
      <strong>Recoveries are switched off everywhere.</strong> Failures are reported and not repaired, until{" "}
      <code>orchestrator-client -c enable-global-recoveries</code>.
    </Notice>
  );
}

interface TileProps {
  cluster: ClusterInfo;
  findings: readonly Finding[];
  problems: readonly Instance[];
  /** Another cluster goes by the same alias: it says nothing then. */
  isAliasShared: boolean;
}

function Tile({ cluster, findings, problems, isAliasShared }: TileProps): VNode {
  const failures = findings.filter((finding) => finding.Analysis !== "NoProblem");
  return (
    <li class="tile">
      <h3>
        <a href={clusterHref(isAliasShared ? { ...cluster, ClusterAlias: "" } : cluster)}>
          {nameOf(cluster)}
        </a>
      </h3>
      {nameOf(cluster) !== cluster.ClusterName && <p class="aside">{cluster.ClusterName}</p>}
      <p>
        {cluster.CountInstances} {cluster.CountInstances === 1 ? "instance" : "instances"}
      </p>
      <ul class="states">
        {failures.map((finding) => (
          <li key={finding.Analysis}>
            <State tone={finding.IsDowntimed ? "muted" : "bad"}>
              <Code code={finding.Analysis} />
            </State>
          </li>
        ))}
        {countStates(problems).map(({ tone, word, count }) => (
          <li key={word}>
            <State tone={tone}>
              {count} {word}
            </State>
          </li>
        ))}
        {failures.length === 0 && problems.length === 0 && (
          <li>
            <State tone="ok">no problems</State>
          </li>
        )}
      </ul>
      <p class="aside">{automation(cluster)}</p>
    </li>
  );
}

/** What is repaired without being asked, by the configuration. */
export function automation(cluster: ClusterInfo): string {
  const { HasAutomatedMasterRecovery: primaries, HasAutomatedIntermediateMasterRecovery: others } = cluster;
  if (primaries && others) return "Automated recovery: primary, intermediate primaries";
  if (primaries) return "Automated recovery: primary";
  return others ? "Automated recovery: intermediate primaries" : "No automated recovery";
}

function Nothing(): VNode {
  return (
    <section class="empty">
      <h2>Nothing has been discovered yet</h2>
      <p>Name one server of a topology; its source, its replicas and theirs are found from there.</p>
      <pre>
        <code>orchestrator-client -c discover -i db1.example.com:3306</code>
      </pre>
      <p>
        Or list servers in <code>DiscoverySeeds</code> of the configuration. The account of{" "}
        <code>MySQLTopologyUser</code> must be able to sign in there. This page shows what is found without a
        reload.
      </p>
    </section>
  );
}
