// An address that this page has nothing for; the service answers 404 before, unless it is newer than the page.

import type { VNode } from "preact";
import { Frame } from "../components/Frame";
import { href } from "../links";
import type { State } from "../store";

export function Nowhere({ state, retry }: { state: State; retry: () => void }): VNode {
  return (
    <Frame state={state} answer={state.group} summary="" retry={retry}>
      <h1 tabIndex={-1}>There is no such page</h1>
      <p>
        Go to the <a href={href("clusters")}>clusters</a>.
      </p>
    </Frame>
  );
}
