// Where the page is, wherever a proxy may show it.

import { clusterPath } from "./model/page";

/** `{prefix}/web/`: the script is at `{prefix}/web/assets/{build}/app.js`. */
export const WEB = new URL("../../", import.meta.url);

/** `{prefix}/api/`. */
export const API = new URL("../api/", WEB);

/** The address of a page that is named relative to `web/`. */
export function href(page: string): string {
  return new URL(page, WEB).pathname;
}

/** The address of a cluster's page. */
export function clusterHref(cluster: { ClusterName: string; ClusterAlias: string }): string {
  return href(clusterPath(cluster));
}
