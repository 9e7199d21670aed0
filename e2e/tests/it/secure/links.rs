//! Links between nodes: with certificates nobody else is let in, without them strangers are told off.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use orchestrator_e2e::group::HEALTHY_WITHIN;
use orchestrator_e2e::{Group, GroupPlan, until};
use rustix::process::Signal;
use serde_json::json;

use super::pki::{Authority, Wish, equip_all, host};
use super::says;

fn reload(group: &mut Group) -> Result<()> {
    group.nodes.iter_mut().try_for_each(|node| node.signal(Signal::HUP).map(drop))
}

/// How often the nodes have said that they read their files again.
fn readings(group: &Group) -> Vec<usize> {
    let count = |text: String| text.matches("raft TLS files read again").count();
    group.nodes.iter().map(|node| count(node.said())).collect()
}

fn pids(group: &mut Group) -> Result<Vec<u32>> {
    group.nodes.iter_mut().map(orchestrator_e2e::Node::pid).collect()
}

#[test]
fn a_group_with_certificates_forms_survives_its_leader_and_changes_its_authority_without_a_restart()
-> Result<()> {
    let (old, new) = (Authority::new("old")?, Authority::new("new")?);
    let mut group = Group::prepare("sealed", &GroupPlan::new(3))?;
    equip_all(&group, &old, &old.pem)?;
    group.start_all()?;
    let first = group.leader()?;
    group.nodes[first].kill9()?;
    let second = until("another leads", HEALTHY_WITHIN, || {
        group.leaders().into_iter().find(|&leader| leader != first).ok_or("nobody")
    })?;
    group.nodes[first].start()?;
    group.wait_healthy()?;

    let before = pids(&mut group)?;
    let both = format!("{}{}", old.pem, new.pem);
    // Each step leaves everybody believing everybody, whoever has read its files already.
    for (n, (signer, trusted)) in [(&old, &both), (&new, &both), (&new, &new.pem)].into_iter().enumerate() {
        equip_all(&group, signer, trusted)?;
        reload(&mut group)?;
        until("all read their files again", HEALTHY_WITHIN, || {
            let seen = readings(&group);
            if seen.iter().all(|&count| count == n + 1) { Ok(()) } else { Err(format!("{seen:?}")) }
        })?;
        group.wait_healthy()?;
        let api = &group.nodes[second].api;
        api.get(&format!("begin-downtime/db{n}/3306/me/test/1h"))?.details()?;
    }
    ensure!(pids(&mut group)? == before, "nobody was restarted");
    group.done();
    Ok(())
}

#[test]
fn who_lacks_the_right_certificate_is_refused_and_both_logs_say_why() -> Result<()> {
    let (authority, others) = (Authority::new("ours")?, Authority::new("theirs")?);
    let mut group = Group::prepare("strangers", &GroupPlan::new(3))?;
    for node in &group.nodes[..2] {
        authority.equip(node, Wish::of(&[host(node)]), &authority.pem)?;
    }
    let hosts: Vec<String> = group.nodes.iter().map(|node| host(node).to_owned()).collect();
    for node in &mut group.nodes[..2] {
        node.start()?;
    }

    // Of another authority.
    others.equip(&group.nodes[2], Wish::of(&[&hosts[2]]), &others.pem)?;
    group.nodes[2].start()?;
    says(&group.nodes[0], &["is not of the authority in RaftTLSCAFile"])?;
    says(&group.nodes[2], &["is not of the authority in RaftTLSCAFile"])?;
    group.nodes[2].terminate(HEALTHY_WITHIN)?;

    // Plain.
    for key in ["RaftTLSCertFile", "RaftTLSPrivateKeyFile", "RaftTLSCAFile"] {
        group.nodes[2].configure(key, "")?;
    }
    group.nodes[2].start()?;
    says(&group.nodes[0], &["takes raft connections with TLS only"])?;
    says(&group.nodes[2], &["this node does not: RaftTLSCertFile is empty"])?;
    group.nodes[2].terminate(HEALTHY_WITHIN)?;

    // What nobody would believe does not even start, and the last line names key and file.
    for (index, life, reason) in
        [(2, Some(Duration::ZERO), "expired at"), (1, None, "the certificate does not name")]
    {
        let named = [hosts[index].as_str()];
        authority.equip(&group.nodes[2], Wish { life, ..Wish::of(&named) }, &authority.pem)?;
        // Whole seconds: what ends now is over in the next one.
        until("it is over", HEALTHY_WITHIN, || {
            let node = &mut group.nodes[2];
            node.start().map_err(|error| format!("{error:#}"))?;
            let ended = node.wait_end(Duration::from_secs(3)).map_err(|error| format!("{error:#}"));
            if ended.is_err() {
                node.kill9().map_err(|error| format!("{error:#}"))?;
            }
            ended.map(drop)
        })?;
        let said = group.nodes[2].said();
        let last = said.lines().last().unwrap_or_default();
        ensure!(last.contains("RaftTLSCertFile") && last.contains(reason), "{reason}: {last}");
    }

    // With the right one the group forms.
    authority.equip(&group.nodes[2], Wish::of(&[&hosts[2]]), &authority.pem)?;
    group.nodes[2].start()?;
    group.wait_healthy()?;
    group.done();
    Ok(())
}

#[test]
fn a_member_whose_certificate_ran_out_is_shut_out_by_a_signal_and_let_in_again_by_another() -> Result<()> {
    let authority = Authority::new("ours")?;
    let mut group = Group::prepare("outdated", &GroupPlan::new(3))?;
    equip_all(&group, &authority, &authority.pem)?;
    let short = group.nodes[2].raft.clone();
    let own = host(&group.nodes[2]).to_owned();
    let (signed, life) = (Instant::now(), Duration::from_secs(12));
    authority.equip(&group.nodes[2], Wish { life: Some(life), ..Wish::of(&[&own]) }, &authority.pem)?;
    group.start_all()?;
    group.lead_with(0)?;
    says(&group.nodes[2], &["the certificate between nodes expires soon"])?;
    until("its certificate is over", HEALTHY_WITHIN, || {
        if signed.elapsed() > life + Duration::from_secs(2) { Ok(()) } else { Err("still valid") }
    })?;
    ensure!(group.nodes[2].api.healthy(), "a date alone tears no group apart");
    // Once the others look at certificates again, it counts.
    for node in &mut group.nodes[..2] {
        node.signal(Signal::HUP)?;
    }
    let left = group.nodes[2].api.clone();
    until("it is shut out", HEALTHY_WITHIN, || if left.healthy() { Err("still in") } else { Ok(()) })?;
    says(&group.nodes[0], &[&short, "its certificate has expired"])?;
    says(&group.nodes[2], &["refuses this node's certificate: it has expired"])?;
    ensure!(group.nodes[0].api.leads() && group.nodes[1].api.healthy(), "the others go on");

    authority.equip(&group.nodes[2], Wish::of(&[&own]), &authority.pem)?;
    group.nodes[2].signal(Signal::HUP)?;
    group.wait_healthy()?;
    group.done();
    Ok(())
}

/// Sends some bytes to a node's raft port and reads until it closes.
fn send(address: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Closed on bytes that nobody read.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        other => _ = other?,
    }
    Ok(answer)
}

#[test]
fn without_certificates_the_raft_port_still_refuses_strangers() -> Result<()> {
    let mut group = Group::start("plain", &GroupPlan::new(3))?;
    let leader = group.leader()?;
    let node = &group.nodes[leader];
    for (bytes, reason) in [
        (&b"GET /api/raft-peers HTTP/1.1\r\nHost: x\r\n\r\n"[..], "GET"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "RaftTLSCertFile is empty"),
        (b"\x0a\x00\x00\x00 some other protocol \x00\x00", "closed a connection to the raft port"),
    ] {
        let answer = send(&node.raft, bytes)?;
        ensure!(answer.is_empty(), "{reason}: {answer:?}");
        says(node, &["closed a connection to the raft port", reason])?;
    }

    // A node of another group that lists ours: ours goes on, and the other says what is wrong.
    let mut stranger = Group::prepare("stranger", &GroupPlan::new(1))?;
    stranger.start_all()?;
    let ours = group.nodes[leader].raft.clone();
    let both = json!([stranger.nodes[0].raft, ours]);
    stranger.nodes[0].configure("RaftNodes", both)?;
    stranger.nodes[0].signal(Signal::HUP)?;
    says(&stranger.nodes[0], &[&ours, "another group"])?;
    group.wait_healthy()?;
    ensure!(group.leader()? == leader, "the same leads");
    stranger.done();
    group.done();
    Ok(())
}
