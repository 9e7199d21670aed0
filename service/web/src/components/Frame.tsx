// Around every page: name, who leads, what is old or wrong, foot.

import type { ComponentChildren, VNode } from "preact";
import { href } from "../links";
import { type Group, groupText } from "../model/group";
import { absolute, ago } from "../model/time";
import type { Answer, State as PageState } from "../store";
import { Notice, RetryButton, State } from "./parts";

/** Older data than this are said to be old, even if no request failed: three questions in a row went unanswered. */
const STALE_AFTER_MS = 10_000;

interface FrameProps {
  state: PageState;
  /** What this page shows. */
  answer: Answer<unknown>;
  /** Of the moment, for those who do not see it change. */
  summary: string;
  retry: () => void;
  children: ComponentChildren;
}

export function Frame({ state, answer, summary, retry, children }: FrameProps): VNode {
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header>
        <nav aria-label="Main">
          <a class="brand" href={href("clusters")}>
            orchestrator
          </a>
          <a href={href("clusters")}>Clusters</a>
        </nav>
        <LeaderChip group={state.group} />
      </header>
      <main id="main" tabIndex={-1}>
        <Notices state={state} answer={answer} retry={retry} />
        {children}
        <GroupSection group={state.group} />
      </main>
      <footer>
        <p>
          orchestrator {state.boot.version}, page from {state.boot.node}. This page shows; to change something
          use <code>orchestrator-client</code> or the API.
        </p>
      </footer>
      <p class="visually-hidden" role="status">
        {summary}
      </p>
    </>
  );
}

function LeaderChip({ group }: { group: Answer<Group> }): VNode {
  const { value, error } = group;
  if (value === null) {
    return (
      <State tone={error === "" ? "muted" : "bad"}>{error === "" ? "asking who leads" : "no answer"}</State>
    );
  }
  if (error !== "") return <State tone="bad">no answer</State>;
  if (value.role === "leaderless") return <State tone="bad">no leader</State>;
  return <State tone="ok">{value.role === "alone" ? `${value.node} alone` : `leader ${value.leader}`}</State>;
}

function Notices({ state, answer, retry }: Pick<FrameProps, "state" | "answer" | "retry">): VNode {
  const { group, now } = state;
  const isOld = answer.value !== null && (answer.error !== "" || now - answer.at > STALE_AFTER_MS);
  return (
    <div class="notices">
      {group.value?.role === "leaderless" && (
        <Notice tone="bad">
          <strong>Nobody leads the group, as far as {group.value.node} knows.</strong> What is shown is what
          this node sees itself and may be old. Nothing is repaired until a majority of{" "}
          {group.value.members.join(", ")} agrees on a leader.
        </Notice>
      )}
      {group.value !== null && group.value.trouble !== "" && (
        <Notice tone="bad">
          <strong>{group.value.node} is not well:</strong> {group.value.trouble}.
        </Notice>
      )}
      {isOld && (
        <Notice tone="warn">
          <strong>
            Data from {absolute(answer.at)}, {ago(answer.at, now)}
          </strong>
          {answer.error !== "" && <>: {answer.error}</>}. <RetryButton retry={retry} />
        </Notice>
      )}
    </div>
  );
}

function GroupSection({ group }: { group: Answer<Group> }): VNode | null {
  const { value, error } = group;
  if (value === null) return null;
  return (
    <section aria-labelledby="group">
      <h2 id="group">Nodes</h2>
      <p>
        {error === "" ? groupText(value) : `No answer any more (${error}). The last one: ${groupText(value)}`}
      </p>
      {value.role !== "alone" && (
        <ul class="members">
          {value.members.map((member) => (
            <li key={member}>
              <span class="nowrap">{member}</span> <span class="aside">{placeOf(member, value)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function placeOf(member: string, group: Group): string {
  const isHere = member === group.node;
  if (member === group.leader) return isHere ? "leader, answers this page" : "leader";
  return isHere ? "answers this page" : "member";
}
