//! `docs/kubernetes.md`, done as it says on the cluster that `KUBECONFIG` names: every command given, and what is
//! printed compared with what the page shows.
//!
//! Not a part of `make test`: it needs a cluster whose nodes have the images, on which nothing of ours is installed, and
//! takes away what it makes. `cargo test -p orchestrator-e2e --test k8s-page`. How blocks are marked is told in
//! `tests/docs/page.rs`; here all of them run on this machine, in the folder of the sources. `DOCS_SHOW=1` shows all
//! that is printed.

#[path = "../docs/page.rs"]
#[allow(dead_code, reason = "pages on machines use more of it")]
mod page;
#[path = "../k8s-files/tools.rs"]
#[allow(dead_code, reason = "other binaries use more of it")]
mod tools;

use std::{
    env,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use orchestrator_e2e::repository;

use page::{Deed, Page, Step, matches};

/// Pause between two tries of a block that is repeated.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Longest run of one block; what waits in it has a shorter limit of its own.
const BLOCK_WITHIN: &str = "900";
/// What the page leaves: objects, volumes, and the operator when a block before its removal failed.
const CLEAR: &str = "
kubectl patch orc main --type=merge --patch '{\"spec\": {\"deletionProtection\": false}}'
kubectl delete orc main --ignore-not-found
kubectl delete secret main-topology --ignore-not-found
kubectl wait pod --selector orchestrator.rs/cluster=main --for=delete --timeout=2m
kubectl delete pvc --selector orchestrator.rs/cluster=main
helm uninstall orchestrator-operator --namespace orchestrator-system --ignore-not-found --wait
";

/// Runs a script where a reader sits: in the sources, with kubectl and helm at hand.
fn run(script: &str) -> Result<(bool, String)> {
    let programs = [tools::kubectl()?, tools::helm()?];
    let folders = programs.iter().filter_map(|program| program.parent()).map(Path::to_owned);
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(folders.chain(env::split_paths(&path)))?;
    let output = Command::new("timeout")
        .args([BLOCK_WITHIN, "sh", "-ec", &format!("exec 2>&1\n{script}")])
        .env("PATH", path)
        .current_dir(repository())
        .output()
        .context("sh")?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn judge(step: &Step, good: bool, printed: &str) -> Result<()> {
    ensure!(good != step.fails, "it ended {}:\n{printed}", if good { "well" } else { "badly" });
    if let Some(shown) = step.shows.as_ref().filter(|shown| !matches(shown, printed)) {
        bail!("the page shows\n{shown}and it printed\n{printed}");
    }
    Ok(())
}

fn perform(step: &Step) -> Result<()> {
    ensure!(step.deed == Deed::Shell, "nobody does this on a cluster: {:?}", step.deed);
    let began = Instant::now();
    loop {
        let (good, printed) = run(&step.text)?;
        match judge(step, good, &printed) {
            Ok(()) => {
                if env::var_os("DOCS_SHOW").is_some() {
                    eprintln!("$ {}{printed}", step.text);
                }
                return Ok(());
            }
            Err(error) if step.until.is_none_or(|limit| began.elapsed() > limit) => return Err(error),
            Err(_) => thread::sleep(AGAIN_AFTER),
        }
    }
}

/// Everything is taken away again, also after a failure.
struct Cleared;

impl Drop for Cleared {
    fn drop(&mut self) {
        // Each line for itself: the first one that finds nothing must not end it.
        for line in CLEAR.trim().lines() {
            let _ = run(line);
        }
    }
}

#[test]
fn a_group_on_kubernetes_is_installed_scaled_mended_and_removed() -> Result<()> {
    // The cluster of somebody's daily work is no place for this.
    ensure!(env::var_os("KUBECONFIG").is_some(), "set KUBECONFIG to that of a cluster for tests");
    let page = Page::read(&tools::text("docs/kubernetes.md")?)?;
    let _cleared = Cleared;
    for step in &page.steps {
        let at = || format!("docs/kubernetes.md:{}:\n{}", step.line, step.text);
        if let Err(error) = perform(step) {
            let (_, seen) = run("kubectl get orc,pods,pvc; kubectl describe orc main | tail -60")?;
            return Err(error.context(format!("{}{seen}", at())));
        }
    }
    Ok(())
}
