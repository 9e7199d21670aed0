//! Keeps one instance under watch: the loop behind [`crate::Watch`].
//!
//! The held connection always has a short `SLEEP` in flight, so that the loop is reading when the socket
//! breaks: a killed process is seen at once, not at the next question. A second connection lies in reserve
//! for a fence, since the first is busy by design.

use std::{pin::pin, sync::Arc, time::Duration};

use mysql_async::Row;
use orchestrator_core::{
    InstanceKey,
    grace::Departure,
    observation::{Failure, FailureKind},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    cells::Cells,
    contract::{Pace, Probe as _},
    failure::failure,
    fleet::{Fleet, Slot, now},
    reader::learn,
    session::{QueryError, Session},
    watch::{PULSE_SLACK, WatchEvent},
};

/// First pause after a failed attempt to connect again; doubled by each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause: within this time a server that is back is watched again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A server that refuses a new connection because it stops ends the held one within 50 ms, and this is how long
/// that is waited for before the held one is closed from here.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// The reserve idles for as long as it is watched; MySQL's largest `wait_timeout`, a year.
const KEEP_RESERVE: &str = "SET SESSION wait_timeout = 31536000";

/// The reader of the events is gone: nobody wants to know.
struct Unwanted;

/// What one pulse said.
struct Beat {
    read_only: Option<bool>,
    /// It came back before its time: killed, or the server is on its way down.
    early: bool,
}

/// How a held connection ended.
struct End {
    failure: Failure,
    departure: Departure,
}

impl End {
    fn abrupt(failure: Failure) -> Self {
        Self { failure, departure: Departure::Abrupt }
    }

    fn in_order(failure: Failure) -> Self {
        Self { failure, departure: Departure::InOrder }
    }
}

/// Watches until nobody listens.
pub(crate) async fn keep_watching(
    fleet: Fleet,
    key: InstanceKey,
    pace: Pace,
    events: mpsc::Sender<WatchEvent>,
) {
    let mut pause = FIRST_PAUSE;
    let mut lost = false;
    loop {
        let connected_by = Instant::now() + fleet.config().settings.connect_timeout;
        let end = match fleet.connect(&key, connected_by).await {
            Ok(session) => {
                if lost && events.send(WatchEvent::Back).await.is_err() {
                    return;
                }
                // Once more without a pause: a break is followed at once by what a new connection meets.
                pause = Duration::ZERO;
                let slot = fleet.slot(&key);
                lay_in_reserve(&fleet, &key, &slot).await;
                let watching = Watching { fleet: &fleet, key: &key, slot, pace, events: &events };
                match watching.pulse(session).await {
                    Ok(end) => end,
                    Err(Unwanted) => return,
                }
            }
            Err(failure) => End::abrupt(failure),
        };
        lost = true;
        let End { failure, departure } = end;
        if events.send(WatchEvent::Lost { failure, departure }).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            () = events.closed() => return,
            () = sleep(pause) => {}
        }
        pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    }
}

/// Failing to is no news: the watch itself tells of the server.
async fn lay_in_reserve(fleet: &Fleet, key: &InstanceKey, slot: &Slot) {
    drop(slot.take_reserve());
    let deadline = Instant::now() + fleet.config().settings.connect_timeout;
    let Ok(mut session) = fleet.connect(key, deadline).await else { return };
    if learn(&mut session, slot, deadline).await.is_ok() && session.run(KEEP_RESERVE, deadline).await.is_ok()
    {
        slot.keep_reserve(session);
    }
}

struct Watching<'a> {
    fleet: &'a Fleet,
    key: &'a InstanceKey,
    slot: Arc<Slot>,
    pace: Pace,
    events: &'a mpsc::Sender<WatchEvent>,
}

impl Watching<'_> {
    /// Pulse after pulse, until the connection is lost.
    async fn pulse(&self, mut session: Session) -> Result<End, Unwanted> {
        let sql =
            format!("SELECT SLEEP({:.3}) AS slept, @@read_only AS read_only", self.pace.pulse.as_secs_f64());
        let mut last_sign = Instant::now();
        loop {
            let began = Instant::now();
            let beat = match self.one_pulse(&mut session, &sql, last_sign).await? {
                Ok(beat) => beat,
                Err(end) if session.had_last_words() && self.is_going().await.is_some() => {
                    return Ok(End::in_order(end.failure));
                }
                Err(end) => return Ok(end),
            };
            last_sign = Instant::now();
            self.tell(WatchEvent::Pulse { at: now(), read_only: beat.read_only }).await?;
            if beat.early {
                if let Some(failure) = self.is_going().await {
                    return Ok(End::in_order(failure));
                }
                // A server whose SLEEP does not sleep is not asked without a break.
                sleep_until(began + self.pace.pulse).await;
            }
        }
    }

    /// One pulse, telling when it is overdue. The outer error ends the watch, the inner one the connection.
    async fn one_pulse(
        &self,
        session: &mut Session,
        sql: &str,
        last_sign: Instant,
    ) -> Result<Result<Beat, End>, Unwanted> {
        let began = Instant::now();
        let mut overdue_at = last_sign + self.pace.deadline.max(self.pace.pulse + PULSE_SLACK);
        let (mut overdue, mut refused) = (false, false);
        let result = {
            let mut answer = pin!(session.wait(sql));
            loop {
                tokio::select! {
                    biased;
                    () = self.events.closed() => return Err(Unwanted),
                    () = self.slot.is_going() => {
                        refused = true;
                        match timeout(LAST_WORDS, &mut answer).await {
                            Ok(result) => break result,
                            Err(_) => return Ok(Err(End::abrupt(going()))),
                        }
                    }
                    result = &mut answer => break result,
                    () = sleep_until(overdue_at) => {
                        overdue = true;
                        overdue_at = Instant::now() + self.pace.pulse;
                        self.tell(WatchEvent::Overdue { silent_for: last_sign.elapsed() }).await?;
                    }
                }
            }
        };
        let beat = match result {
            Ok(row) => self.beat(row.as_ref(), began.elapsed()),
            // KILL QUERY on MariaDB, or a limit on statement time: the server lives.
            Err(QueryError::Server(_)) => Beat { read_only: None, early: true },
            Err(QueryError::Failure(failure)) => return Ok(Err(End::abrupt(failure))),
        };
        if refused {
            return Ok(Err(if beat.early { End::in_order(going()) } else { End::abrupt(going()) }));
        }
        if overdue {
            self.tell(WatchEvent::Back).await?;
        }
        Ok(Ok(beat))
    }

    /// What the row says. `slept` is 1 when the server woke the statement up, as MySQL does when it stops;
    /// one that takes half of its time or less was never asleep.
    fn beat(&self, row: Option<&Row>, took: Duration) -> Beat {
        let cells = row.map(Cells::new);
        let woken = cells.as_ref().and_then(|cells| cells.truth(&["slept"])).unwrap_or(false);
        let read_only = cells.as_ref().and_then(|cells| cells.truth(&["read_only"]));
        Beat { read_only, early: woken || took < self.pace.pulse / 2 }
    }

    /// Whether new connections are refused while this one still lived: a planned stop of MySQL, which the
    /// held connection would delay by seconds.
    async fn is_going(&self) -> Option<Failure> {
        let touched = self.fleet.touch_fresh(self.key, self.fleet.config().settings.connect_timeout).await;
        touched.err().filter(|failure| matches!(failure.kind, FailureKind::Refused | FailureKind::Broken))
    }

    async fn tell(&self, event: WatchEvent) -> Result<(), Unwanted> {
        self.events.send(event).await.map_err(|_| Unwanted)
    }
}

fn going() -> Failure {
    failure(FailureKind::Refused, "a new connection was refused while a held one still lived")
}

impl Drop for Watching<'_> {
    /// The reserve serves the watch, and goes with it.
    fn drop(&mut self) {
        drop(self.slot.take_reserve());
    }
}
