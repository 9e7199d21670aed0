// Addresses of pages, below `…/web/`.

export type Page = { name: "clusters" } | { name: "cluster"; hint: readonly string[] } | { name: "nowhere" };

/** What a path below `web/` shows. `hint` = the segments of the API that name the cluster. */
export function pageOf(path: string): Page {
  const segments = path.replace(/\/$/, "").split("/").map(decode);
  const [first, second, third, fourth] = segments;
  if (first === "clusters" && segments.length === 1) return { name: "clusters" };
  if (first !== "cluster") return { name: "nowhere" };
  if (segments.length === 2 && second) return { name: "cluster", hint: [second] };
  if (segments.length === 3 && second === "alias" && third)
    return { name: "cluster", hint: ["alias", third] };
  if (segments.length === 4 && second === "instance" && third && fourth) {
    return { name: "cluster", hint: [`${third}:${fourth}`] };
  }
  return { name: "nowhere" };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Characters that the API takes for the end of a name, however they are written. */
const SEPARATING = /[/?#]/;

/**
 * The segments by which the API and the pages name a cluster: by its alias, which stays when its primary changes; by
 * its name if it has none that can stand in an address.
 */
export function clusterSegments(cluster: { ClusterName: string; ClusterAlias: string }): readonly string[] {
  const { ClusterName: name, ClusterAlias: alias } = cluster;
  const isOfUse = alias !== "" && alias !== name && !SEPARATING.test(alias);
  return isOfUse ? ["alias", alias] : [name];
}

/** The address of a cluster's page, relative to `web/`. */
export function clusterPath(cluster: { ClusterName: string; ClusterAlias: string }): string {
  const segments = clusterSegments(cluster).map((segment) =>
    encodeURIComponent(segment).replaceAll("%3A", ":"),
  );
  return ["cluster", ...segments].join("/");
}
