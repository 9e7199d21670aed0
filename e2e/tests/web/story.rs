//! What a person sees who keeps the page open: an empty service, a discovery, a failover, an election, no quorum.

use anyhow::Result;
use orchestrator_e2e::{Flavor, Group, GroupPlan, Lab, LabPlan};

use crate::browser::Browser;

/// What a browser says of requests to a node that is in trouble.
const TROUBLE: [&str; 3] = ["ERR_", "500", "502"];

fn watch(flavor: Flavor) -> Result<()> {
    let lab = Lab::up("web", &LabPlan::new(flavor, "a>b,a>c,c>d"))?;
    let mut group = Group::start("web", &GroupPlan::for_lab(&lab)?)?;
    let leader = group.leader()?;
    // A follower serves the page; what it shows comes from the leader.
    let watched = (leader + 1) % group.nodes.len();
    let page = group.nodes[watched].api.base.clone();
    let mut browser = Browser::start()?;

    browser.open(&page)?;
    let follows = format!("{} answers, and follows {}", group.nodes[watched].raft, group.nodes[leader].raft);
    browser.sees(&["Nothing has been discovered yet", &follows])?;
    browser.is_sound("real-empty")?;

    // No reload from here on.
    group.leader_api()?.discover(lab.server("a"))?;
    browser.sees(&[lab.name(), "4 instances", "no problems"])?;
    browser.click(lab.name())?;
    let keys: Vec<String> = lab.servers().map(|server| server.key()).collect();
    let mut all: Vec<&str> = keys.iter().map(String::as_str).collect();
    all.extend(["4 ok", "primary", "intermediate primary", "writable", "read-only"]);
    browser.sees(&all)?;
    browser.is_sound("real-cluster")?;

    // The page of the alias stays with whoever is the primary.
    lab.server("a").kill9()?;
    browser.sees(&["DeadMaster", &lab.server("a").key(), "recovered", "3 ok"])?;
    browser.is_sound("real-recovered")?;
    browser.click("Clusters")?;
    browser.sees(&["3 instances", "recovered"])?;

    browser.allow(&TROUBLE)?;
    browser.open(&page)?;
    let old = group.leader()?;
    // Should the office have moved to the node that is watched, another one goes: the page is to survive.
    let victim = if old == watched { (watched + 1) % group.nodes.len() } else { old };
    group.nodes[victim].kill9()?;
    let next = group.leader()?;
    let leads = format!("leader {}", group.nodes[next].raft);
    browser.sees(&[&leads, "recovered"])?;
    browser.is_sound("real-elected")?;

    let last = (0..group.nodes.len()).find(|&n| n != victim && n != watched);
    group.nodes[last.unwrap_or(victim)].kill9()?;
    browser.sees(&["Nobody leads the group", "no leader"])?;
    browser.is_sound("real-leaderless")?;

    for node in [victim, last.unwrap_or(victim)] {
        group.nodes[node].start()?;
    }
    browser.misses(&["Nobody leads the group"])?;
    browser.sees(&["leader ", "recovered"])?;
    group.done();
    Ok(())
}

#[test]
fn the_page_tells_a_failover_and_an_election_as_they_happen() -> Result<()> {
    watch(Flavor::MariaDb1011)
}
