//! Nobody answers for names any more, and the one who did was the leader.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};

use orchestrator_raft::{RaftNode, Resolver, TcpDialer, Wire};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::group::{Echo, Group, PATIENCE};
use crate::machine::DiskMachine;
use crate::partition::TcpAccept;

/// Answers for the names of a group until it falls silent.
#[derive(Default)]
struct Dns {
    names: BTreeMap<String, SocketAddr>,
    silent: Mutex<bool>,
    speaks: Condvar,
}

impl Dns {
    fn be_silent(&self, silent: bool) {
        *self.silent.lock().unwrap() = silent;
        self.speaks.notify_all();
    }
}

/// The resolver of one node, and for which names it got an answer.
struct Asks {
    dns: Arc<Dns>,
    answered: watch::Sender<BTreeSet<String>>,
}

impl Resolver for Asks {
    fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let silent = self.dns.silent.lock().unwrap();
        let silent = self.dns.speaks.wait_while(silent, |silent| *silent).unwrap();
        drop(silent);
        let address = self.dns.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        self.answered.send_modify(|names| {
            names.insert(name.to_owned());
        });
        Ok(vec![*address])
    }
}

/// Starts a node that asks `dns`, and knows nothing yet; answers for which names it got an answer.
async fn start(group: &mut Group, index: usize, dns: &Arc<Dns>) -> watch::Receiver<BTreeSet<String>> {
    let (answered, names) = watch::channel(BTreeSet::new());
    let resolver = Arc::new(Asks { dns: dns.clone(), answered });
    let acceptor = Box::new(TcpAccept::bind(group.places[index].address()).await.unwrap());
    let node = RaftNode::start_on(
        group.settings(index),
        group.policy,
        Box::new(DiskMachine(group.places[index].disk.clone())),
        Arc::new(Echo::default()),
        Wire { dialer: Arc::new(TcpDialer::resolving_by(resolver)), acceptor },
    );
    group.places[index].node = Some(node.await.unwrap());
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_that_never_met_elect_a_leader_although_nobody_answers_for_names() {
    let mut group = Group::of(3);
    let mut dns = Dns::default();
    for (n, place) in group.places.iter_mut().enumerate() {
        let name = format!("node-{n}.test:{}", 10_008 + n);
        let address = std::mem::replace(&mut place.name, name.clone());
        dns.names.insert(name, address.parse().unwrap());
        place.bind = Some(address);
    }
    let dns = Arc::new(dns);
    for index in 0..3 {
        start(&mut group, index, &dns).await;
    }
    group.everybody_healthy().await;
    let leader = group.leader().await;
    let followers: Vec<usize> = (0..3).filter(|index| *index != leader).collect();
    for &index in &followers {
        // While a group forms, all ask all. A follower of a running one only answers.
        group.kill(index).await;
        let mut answered = start(&mut group, index, &dns).await;
        group.everybody_healthy().await;
        let own = &group.places[index].name;
        let others = dns.names.keys().filter(|name| *name != own).cloned().collect();
        let both = timeout(PATIENCE, answered.wait_for(|names| names.is_superset(&others))).await.is_ok();
        assert!(both, "it looked for {:?} only", *answered.borrow());
    }
    dns.be_silent(true);
    let begun = tokio::time::Instant::now();
    group.kill(leader).await;
    group.leader_of(&followers).await;
    println!("elected without names after {} ms", begun.elapsed().as_millis());
    // Whoever still asks is let go.
    dns.be_silent(false);
}
