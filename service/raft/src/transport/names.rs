//! Where names lead: asked anew for each connection, and remembered for the time in which nobody answers for names.
//!
//! A machine that is lost may have been the one that answered, and the others must be able to elect, also those that
//! never had a connection to each other. Whoever answers at a remembered address has to prove all the same that it is
//! the node that is wanted.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::local::lock;

/// Resolving a name gets this long; a resolver that hangs is as bad as one that does not know.
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);
/// Addresses of one name that are remembered.
const REMEMBERED: usize = 4;

/// Who knows where names lead.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of `name` (`host:port`), best first. Blocks for as long as it takes; has a thread of its own.
    ///
    /// # Errors
    /// What the resolver says, which may be that there is no such name.
    fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver.
struct System;

impl Resolver for System {
    fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        name.to_socket_addrs().map(Iterator::collect)
    }
}

/// What came of a question; cloned for everybody who waits for it.
type Answer = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

#[derive(Default)]
struct Name {
    addresses: Vec<SocketAddr>,
    /// A question that is under way. There is never a second one: the system gives a thread to each, for as long as its
    /// resolver is silent.
    asked: Option<watch::Receiver<Option<Answer>>>,
}

/// Names and where they lead; clones share it.
#[derive(Clone)]
pub(super) struct Names {
    resolver: Arc<dyn Resolver>,
    names: Arc<Mutex<HashMap<String, Name>>>,
}

impl Default for Names {
    fn default() -> Self {
        Self::of(Arc::new(System))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    pub(super) fn of(resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, names: Arc::default() }
    }

    /// Where `name` leads now.
    pub(super) async fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        let mut asked = self.ask(name)?;
        let answered = tokio::time::timeout(RESOLVE_LIMIT, asked.wait_for(Option::is_some)).await;
        let answer = match answered {
            Ok(Ok(answer)) => answer.clone(),
            Ok(Err(_)) => None,
            Err(_) => return Err(super::dial::timed_out("resolving the name")),
        };
        let answer =
            answer.unwrap_or_else(|| Err((io::ErrorKind::Other, "the resolver fell over".to_owned())));
        answer.map_err(|(kind, text)| io::Error::new(kind, text))
    }

    /// The question that is under way, or a new one.
    fn ask(&self, name: &str) -> io::Result<watch::Receiver<Option<Answer>>> {
        let mut names = lock(&self.names);
        let asked = names.get(name).and_then(|name| name.asked.clone());
        if let Some(asked) = asked.filter(|asked| asked.has_changed().is_ok()) {
            return Ok(asked);
        }
        let (answer, asked) = watch::channel(None);
        let (this, wanted) = (self.clone(), name.to_owned());
        std::thread::Builder::new().name("resolve".into()).spawn(move || {
            let found = this.resolver.resolve(&wanted);
            this.answered(&wanted);
            answer.send_replace(Some(found.map_err(|error| (error.kind(), error.to_string()))));
        })?;
        names.entry(name.to_owned()).or_default().asked = Some(asked.clone());
        Ok(asked)
    }

    fn answered(&self, name: &str) {
        let mut names = lock(&self.names);
        let Some(known) = names.get_mut(name) else { return };
        known.asked = None;
        // Whoever is no peer leaves nothing behind.
        if known.addresses.is_empty() {
            names.remove(name);
        }
    }

    /// Where `name` led before, best first.
    pub(super) fn known(&self, name: &str) -> Vec<SocketAddr> {
        lock(&self.names).get(name).map(|name| name.addresses.clone()).unwrap_or_default()
    }

    /// A connection to `address` was made for `name`.
    pub(super) fn led(&self, name: String, address: SocketAddr) {
        let mut names = lock(&self.names);
        let known = &mut names.entry(name).or_default().addresses;
        known.retain(|other| *other != address);
        known.insert(0, address);
        known.truncate(REMEMBERED);
    }

    /// Looks `name` up for the time when that is not possible. What was known stays known behind what is said now.
    pub(super) async fn look_up(&self, name: &str) {
        // Where there is no answer, there is nothing to remember.
        let Ok(found) = self.resolve(name).await else { return };
        let mut names = lock(&self.names);
        let known = &mut names.entry(name.to_owned()).or_default().addresses;
        // Of several that are right, the one that took a connection comes first.
        let (mut now, before): (Vec<_>, Vec<_>) =
            known.iter().copied().partition(|address| found.contains(address));
        now.extend(found.iter().copied().filter(|address| !known.contains(address)));
        now.extend(before);
        now.truncate(REMEMBERED);
        *known = now;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const NAME: &str = "node.test:7";

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 7))
    }

    /// Says what the test says next, and is silent until then.
    struct Told(Mutex<mpsc::Receiver<Vec<SocketAddr>>>);

    impl Resolver for Told {
        fn resolve(&self, _: &str) -> io::Result<Vec<SocketAddr>> {
            let told = self.0.lock().expect("one question at a time").recv();
            told.map_err(|_| io::ErrorKind::NotFound.into())
        }
    }

    fn names() -> (Names, mpsc::SyncSender<Vec<SocketAddr>>) {
        let (tell, told) = mpsc::sync_channel(1);
        (Names::of(Arc::new(Told(Mutex::new(told)))), tell)
    }

    #[tokio::test]
    async fn many_who_ask_for_a_name_ask_the_resolver_once() {
        let (names, tell) = names();
        let both = async { tokio::join!(names.resolve(NAME), names.resolve(NAME)) };
        let answer = async {
            tokio::task::yield_now().await;
            tell.send(vec![address(1)]).expect("it is asked");
        };
        let ((one, other), ()) = tokio::join!(both, answer);
        assert_eq!((one.expect("told"), other.expect("told")), (vec![address(1)], vec![address(1)]));
        assert!(lock(&names.names).is_empty(), "a name that nobody connected to is not kept");
    }

    #[tokio::test]
    async fn a_silent_resolver_is_waited_for_for_a_while_and_its_late_answer_serves_the_next() {
        let (names, tell) = names();
        let begun = tokio::time::Instant::now();
        let error = names.resolve(NAME).await.expect_err("it is silent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < RESOLVE_LIMIT * 2);
        let late = async {
            tokio::task::yield_now().await;
            tell.send(vec![address(1)]).expect("it is still asked");
        };
        let (again, ()) = tokio::join!(names.resolve(NAME), late);
        assert_eq!(again.expect("the same question"), [address(1)]);
    }

    #[tokio::test]
    async fn what_was_looked_up_is_known_and_where_a_connection_was_made_comes_first() {
        let (names, tell) = names();
        tell.send(vec![address(1), address(2)]).expect("it listens");
        names.look_up(NAME).await;
        assert_eq!(names.known(NAME), [address(1), address(2)]);
        names.led(NAME.into(), address(2));
        tell.send(vec![address(1), address(2)]).expect("it listens");
        names.look_up(NAME).await;
        assert_eq!(names.known(NAME), [address(2), address(1)]);
        tell.send(vec![address(3)]).expect("it listens");
        names.look_up(NAME).await;
        assert_eq!(names.known(NAME), [address(3), address(2), address(1)], "what is said now comes first");
        drop(tell);
        names.look_up(NAME).await;
        assert_eq!(names.known(NAME).first(), Some(&address(3)), "no answer takes nothing back");
    }

    #[tokio::test]
    async fn an_address_is_not_asked_for() {
        let (names, _silent) = names();
        assert_eq!(names.resolve("192.0.2.1:7").await.expect("it is one"), [address(1)]);
        assert_eq!(names.resolve("[2001:db8::1]:7").await.expect("it is one").len(), 1);
    }
}
