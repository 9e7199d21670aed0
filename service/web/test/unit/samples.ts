// Instances for tests, made from the very bytes that the tests of `service/wire` hold the API to.

import { readFileSync } from "node:fs";
import type { Instance, Key } from "../../src/api/types";

/** Tests run in `service/web`. */
export function golden(name: string): string {
  return readFileSync(`../wire/tests/golden/${name}`, "utf8").replaceAll("\n", "");
}

const SAMPLE = JSON.parse(golden("instance.json")) as Instance;
const NOBODY: Key = { Hostname: "", Port: 0 };

export function key(host: string): Key {
  return host === "" ? NOBODY : { Hostname: host, Port: 3306 };
}

/** A replica of `source` that is well, or a primary. */
export function instance(host: string, source: string, change: Partial<Instance> = {}): Instance {
  return {
    ...SAMPLE,
    Key: key(host),
    InstanceAlias: "",
    DataCenter: "",
    MasterKey: key(source),
    ReadOnly: source !== "",
    SemiSyncMasterEnabled: false,
    SemiSyncReplicaEnabled: false,
    Problems: [],
    ...change,
  };
}
