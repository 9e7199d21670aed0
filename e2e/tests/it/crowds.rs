//! Strangers at the raft port: many of them, silent, garrulous, or in the name of a member.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_e2e::{Group, GroupPlan, until};

/// More than a node serves at once.
const STRANGERS: usize = 300;

/// Strangers who connect to one port, say nothing, and come again when they are sent away.
struct Crowd {
    ends: Arc<AtomicBool>,
    inside: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    fn at(address: &str) -> Self {
        let (ends, inside) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, counted, address) = (ends.clone(), inside.clone(), address.to_owned());
        let thread = std::thread::spawn(move || {
            let mut crowd: Vec<TcpStream> = Vec::new();
            while !told.load(Ordering::Relaxed) {
                crowd.retain(is_open);
                while crowd.len() < STRANGERS {
                    let Ok(stream) = TcpStream::connect(&address) else { break };
                    if stream.set_nonblocking(true).is_ok() {
                        crowd.push(stream);
                    }
                }
                counted.store(crowd.len(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { ends, inside, thread: Some(thread) }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn is_open(stream: &TcpStream) -> bool {
    let mut byte = [0];
    matches!(stream.peek(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn a_crowd_at_the_raft_ports_keeps_no_member_out() -> Result<()> {
    let mut group = Group::start("crowd", &GroupPlan::new(3))?;
    let crowds: Vec<Crowd> = group.nodes.iter().map(|node| Crowd::at(&node.raft)).collect();
    until("the crowds are there", Duration::from_secs(20), || {
        let inside: Vec<usize> = crowds.iter().map(|crowd| crowd.inside.load(Ordering::Relaxed)).collect();
        if inside.iter().all(|count| *count > STRANGERS / 4) { Ok(()) } else { Err(format!("{inside:?}")) }
    })?;
    let first = group.leader()?;
    group.nodes[first].kill9()?;
    let second = group.leader()?;
    ensure!(first != second, "another leads");
    // Whoever comes back needs new connections in both directions.
    group.nodes[first].start()?;
    group.wait_healthy()?;
    drop(crowds);
    group.done();
    Ok(())
}
