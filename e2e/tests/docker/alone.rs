//! One container: what it reads, what it refuses, and how little it may have.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::{Api, until};

use crate::engine::{Container, Engine, FORMED_WITHIN, IMAGE, docker, last_words, one_leader};

/// A configuration that cannot be used ends the process at once.
const REFUSED_WITHIN: Duration = Duration::from_secs(20);
/// A group of one.
const ALONE: [&str; 4] = ["-e", "BIND=orchestrator1", "-e", "NODE1=orchestrator1"];

#[test]
fn without_any_right_but_to_its_own_volume_a_node_serves_and_keeps_its_state() -> Result<()> {
    let _engine = Engine::take()?;
    let locked = [
        &["--user", "65532:65532", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"][..],
        &["--security-opt", "no-new-privileges", "-v", "orc1:/var/lib/orchestrator"],
        &ALONE,
        &[IMAGE],
    ]
    .concat();
    let first = Container::run("orchestrator1", 3001, &locked)?;
    one_leader(std::slice::from_ref(&first))?;
    first.api.get("disable-global-recoveries")?.details()?;
    let (status, _) = first.stop()?;
    ensure!(status == 0, "exit {status}\n{}", first.said()?);
    docker(&["rm", &first.name])?;
    let second = Container::run("orchestrator1", 3001, &locked)?;
    one_leader(std::slice::from_ref(&second))?;
    ensure!(second.api.get("check-global-recoveries")?.details()? == "disabled", "its state is gone");
    Ok(())
}

#[test]
fn without_raft_a_node_leads_itself_whatever_else_it_is_told() -> Result<()> {
    let _engine = Engine::take()?;
    let told = ["-e", "RAFT=false", "-e", "BIND=172.99.0.1", "-e", "NODE1=elsewhere", IMAGE];
    let node = Container::run("orchestrator1", 3001, &told)?;
    one_leader(std::slice::from_ref(&node))?;
    let page = node.api.get_within("/web/clusters", Duration::from_secs(5))?;
    ensure!(page.status == 200, "/web/clusters: {page:?}");
    let (status, _) = node.stop()?;
    ensure!(status == 0, "exit {status}\n{}", node.said()?);
    Ok(())
}

#[test]
fn a_mounted_file_wins_over_the_environment() -> Result<()> {
    let _engine = Engine::take()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orchestrator.conf.json");
    // SQLite where the original's samples have it.
    let text = r#"{"ListenAddress": ":3100", "BackendDB": "sqlite",
        "SQLite3DataFile": "/usr/local/orchestrator/orchestrator.sqlite3", "RaftEnabled": true,
        "RaftDataDir": "/var/lib/orchestrator", "RaftBind": "from-the-file", "RaftNodes": ["from-the-file"]}"#;
    std::fs::write(&file, text)?;
    let mount = format!("{}:/etc/orchestrator.conf.json:ro", file.display());
    let args = [&["-p", "3101:3100", "-v", &mount][..], &ALONE, &["--user", "65532", IMAGE]].concat();
    let node = Container::run("orchestrator1", 3001, &args)?;
    let api = Api::new("http://127.0.0.1:3101");
    until("it serves where the file says", FORMED_WITHIN, || {
        if api.leads() { Ok(()) } else { Err(last_words(std::slice::from_ref(&node))) }
    })?;
    let status = api.get("raft-status")?.raw()?;
    ensure!(
        status["RaftAdvertise"].as_str().is_some_and(|name| name.starts_with("from-the-file")),
        "{status}"
    );
    Ok(())
}

#[test]
fn a_member_that_is_not_told_its_name_ends_and_names_the_variable() -> Result<()> {
    let _engine = Engine::take()?;
    for args in [&[][..], &["-e", "NODE1=o1", "-e", "NODE2=o2", "-e", "NODE3=o3"]] {
        let node = Container::run("orchestrator1", 3001, &[args, &[IMAGE]].concat())?;
        let status = node.ended(REFUSED_WITHIN)?;
        let said = node.said()?;
        ensure!(status == 1 && said.contains("BIND") && said.contains("RaftBind"), "exit {status}: {said}");
        docker(&["rm", &node.name])?;
    }
    Ok(())
}

#[test]
fn the_image_has_what_hooks_and_people_need() -> Result<()> {
    let _engine = Engine::take()?;
    let run = |args: &[&str]| docker(&[&["run", "--rm", IMAGE], args].concat());
    let hook = "echo 'recovered' >> /tmp/recovery.log && [[ -s /tmp/recovery.log ]] && cat /tmp/recovery.log";
    ensure!(run(&["bash", "-c", hook])? == "recovered");
    ensure!(run(&["sh", "-c", "id -u"])? == "0", "folders of the known images belong to root");
    ensure!(run(&["orchestrator", "--version"])? == env!("CARGO_PKG_VERSION"));
    ensure!(run(&["orchestrator-client", "-c", "help"]).is_ok(), "the client is missing");
    let bytes: u64 = docker(&["image", "inspect", "--format", "{{.Size}}", IMAGE])?.parse()?;
    println!("the image has {bytes} bytes");
    ensure!(bytes <= 25_000_000, "{bytes} bytes");
    Ok(())
}

#[test]
fn the_archive_is_the_same_image_for_those_who_do_not_build() -> Result<()> {
    let _engine = Engine::take()?;
    let archive = orchestrator_e2e::repository().join("target/container/orchestrator.tar");
    docker(&["load", "--input", &archive.display().to_string()])?;
    let node = Container::run("orchestrator1", 3001, &[&ALONE[..], &["orchestrator:latest"]].concat())?;
    one_leader(std::slice::from_ref(&node))?;
    Ok(())
}
