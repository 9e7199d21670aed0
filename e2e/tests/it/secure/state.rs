//! The node's own database over TLS: verified, with a certificate of one's own where the account demands it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::{Flavor, Group, GroupPlan, Lab, Server, sql, until};
use serde_json::json;

use super::pki::{Authority, Wish, open_folder, servers};
use crate::support::SEEN_WITHIN;

const STATEMENT: Duration = Duration::from_secs(10);

/// A server that shows a certificate of `authority`, and an account that must show one as well.
fn server(flavor: Flavor, authority: &Authority, folder: &Path) -> Result<Lab> {
    let lab = servers(flavor, "a", authority, folder)?;
    let run = |sql: &str| sql::rows::<u64>(lab.server("a"), sql, STATEMENT).map(drop);
    run("CREATE USER 'orc'@'%' IDENTIFIED BY 'orc_password' REQUIRE X509")?;
    run("GRANT ALL ON orchestrator.* TO 'orc'@'%'")?;
    Ok(lab)
}

/// A node without a group whose state is on that server; the account's name and password are in a file.
fn node(server: &Server, authority: &Authority, folder: &Path) -> Result<Group> {
    let mut plan = GroupPlan::new(1).set("RaftEnabled", false).set("RaftNodes", json!([]));
    plan = plan.set("BackendDB", "mysql").set("MySQLOrchestratorHost", server.host.as_str());
    plan = plan.set("MySQLOrchestratorPort", server.port).set("MySQLOrchestratorDatabase", "orchestrator");
    let credentials = folder.join("orc.cnf");
    std::fs::write(&credentials, "[client]\nuser=orc\npassword=\"orc_password\"\n")?;
    plan = plan.set("MySQLOrchestratorCredentialsConfigFile", credentials.display().to_string());
    let (certificate, key) = authority.sign(Wish::of(&["orchestrator"]))?.write(folder, "node")?;
    plan = plan.set("MySQLOrchestratorUseMutualTLS", true);
    plan = plan.set("MySQLOrchestratorSSLCertFile", certificate.display().to_string());
    plan = plan.set("MySQLOrchestratorSSLPrivateKeyFile", key.display().to_string());
    plan = plan.set("MySQLOrchestratorSSLCAFile", folder.join("ca.crt").display().to_string());
    Group::prepare("sealed", &plan)
}

/// Starts the node and waits for its end; the last line of its log.
fn refuses(group: &mut Group) -> Result<String> {
    group.nodes[0].start()?;
    let ended = group.nodes[0].wait_end(SEEN_WITHIN)?;
    ensure!(ended.code() == Some(1), "{ended}");
    Ok(group.nodes[0].said().lines().last().unwrap_or_default().to_owned())
}

fn keeps_its_state_behind_tls(flavor: Flavor) -> Result<()> {
    let (authority, others, folder) = (Authority::new("ours")?, Authority::new("theirs")?, open_folder()?);
    let lab = server(flavor, &authority, folder.path())?;
    let mut group = node(lab.server("a"), &authority, folder.path())?;
    let own = |name: &str| folder.path().join(name).display().to_string();

    // An authority that did not sign the server's certificate, and files that are not what they should be.
    std::fs::write(folder.path().join("others.crt"), &others.pem)?;
    group.nodes[0].configure("MySQLOrchestratorSSLCAFile", own("others.crt"))?;
    let said = refuses(&mut group)?;
    ensure!(said.contains("certificate"), "{said}");
    for (wrong, reason) in [("nosuch.crt", "cannot be read"), ("orc.cnf", "holds no certificate in PEM")] {
        group.nodes[0].configure("MySQLOrchestratorSSLCAFile", own(wrong))?;
        let said = refuses(&mut group)?;
        ensure!(said.contains("MySQLOrchestratorSSLCAFile") && said.contains(reason), "{wrong}: {said}");
    }
    group.nodes[0].configure("MySQLOrchestratorSSLCAFile", own("ca.crt"))?;

    group.nodes[0].start()?;
    let api = group.nodes[0].api.clone();
    until("it leads", SEEN_WITHIN, || if api.leads() { Ok(()) } else { Err("not yet") })?;
    api.get("begin-downtime/db1/3306/me/test/1h")?.details()?;
    let kept: Vec<String> =
        sql::rows(lab.server("a"), "SELECT reason FROM orchestrator.database_instance_downtime", STATEMENT)?;
    ensure!(kept == ["test"], "{kept:?}");
    group.done();
    Ok(())
}

#[test]
fn a_node_keeps_its_state_behind_tls_on_mysql() -> Result<()> {
    keeps_its_state_behind_tls(Flavor::Mysql97)
}

#[test]
fn a_node_keeps_its_state_behind_tls_on_mariadb() -> Result<()> {
    keeps_its_state_behind_tls(Flavor::MariaDb1011)
}
