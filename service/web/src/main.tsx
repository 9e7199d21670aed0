// Starts the page: asks, draws, follows links.

import { render, type VNode } from "preact";
import { client } from "./api/client";
import { poll } from "./api/poll";
import { API, WEB } from "./links";
import { type Page, pageOf } from "./model/page";
import { Cluster } from "./pages/Cluster";
import { Clusters } from "./pages/Clusters";
import { Nowhere } from "./pages/Nowhere";
import {
  type Answer,
  askCluster,
  askFleet,
  askGroup,
  type Boot,
  initially,
  nothingYet,
  type State,
  tried,
} from "./store";

/** Ages are told anew this often, also while nothing comes. */
const TICK_MS = 5_000;

const get = client(API);
const root = document.getElementById("app") ?? document.body;
let state: State = initially(boot(), here(), Date.now());

function boot(): Boot {
  return JSON.parse(document.getElementById("boot")?.textContent ?? "{}") as Boot;
}

function here(): Page {
  return pageOf(location.pathname.slice(WEB.pathname.length));
}

function draw(change: Partial<State>): void {
  state = { ...state, now: Date.now(), ...change };
  render(view(state), root);
  document.title = `${heading(state)} · orchestrator`;
}

function view(state: State): VNode {
  const retry = (): void => poller.now();
  switch (state.page.name) {
    case "clusters":
      return <Clusters state={state} retry={retry} />;
    case "cluster":
      return <Cluster state={state} hint={state.page.hint} retry={retry} />;
    case "nowhere":
      return <Nowhere state={state} retry={retry} />;
  }
}

function heading(state: State): string {
  switch (state.page.name) {
    case "clusters":
      return "Clusters";
    case "cluster":
      return state.cluster.value?.info.ClusterAlias || (state.page.hint.at(-1) ?? "Cluster");
    case "nowhere":
      return "No such page";
  }
}

/** Who answers and what the page shows, side by side; each is drawn when it comes. True = all went well. */
async function ask(signal: AbortSignal): Promise<boolean> {
  const page = state.page;
  const news = (change: Partial<State>): void => {
    if (!signal.aborted) draw(change);
  };
  const answers = [asked(tried(state.group, askGroup(get, signal), Date.now), (group) => news({ group }))];
  if (page.name === "clusters") {
    answers.push(asked(tried(state.fleet, askFleet(get, signal), Date.now), (fleet) => news({ fleet })));
  }
  if (page.name === "cluster") {
    const cluster = askCluster(get, page.hint, signal);
    answers.push(asked(tried(state.cluster, cluster, Date.now), (cluster) => news({ cluster })));
  }
  return (await Promise.all(answers)).every((well) => well);
}

/** Hands an answer on when it comes; true = it is a new one. */
async function asked<T>(answer: Promise<Answer<T>>, take: (answer: Answer<T>) => void): Promise<boolean> {
  const came = await answer;
  take(came);
  return came.error === "";
}

/** Another page of ours, without loading the document again. */
function turnTo(): void {
  draw({ page: here(), cluster: nothingYet() });
  window.scrollTo(0, 0);
  // Readers are told where they are, and go on from there.
  root.querySelector("h1")?.focus();
  poller.now();
}

function follow(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  const address = link?.getAttribute("href") ?? "";
  const url = new URL(address, location.href);
  const isOurs = url.origin === location.origin && url.pathname.startsWith(WEB.pathname);
  if (link === null || !isPlain || !isOurs || event.defaultPrevented || address.startsWith("#")) return;
  event.preventDefault();
  history.pushState(null, "", url);
  turnTo();
}

// Looked up anew with each address, and relative to it.
const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
if (icon !== null) icon.href = new URL(icon.href).pathname;
root.replaceChildren();
draw({});
const poller = poll(ask);
poller.now();
setInterval(() => draw({}), TICK_MS);
document.addEventListener("click", follow);
window.addEventListener("popstate", () => {
  // Also comes with `#…`, which stays on the page.
  if (JSON.stringify(here()) !== JSON.stringify(state.page)) turnTo();
});
