//! Three containers on a user network: by address with the commands of the SQLite text, by name with those of the
//! MySQL text.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use orchestrator_e2e::{holds, until};

use crate::engine::{Container, Engine, FORMED_WITHIN, IMAGE, NETWORK, docker, last_words, one_leader};

/// What a supervisor leaves us between SIGTERM and SIGKILL is ten seconds; we promise half.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// Two election timeouts, an election, and two busy cores.
const LEADER_WITHIN: Duration = Duration::from_secs(15);
/// How long a fresh node alone is watched.
const ALONE_FOR: Duration = Duration::from_secs(4);
/// Between two looks at all nodes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `for N in 1 2 3; do docker run -d --name orchestratorN … ; done`, as the text for SQLite has it.
fn by_address() -> Result<Vec<Container>> {
    (1..=3).map(member_by_address).collect()
}

fn member_by_address(n: u16) -> Result<Container> {
    let (ip, bind) = (format!("172.20.0.1{n}"), format!("BIND=172.20.0.1{n}"));
    let own = ["--net", NETWORK, "--ip", &ip, "-e", "PORT=3000", "-e", &bind];
    let members = ["-e", "NODE1=172.20.0.11", "-e", "NODE2=172.20.0.12", "-e", "NODE3=172.20.0.13"];
    Container::run(&format!("orchestrator{n}"), 3000 + n, &[&own[..], &members, &[IMAGE]].concat())
}

/// A member known by its name, with a volume for what it must keep.
fn by_name(n: u16, more: &[&str]) -> Result<Container> {
    let (name, volume) = (format!("orchestrator{n}"), format!("orc{n}:/var/lib/orchestrator"));
    let (bind, nodes) =
        (format!("BIND={name}"), r#"RAFT_NODES="orchestrator1","orchestrator2","orchestrator3""#);
    let args = ["--net", NETWORK, "-v", &volume, "-e", &bind, "-e", nodes];
    Container::run(&name, 3000 + n, &[&args, more, &[IMAGE]].concat())
}

/// A command of a user, which must be agreed on.
fn command_goes_through(at: &Container) -> Result<()> {
    until(&format!("a command through {}", at.name), LEADER_WITHIN, || {
        let reply = at.api.get("disable-global-recoveries").map_err(|e| format!("{e:#}"))?;
        if reply.status == 200 { Ok(()) } else { Err(reply.body.to_string()) }
    })
}

/// SIGTERM: exit 0, soon; how soon.
fn ends_well(container: &Container) -> Result<Duration> {
    let (status, took) = container.stop()?;
    ensure!(status == 0 && took < ENDED_WITHIN, "{} ended with {status} after {took:?}", container.name);
    Ok(took)
}

/// Looks at every node all the time, from inside, and counts who says that it leads.
struct Watch {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Watch {
    fn over(containers: &[Container]) -> Self {
        let (end, watched) = (Arc::new(AtomicBool::new(false)), containers.to_vec());
        let ends = end.clone();
        let thread = std::thread::spawn(move || {
            let mut doubles = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                let leads = |c: &&Container| c.leader_check().is_some_and(|s| s.0 == 200);
                let names: Vec<&str> = watched.iter().filter(leads).map(|c| c.name.as_str()).collect();
                // Looks one after the other may see one leader before and another after a change: look again at once.
                let still = watched.iter().filter(|c| names.contains(&c.name.as_str())).filter(leads).count();
                if names.len() > 1 && still > 1 {
                    doubles.push(format!("{names:?} within {:?}", began.elapsed()));
                }
                sleep(LOOK_EVERY);
            }
            doubles
        });
        Self { end, thread }
    }

    fn never_two(self) -> Result<()> {
        self.end.store(true, Ordering::Relaxed);
        let doubles = self.thread.join().unwrap_or_else(|_| vec!["the watch panicked".into()]);
        ensure!(doubles.is_empty(), "two leaders at once: {doubles:?}");
        Ok(())
    }
}

#[test]
fn the_known_commands_make_one_group_that_serves_everything_on_every_node() -> Result<()> {
    let engine = Engine::take()?;
    engine.network()?;
    let began = Instant::now();
    let three = by_address()?;
    let leader = one_leader(&three)?;
    println!("three containers started and one leads after {:?}", began.elapsed());

    for (i, container) in three.iter().enumerate() {
        let wanted = if i == leader { &["became leader"][..] } else { &["leader elected"] };
        let said = container.said()?;
        ensure!(
            wanted.iter().any(|it| said.contains(it)),
            "{} says none of {wanted:?}:\n{said}",
            container.name
        );
        ensure!(!said.contains("_password"), "{} says a password:\n{said}", container.name);
        // The front door, the page behind it, the API through the leader.
        let door = container.api.get_within("/", Duration::from_secs(5))?;
        ensure!((301..=308).contains(&door.status), "/ of {}: {door:?}", container.name);
        let page = container.api.get_within("/web/clusters", Duration::from_secs(5))?;
        let text = page.body.as_str().unwrap_or_default();
        ensure!(
            page.status == 200 && text.contains("<html"),
            "/web/clusters of {}: {page:?}",
            container.name
        );
        command_goes_through(container)?;
        ensure!(container.api.healthy(), "{} is not healthy", container.name);
    }
    let took = three.iter().map(ends_well).collect::<Result<Vec<_>>>()?;
    println!("SIGTERM, one after the other: {took:?}");
    Ok(())
}

#[test]
fn nodes_wait_for_peers_whose_names_nobody_knows_yet() -> Result<()> {
    let engine = Engine::take()?;
    engine.network()?;
    let mut three = vec![by_name(1, &[])?];
    holds("the first one lives and does not lead", ALONE_FOR, || {
        let state = three[0].inspect("{{.State.Status}}").map_err(|e| e.to_string())?;
        let leads = three[0].leader_check().is_some_and(|s| s.0 == 200);
        if state == "running" && !leads { Ok(()) } else { Err(format!("{state}, leads: {leads}")) }
    })?;
    let said = three[0].said()?;
    ensure!(said.contains("waiting_for") && said.contains("orchestrator3"), "whom does it wait for?\n{said}");
    // Nobody answers the resolver here, so that each look at a name hangs for seconds: no reason to hang with it.
    println!("SIGTERM to a node that waits for others: {:?}", ends_well(&three[0])?);
    docker(&["start", &three[0].name])?;
    three.push(by_name(2, &[])?);
    three.push(by_name(3, &[])?);
    one_leader(&three)?;
    // One after the other, so that the last ones ask for names that are gone.
    let took = three.iter().map(ends_well).collect::<Result<Vec<_>>>()?;
    println!("SIGTERM, one after the other: {took:?}");
    Ok(())
}

#[test]
fn a_leader_cut_off_is_followed_by_another_and_comes_back_as_a_follower() -> Result<()> {
    let engine = Engine::take()?;
    engine.network()?;
    let three = (1..=3).map(|n| by_name(n, &[])).collect::<Result<Vec<_>>>()?;
    let old = one_leader(&three)?;
    let (cut, before) = (&three[old], three[old].address()?);
    let watch = Watch::over(&three);

    let began = Instant::now();
    docker(&["network", "disconnect", NETWORK, &cut.name])?;
    until("the one that was cut off answers 404 to itself", LEADER_WITHIN, || {
        match cut.asks_itself("/api/leader-check") {
            Ok((404, body)) if body.contains("Not leader") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    println!("the one that was cut off has stepped down {:?} after the command", began.elapsed());
    let rest: Vec<Container> = three.iter().filter(|c| c.name != cut.name).cloned().collect();
    one_leader(&rest)?;
    println!("another leads {:?} after the command", began.elapsed());
    for container in &rest {
        command_goes_through(container)?;
    }
    until("the one that was cut off says that it is not healthy", LEADER_WITHIN, || {
        match cut.asks_itself("/api/raft-health") {
            Ok((500, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;

    // Somebody else takes its address meanwhile, so that it comes back with another one.
    docker(&["run", "-d", "--name", "squatter", "--net", NETWORK, "--ip", &before, IMAGE, "sleep", "600"])?;
    docker(&["network", "connect", NETWORK, &cut.name])?;
    let after = cut.address()?;
    ensure!(after != before, "it came back at {after}");
    until("all healthy again", FORMED_WITHIN, || {
        let sick: Vec<&str> = three.iter().filter(|c| !c.api.healthy()).map(|c| c.name.as_str()).collect();
        if sick.is_empty() { Ok(()) } else { Err(format!("{sick:?}\n{}", last_words(&three))) }
    })?;
    println!("back at {after} instead of {before}, {:?} after the cut", began.elapsed());
    // What was agreed on without it, it knows by itself.
    let (_, known) = cut.asks_itself("/api/check-global-recoveries")?;
    ensure!(known.contains("disabled"), "it missed what was decided: {known}");
    watch.never_two()
}

#[test]
fn a_new_container_of_the_same_name_with_the_old_volume_is_the_same_member() -> Result<()> {
    let engine = Engine::take()?;
    engine.network()?;
    let mut three = (1..=3).map(|n| by_name(n, &[])).collect::<Result<Vec<_>>>()?;
    let leader = one_leader(&three)?;
    let peers = |c: &Container| Ok::<_, anyhow::Error>(c.api.get("raft-status")?.raw()?["Peers"].clone());
    let before = peers(&three[leader])?;
    for victim in [leader, (leader + 1) % 3] {
        let name = three[victim].name.clone();
        docker(&["rm", "-f", &name])?;
        let rest: Vec<Container> = three.iter().filter(|c| c.name != name).cloned().collect();
        one_leader(&rest)?;
        command_goes_through(&rest[0])?;
        let n = u16::try_from(victim + 1)?;
        let began = Instant::now();
        three[victim] = by_name(n, &["--ip", &format!("172.20.0.10{n}")])?;
        until("the new one is healthy", FORMED_WITHIN, || {
            if three[victim].api.healthy() { Ok(()) } else { Err(last_words(&three)) }
        })?;
        println!("{name} at a new address is healthy {:?} after `docker run`", began.elapsed());
        let known = three[victim].asks_itself("/api/check-global-recoveries")?.1;
        ensure!(known.contains("disabled"), "it missed what was decided: {known}");
    }
    let leader = one_leader(&three)?;
    ensure!(peers(&three[leader])? == before, "other members than before");
    Ok(())
}

#[test]
fn a_new_container_without_its_volume_is_taken_in_anew() -> Result<()> {
    let engine = Engine::take()?;
    engine.network()?;
    let three = by_address()?;
    let leader = one_leader(&three)?;
    command_goes_through(&three[leader])?;
    let gone = (leader + 1) % 3;
    docker(&["rm", "-f", &three[gone].name])?;
    let began = Instant::now();
    let again = member_by_address(u16::try_from(gone + 1)?)?;
    until("the empty one is healthy and knows what was decided", FORMED_WITHIN, || {
        let known = again.asks_itself("/api/check-global-recoveries").map(|said| said.1).unwrap_or_default();
        if again.api.healthy() && known.contains("disabled") { Ok(()) } else { Err(last_words(&three)) }
    })?;
    println!("{} with an empty disk is healthy {:?} after `docker run`", again.name, began.elapsed());
    one_leader(&three)?;
    Ok(())
}
