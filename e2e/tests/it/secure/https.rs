//! HTTPS of the API: who is let in by certificate, how followers reach the leader, what the client needs.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::group::{HEALTHY_WITHIN, HTTP_PORT};
use orchestrator_e2e::{Group, GroupPlan, repository, until};
use rustix::process::Signal;
use rustls::ClientConfig;
use serde_json::json;

use super::browser::{Page, get};
use super::pki::{Authority, Pair, Wish, host};

/// Port of HTTPS; probes stay plain on the harness's own port.
const HTTPS_PORT: u16 = 3443;

fn url(group: &Group, node: usize) -> String {
    format!("https://{}:{HTTPS_PORT}", host(&group.nodes[node]))
}

/// Gives every node a certificate of the unit `orc` for the API, and `trusted` as whom it believes.
fn equip(group: &Group, authority: &Authority, trusted: &str) -> Result<()> {
    for (n, node) in group.nodes.iter().enumerate() {
        let hosts = [host(node)];
        let pair = authority.sign(Wish { unit: "orc", ..Wish::of(&hosts) })?;
        let (certificate, key) = pair.write(node.folder(), "api")?;
        let ca = node.folder().join("api-ca.crt");
        std::fs::write(&ca, trusted)?;
        for (name, path) in [("SSLCertFile", &certificate), ("SSLPrivateKeyFile", &key), ("SSLCAFile", &ca)] {
            node.configure(name, path.display().to_string())?;
        }
        node.configure("ListenAddress", format!("{}:{HTTPS_PORT}", host(node)))?;
        node.configure("ProbeListenAddress", format!("{}:{HTTP_PORT}", host(node)))?;
        node.configure("HTTPAdvertise", url(group, n))?;
    }
    Ok(())
}

/// Switches recoveries `enabled` or `disabled` for the whole group and wants to hear that it was done.
fn switch(url: &str, tls: &Arc<ClientConfig>, state: &str) -> Result<()> {
    let route = if state == "enabled" { "enable-global-recoveries" } else { "disable-global-recoveries" };
    let page = get(&format!("{url}/api/{route}"), Some(tls), &[])?;
    ensure!(page.status == 200, "{page:?}");
    Ok(())
}

/// Waits until a node says that recoveries are in this state.
fn knows(url: &str, tls: &Arc<ClientConfig>, state: &str) -> Result<()> {
    until(&format!("{url} says {state}"), HEALTHY_WITHIN, || {
        let page = get(&format!("{url}/api/check-global-recoveries"), Some(tls), &[]);
        let page = page.map_err(|error| format!("{error:#}"))?;
        if page.text.contains(state) { Ok(()) } else { Err(page.text) }
    })
}

fn refused(page: &Page) -> Result<()> {
    ensure!(page.status == 401 && page.text.contains("Invalid OU"), "{page:?}");
    Ok(())
}

#[test]
fn units_are_let_in_followers_show_theirs_to_the_leader_and_authorities_change_without_a_restart()
-> Result<()> {
    let (old, new) = (Authority::new("old")?, Authority::new("new")?);
    let plan = GroupPlan::new(3).set("UseSSL", true).set("UseMutualTLS", true);
    let mut group = Group::prepare("https", &plan.set("SSLValidOUs", json!(["dba", "orc"])))?;
    equip(&group, &old, &old.pem)?;
    group.start_all()?;
    let leader = group.leader()?;
    let (leads, follows) = (url(&group, leader), url(&group, (leader + 1) % 3));

    let of_unit = |authority: &Authority, unit| authority.sign(Wish { unit, ..Wish::of(&["people"]) });
    let (dba, web, foreign) = (of_unit(&old, "dba")?, of_unit(&old, "web")?, of_unit(&new, "dba")?);
    let (as_dba, as_web) = (old.client(Some(&dba))?, old.client(Some(&web))?);
    for url in [&leads, &follows] {
        let clusters = format!("{url}/api/clusters");
        ensure!(get(&clusters, Some(&as_dba), &[])?.status == 200, "{url}");
        refused(&get(&clusters, Some(&as_web), &[])?)?;
        refused(&get(&clusters, Some(&old.client(None)?), &[])?)?;
        let error = get(&clusters, Some(&old.client(Some(&foreign))?), &[]).expect_err("not believed");
        ensure!(format!("{error:#}").contains("UnknownCA"), "{error:#}");
        let error = get(&clusters, Some(&new.client(None)?), &[]).expect_err("not believed");
        ensure!(format!("{error:#}").contains("UnknownIssuer"), "{error:#}");
        let health = get(&format!("{url}/api/raft-health"), Some(&old.client(None)?), &[])?;
        ensure!(health.status == 200, "probes need no certificate: {health:?}");
    }
    switch(&follows, &as_dba, "disabled")?;
    for node in 0..3 {
        knows(&url(&group, node), &as_dba, "disabled")?;
    }

    // Another authority: first all believe both, then all show the new one, then the old one goes.
    let both = format!("{}{}", old.pem, new.pem);
    let pids: Vec<u32> = group.nodes.iter_mut().map(orchestrator_e2e::Node::pid).collect::<Result<_>>()?;
    for (n, (signer, trusted)) in [(&old, &both), (&new, &both), (&new, &new.pem)].into_iter().enumerate() {
        equip(&group, signer, trusted)?;
        reload(&mut group, n + 1)?;
    }
    let as_new = new.client(Some(&foreign))?;
    switch(&follows, &as_new, "enabled")?;
    knows(&leads, &as_new, "enabled")?;
    let error = get(&format!("{leads}/api/clusters"), Some(&as_dba), &[]).expect_err("no longer believed");
    ensure!(format!("{error:#}").contains("UnknownIssuer"), "{error:#}");
    let now: Vec<u32> = group.nodes.iter_mut().map(orchestrator_e2e::Node::pid).collect::<Result<_>>()?;
    ensure!(now == pids, "nobody was restarted");
    group.done();
    Ok(())
}

/// Has all nodes read their files for the `nth` time and waits until they have.
fn reload(group: &mut Group, nth: usize) -> Result<()> {
    for node in &mut group.nodes {
        node.signal(Signal::HUP)?;
    }
    until("all read their files again", HEALTHY_WITHIN, || {
        let count = |text: String| text.matches("INFO TLS files read again").count();
        let seen: Vec<usize> = group.nodes.iter().map(|node| count(node.said())).collect();
        if seen.iter().all(|&count| count == nth) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
}

/// Runs the client with these options; its exit code, and what it printed on both streams.
fn client(api: &str, options: &[&str]) -> Result<(i32, String, String)> {
    let path = repository().join("target/debug/orchestrator-client");
    let done = Command::new(&path)
        .args(options)
        .env("ORCHESTRATOR_API", api)
        .output()
        .with_context(|| format!("{}; build it: cargo build -p orchestrator-client", path.display()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Ok((done.status.code().unwrap_or(-1), text(&done.stdout), text(&done.stderr)))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn the_client_speaks_https_with_an_authority_and_a_certificate_of_its_own() -> Result<()> {
    let authority = Authority::new("ours")?;
    let plan = GroupPlan::new(3).set("UseSSL", true).set("UseMutualTLS", true);
    let mut group = Group::prepare("client", &plan.set("SSLValidOUs", json!(["dba", "orc"])))?;
    equip(&group, &authority, &authority.pem)?;
    group.start_all()?;
    group.leader()?;

    let folder = group.nodes[0].folder().to_owned();
    let dba: Pair = authority.sign(Wish { unit: "dba", ..Wish::of(&["ann"]) })?;
    let (certificate, key) = dba.write(&folder, "ann")?;
    let (ca, certificate, key) = (shown(&folder.join("api-ca.crt")), shown(&certificate), shown(&key));
    let all: Vec<String> = (0..3).map(|node| url(&group, node)).collect();
    let downtime = ["-c", "begin-downtime", "-i", "db1:3306", "-o", "ann", "-r", "disks", "-u", "1h"];
    let files = ["--cacert", &ca, "--cert", &certificate, "--key", &key];
    // One by one, and as a list in which it finds the leader.
    for api in all.iter().cloned().chain([all.join(" ")]) {
        let said = client(&api, &[&downtime[..], &files].concat())?;
        ensure!(said == (0, "db1:3306".into(), String::new()), "{api}: {said:?}");
    }
    let ask = ["-c", "raft-health"];
    for (options, wanted) in [
        (vec!["--cacert", &ca], "Invalid OU"),
        (vec![], "invalid peer certificate"),
        (vec!["--cacert", &key], "--cacert"),
        (vec!["--cacert", &ca, "--cert", &certificate, "--key", &ca], "--key"),
        (vec!["--cacert", &ca, "--key", &key], "--cert and --key belong together"),
    ] {
        let clusters = ["-c", "clusters"];
        let (code, out, err) = client(&all[0], &[&clusters[..], &options].concat())?;
        ensure!(code == 1 && out.is_empty() && err.contains(wanted), "{options:?}: {code} {out} {err}");
    }
    let (code, out, err) = client(&all[0], &[&ask[..], &["--cacert", &ca]].concat())?;
    ensure!((code, out.as_str()) == (0, "healthy"), "probes need no certificate: {err}");
    group.done();
    Ok(())
}
