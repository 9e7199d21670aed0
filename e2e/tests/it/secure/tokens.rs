//! Access tokens: made by the operator, redeemed in a browser, good on every node, kept as digests.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use orchestrator_e2e::group::HEALTHY_WITHIN;
use orchestrator_e2e::{Group, GroupPlan, server_binary, until};
use serde_json::json;

use super::browser::{Page, get};

/// The operator's.
const OPERATOR: &str = "operator-secret";

fn begin_downtime(group: &Group, node: usize, cookie: &str) -> Result<Page> {
    let url = format!("{}/api/begin-downtime/db1/3306/me/test/1h", group.nodes[node].api.base);
    get(&url, None, &[("cookie", cookie)])
}

fn may_not(page: &Page) -> Result<()> {
    ensure!(page.status == 500 && page.message() == "Unauthorized", "{page:?}");
    Ok(())
}

/// Has a token made through this node; where to redeem it.
fn issue(group: &Group, node: usize) -> Result<String> {
    let api = &group.nodes[node].api;
    let answer = api.post("operator/access-token", Some(OPERATOR), &json!({"Owner": "ann"}))?.raw()?;
    let path = answer["Path"].as_str().unwrap_or_default();
    ensure!(path.starts_with("/web/access-token?publicToken="), "{answer}");
    Ok(path.to_owned())
}

fn redeem(group: &Group, node: usize, path: &str) -> Result<Page> {
    get(&format!("{}{path}", group.nodes[node].api.base), None, &[])
}

/// The cookie that a redeemed token set.
fn cookie(page: &Page) -> Result<String> {
    ensure!((page.status, page.header("location")) == (302, "/"), "{page:?}");
    let cookie = page.header("set-cookie").split(';').next().unwrap_or_default();
    ensure!(cookie.starts_with("access-token="), "{page:?}");
    Ok(cookie.to_owned())
}

/// What the service's own binary prints when it is run with the configuration of a node.
fn on_the_command_line(group: &Group, node: usize, options: &[&str]) -> Result<String> {
    let config = group.nodes[node].folder().join("orchestrator.conf.json");
    let done = Command::new(server_binary()?).arg("-config").arg(config).args(options).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?.trim_end().to_owned())
}

/// Files of a node that hold this text.
fn holding(folder: &Path, text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(holding(&path, text)?);
        } else if std::fs::read(&path)?.windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

#[test]
fn a_token_lets_its_holder_act_through_every_node_and_outlives_leaders_and_restarts() -> Result<()> {
    let plan = GroupPlan::new(3).set("AuthenticationMethod", "token");
    let mut group = Group::prepare("token", &plan)?;
    for node in &group.nodes {
        let file = node.folder().join("operator.token");
        std::fs::write(&file, format!("{OPERATOR}\n"))?;
        node.configure("OperatorTokenFile", file.display().to_string())?;
    }
    group.start_all()?;
    let leader = group.leader()?;
    let (one, other) = ((leader + 1) % 3, (leader + 2) % 3);

    for node in 0..3 {
        may_not(&begin_downtime(&group, node, "")?)?;
        ensure!(group.nodes[node].api.get("clusters")?.status == 200, "reads need nothing");
    }
    let refused = group.nodes[one].api.post("operator/access-token", Some("wrong"), &json!({}))?;
    ensure!(refused.status == 403, "{refused:?}");

    let path = issue(&group, one)?;
    let cookie = cookie(&redeem(&group, other, &path)?)?;
    let again = redeem(&group, one, &path)?;
    ensure!(again.message().starts_with("Cannot acquire token "), "once: {again:?}");
    for node in 0..3 {
        let page = begin_downtime(&group, node, &cookie)?;
        ensure!(page.status == 200, "{page:?}");
        may_not(&begin_downtime(&group, node, &format!("{cookie}0"))?)?;
        may_not(&begin_downtime(&group, node, "access-token=p:s")?)?;
    }
    let (_, secret) = cookie.rsplit_once(':').unwrap_or_default();
    ensure!(secret.len() == 64, "{cookie}");
    for node in &group.nodes {
        let found = holding(node.folder(), secret)?;
        ensure!(found.is_empty(), "the secret is in {found:?}");
    }

    // Made on the command line, on a machine of the group.
    let public = on_the_command_line(&group, one, &["-c", "access-token", "-owner", "bob"])?;
    let page = redeem(&group, other, &format!("/web/access-token?publicToken={public}"))?;
    ensure!(page.status == 302, "{page:?}");

    // The next leader knows it, and so does a group that was down.
    group.nodes[leader].kill9()?;
    acts(&group, one, &cookie)?;
    for node in [one, other] {
        group.nodes[node].kill9()?;
    }
    group.start_all()?;
    acts(&group, leader, &cookie)?;
    group.done();
    Ok(())
}

/// Waits until the holder may act through this node; in between there may be no leader.
fn acts(group: &Group, node: usize, cookie: &str) -> Result<()> {
    until("the token counts", HEALTHY_WITHIN, || {
        let page = begin_downtime(group, node, cookie).map_err(|error| format!("{error:#}"))?;
        if page.status == 200 { Ok(()) } else { Err(format!("{page:?}")) }
    })
}
