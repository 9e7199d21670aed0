//! Servers of the fleet whose account demands TLS and a certificate: watched where the files are right, and named
//! with the reason where they are not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::{Flavor, Group, GroupPlan, sql};

use super::pki::{Authority, Wish, open_folder, servers};
use super::says;
use crate::support::sees_all;

const STATEMENT: Duration = Duration::from_secs(10);

fn is_watched_over_tls(flavor: Flavor) -> Result<()> {
    let (authority, others, folder) = (Authority::new("ours")?, Authority::new("theirs")?, open_folder()?);
    let lab = servers(flavor, "a>b", &authority, folder.path())?;
    let mut plan = GroupPlan::for_lab(&lab)?;
    plan.size = 1;
    let user = plan.conf["MySQLTopologyUser"].as_str().context("the lab has an account")?.to_owned();
    // The replica hears of it by replication.
    sql::rows::<u64>(lab.server("a"), &format!("ALTER USER '{user}'@'%' REQUIRE X509"), STATEMENT)?;
    let (certificate, key) = authority.sign(Wish::of(&["orchestrator"]))?.write(folder.path(), "node")?;
    std::fs::write(folder.path().join("others.crt"), &others.pem)?;
    let own = |name: &str| folder.path().join(name).display().to_string();
    plan = plan.set("MySQLTopologyUseMutualTLS", true);
    plan = plan.set("MySQLTopologySSLCertFile", certificate.display().to_string());
    plan = plan.set("MySQLTopologySSLPrivateKeyFile", key.display().to_string());
    let mut group = Group::prepare("fleet", &plan)?;

    for (authority, reason) in [("nosuch.crt", "cannot be read"), ("others.crt", "certificate")] {
        group.nodes[0].configure("MySQLTopologySSLCAFile", own(authority))?;
        group.start_all()?;
        if authority == "nosuch.crt" {
            says(&group.nodes[0], &["MySQLTopologySSLCAFile", reason])?;
        }
        let refused = group.leader_api()?.get(&format!("discover/{}", lab.server("a").path()))?;
        ensure!(refused.status == 500, "{authority}: {refused:?}");
        group.nodes[0].terminate(STATEMENT)?;
    }
    group.nodes[0].configure("MySQLTopologySSLCAFile", own("ca.crt"))?;
    group.start_all()?;
    let api = group.leader_api()?;
    api.discover(lab.server("a"))?;
    sees_all(&api, &lab)?;
    group.done();
    Ok(())
}

#[test]
fn servers_that_demand_a_certificate_are_watched_on_mysql() -> Result<()> {
    is_watched_over_tls(Flavor::Mysql97)
}

#[test]
fn servers_that_demand_a_certificate_are_watched_on_mariadb() -> Result<()> {
    is_watched_over_tls(Flavor::MariaDb1011)
}
