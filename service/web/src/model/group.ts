// Who answered, and who leads: from what the node that answered says of itself.

import type { Health, RaftStatus } from "../api/types";

export interface Group {
  /** The node that answered, as its peers name it. */
  node: string;
  role: "alone" | "leader" | "follower" | "leaderless";
  /** Who leads; empty = nobody is known to. */
  leader: string;
  /** All members, this one included. */
  members: string[];
  /** Why this node cannot write to its own backend; empty = it can. */
  trouble: string;
}

/** `raft` is null on a node that runs alone. */
export function groupOf(health: Health, raft: RaftStatus | null): Group {
  const trouble = health.Healthy ? "" : (health.Error ?? "its backend does not take writes");
  if (raft === null) {
    const role = health.IsActiveNode ? "alone" : "leaderless";
    return { node: health.Hostname, role, leader: "", members: [health.Hostname], trouble };
  }
  const node = raft.RaftAdvertise || health.RaftAdvertise || health.Hostname;
  const role = health.IsActiveNode
    ? "leader"
    : raft.Leader !== "" && raft.Healthy
      ? "follower"
      : "leaderless";
  return {
    node,
    role,
    leader: role === "leaderless" ? "" : raft.Leader,
    members: [...raft.Peers].sort(),
    trouble,
  };
}

/** One sentence on who answers. */
export function groupText(group: Group): string {
  switch (group.role) {
    case "alone":
      return `${group.node} answers, and runs alone.`;
    case "leader":
      return `${group.node} answers, and leads.`;
    case "follower":
      return `${group.node} answers, and follows ${group.leader}, which the data come from.`;
    case "leaderless":
      return `${group.node} answers, and knows no leader.`;
  }
}
