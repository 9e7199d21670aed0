// One cluster: drawing, outline, findings, recoveries.

import type { VNode } from "preact";
import { Findings } from "../components/Findings";
import { Frame } from "../components/Frame";
import { Outline } from "../components/Outline";
import { Failed, Loading, State } from "../components/parts";
import { Recoveries } from "../components/Recoveries";
import { countStates } from "../model/state";
import type { Cluster as Data, State as PageState } from "../store";
import { Drawing } from "../topology/Drawing";
import { layout } from "../topology/layout";
import { automation, RecoveriesAreOff } from "./Clusters";

interface ClusterProps {
  state: PageState;
  hint: readonly string[];
  retry: () => void;
}

export function Cluster({ state, hint, retry }: ClusterProps): VNode {
  const { cluster } = state;
  const name = cluster.value?.info.ClusterAlias || cluster.value?.info.ClusterName || hint.at(-1) || "";
  return (
    <Frame
      state={state}
      answer={cluster}
      summary={cluster.value === null ? "" : summary(cluster.value)}
      retry={retry}
    >
      <h1 tabIndex={-1}>{name}</h1>
      {cluster.value !== null ? (
        <Content data={cluster.value} name={name} now={state.now} />
      ) : cluster.error === "" ? (
        <Loading />
      ) : (
        <Failed what={`Cluster ${name}`} why={cluster.error} retry={retry} />
      )}
    </Frame>
  );
}

function summary(data: Data): string {
  const states = countStates(data.instances).map(({ word, count }) => `${count} ${word}`);
  return `${data.instances.length} instances: ${states.join(", ")}.`;
}

function Content({ data, name, now }: { data: Data; name: string; now: number }): VNode {
  const { info, instances } = data;
  const drawn = layout(instances);
  return (
    <>
      <p class="facts">
        {name !== info.ClusterName && <span>{info.ClusterName}</span>}
        {countStates(instances).map(({ tone, word, count }) => (
          <State key={word} tone={tone}>
            {count} {word}
          </State>
        ))}
        <span class="aside">{automation(info)}</span>
      </p>
      {!data.recoversAtAll && <RecoveriesAreOff />}
      <Findings findings={data.findings} blocked={data.blocked} />
      <section aria-labelledby="topology">
        <h2 id="topology">Topology</h2>
        <Drawing
          drawn={drawn}
          label={`Drawing of ${name}: ${summary(data)} The table below says the same.`}
        />
      </section>
      <section aria-labelledby="instances">
        <h2 id="instances">Instances</h2>
        <Outline cards={drawn.cards} />
      </section>
      <section aria-labelledby="recoveries">
        <h2 id="recoveries">Recoveries</h2>
        <Recoveries recoveries={data.recoveries} now={now} />
      </section>
    </>
  );
}
