// Names of instances.

import type { Key } from "../api/types";

/** In front of the host name of a source that was spoiled on purpose. */
const DETACHED = "//";

/** `host:port`, `[v6]:port`; empty for no instance. */
export function keyText(key: Key | null): string {
  if (key === null || key.Hostname === "" || key.Hostname === "_") return "";
  const host = key.Hostname.includes(":") ? `[${key.Hostname}]` : key.Hostname;
  return `${host}:${key.Port}`;
}

/** The source as it was before it was detached. */
export function attached(key: Key): Key {
  return key.Hostname.startsWith(DETACHED) ? { ...key, Hostname: key.Hostname.slice(DETACHED.length) } : key;
}

/** Something that can be the id of an element. */
export function anchor(key: Key): string {
  return `instance-${keyText(key)}`;
}
