//! `orchestrator-client` as people and scripts use it, against a real group.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::{Flavor, Group, repository};

use crate::support::{Scene, tree};

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the client with the APIs of all nodes, as `ORCHESTRATOR_API` in a user's profile.
fn client(group: &Group, arguments: &[&str]) -> Result<Said> {
    let apis: Vec<&str> = group.nodes.iter().map(|n| n.api.base.as_str()).collect();
    let path = repository().join("target/debug/orchestrator-client");
    let done = Command::new(&path)
        .args(arguments)
        .env("ORCHESTRATOR_API", apis.join(" "))
        .output()
        .with_context(|| format!("{}; build it: cargo build -p orchestrator-client", path.display()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Ok(Said { code: done.status.code(), out: text(&done.stdout), err: text(&done.stderr) })
}

/// Runs it and wants this on its standard output, and exit code 0.
fn says(group: &Group, arguments: &[&str], wanted: &str) -> Result<()> {
    let said = client(group, arguments)?;
    ensure!(said.code == Some(0), "{arguments:?}: exit {:?}, {}", said.code, said.err);
    ensure!(said.out == wanted, "{arguments:?}: {:?}, wanted {wanted:?}", said.out);
    Ok(())
}

#[test]
fn the_client_asks_and_commands_through_any_list_of_nodes() -> Result<()> {
    let mut scene = Scene::set("client", &tree(Flavor::MariaDb1011), &[])?;
    let key = |letter| scene.lab.server(letter).key();
    let (a, b, c, d) = (key("a"), key("b"), key("c"), key("d"));
    let group = &scene.group;

    says(group, &["-c", "discover", "-i", &a], &a)?;
    says(group, &["-c", "which-master", "-i", &d], &c)?;
    says(group, &["-c", "which-replicas", "-i", &a], &format!("{b}\n{c}"))?;
    says(
        group,
        &["-c", "which-cluster-instances", "-i", &b],
        &[&a, &b, &c, &d].map(String::as_str).join("\n"),
    )?;
    says(group, &["-c", "which-cluster-alias", "-i", &b], scene.lab.name())?;
    says(group, &["-c", "raft-health"], "healthy")?;
    says(group, &["-c", "check-global-recoveries"], "enabled")?;
    says(group, &["-c", "stop-replica", "-i", &d], &d)?;
    says(group, &["-c", "start-replica", "-i", &d], &d)?;
    let drawn = client(group, &["-c", "topology", "-i", &a])?.out;
    ensure!(drawn.lines().count() == 4 && drawn.starts_with(&a), "drawn as\n{drawn}");

    // What cannot be done says why, on the other stream, with the other exit code.
    let wrong = client(group, &["-c", "instance", "-i", "nowhere.invalid:3306"])?;
    ensure!(wrong.code == Some(1) && !wrong.err.is_empty(), "exit {:?}: {}", wrong.code, wrong.err);

    // The leader is found anew when it is gone.
    let leader = scene.group.leader()?;
    scene.group.nodes[leader].kill9()?;
    scene.group.leader()?;
    says(&scene.group, &["-c", "which-master", "-i", &d], &c)?;
    scene.done();
    Ok(())
}
