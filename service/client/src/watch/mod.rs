//! `raft-watch`: all members of a raft group side by side, a row for each thing that happens, until Ctrl-C.

mod labels;
mod picture;
mod table;
mod told;
mod words;

use std::io;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use self::picture::{Picture, Question};
use self::told::Told;
use crate::endpoint::redacted;
use crate::failure::{Failure, chain};
use crate::invocation::Screen;
use crate::options::Variable;
use crate::session::understand;
use crate::settings::Settings;
use crate::transport::{self, Credentials, Limits};

/// Each node is asked so often: one that ends in order leads no more some 100 ms before it is gone. A question costs it
/// a tenth of a millisecond.
const ASK_EVERY: Duration = Duration::from_millis(80);
/// Rows are looked for so often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where rows go; an error ends the watch.
pub(crate) type Print<'p> = &'p mut dyn FnMut(&[String]) -> io::Result<()>;

/// Watches until Ctrl-C, a closed pipe, or the end of the time that `-u` gives; `-u 0s` prints what the nodes remember.
///
/// # Errors
/// The time cannot be read, nobody ever answered, or rows cannot be written.
pub(crate) async fn run(
    settings: &Settings,
    limits: &Limits,
    screen: Screen,
    print: Print<'_>,
) -> Result<(), Failure> {
    let time = duration(settings.explicit(Variable::Duration))?;
    let mut picture = Picture::new(&settings.endpoints, screen, time != Some(Duration::ZERO));
    let written = watch(&mut picture, (&settings.credentials, limits), time, print).await;
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        return written.map_err(|error| Failure::plain(format!("Cannot write the result: {error}")));
    }
    let silences = picture.silences();
    if silences.is_empty() {
        return Ok(());
    }
    Err(Failure::Client {
        text: format!("Cannot access orchestrator at {}", redacted(&settings.api)),
        reasons: silences,
    })
}

async fn watch(
    picture: &mut Picture,
    (credentials, limits): (&Credentials, &Limits),
    time: Option<Duration>,
    print: Print<'_>,
) -> io::Result<()> {
    let mut asked = JoinSet::new();
    let ask = |asked: &mut JoinSet<_>, question: Question, pause| {
        asked.spawn(question_to(question, pause, credentials.clone(), limits.clone()));
    };
    let mut under_way: Vec<usize> = Vec::new();
    let end = time.and_then(|time| Instant::now().checked_add(time));
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        for id in picture.unasked().into_iter().filter(|id| !under_way.contains(id)).collect::<Vec<_>>() {
            under_way.push(id);
            picture.question(id).into_iter().for_each(|question| ask(&mut asked, question, Duration::ZERO));
        }
        // Everybody has had a turn before the end, also of no time at all.
        if picture.unasked().is_empty() && end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        tokio::select! {
            biased;
            _ = &mut interrupted => break,
            Some(done) = asked.join_next() => {
                let (id, answer) = done.expect("asking does not panic and is not cancelled");
                picture.heard(id, now_micros(), answer);
                picture.question(id).into_iter().for_each(|question| ask(&mut asked, question, ASK_EVERY));
            }
            _ = look.tick() => {
                let lines = picture.due(now_micros());
                if !lines.is_empty() {
                    print(&lines)?;
                }
            }
        }
    }
    print(&picture.last(now_micros()))
}

async fn question_to(
    question: Question,
    pause: Duration,
    credentials: Credentials,
    limits: Limits,
) -> (usize, Result<Told, String>) {
    sleep(pause).await;
    let Question { id, endpoint, since } = question;
    let path = format!("raft-events?since={since}");
    let asking = transport::get(&endpoint, &path, &credentials, &limits);
    let answer = match timeout(limits.leader_check, asking).await {
        Err(_) => Err(format!("silent for {:?}", limits.leader_check)),
        Ok(Err(error)) => Err(chain(&error)),
        Ok(Ok(reply)) => understand(&endpoint, &path, reply)
            .and_then(|answer| answer.accepted())
            .map_err(|failure| in_short(&failure))
            .and_then(|answer| {
                serde_json::from_value(answer.body).map_err(|error| format!("not understood: {error}"))
            }),
    };
    (id, answer.map_err(|reason| words::plain(&reason)))
}

/// The reason rather than the sentence around it, which names the server once more.
fn in_short(failure: &Failure) -> String {
    match failure {
        Failure::Client { text, reasons } => reasons.first().unwrap_or(text).clone(),
        other => other.to_string(),
    }
}

/// `30s`, `5m`, `2h`, a bare `0`; `None` if nothing was given.
fn duration(text: &str) -> Result<Option<Duration>, Failure> {
    let invalid = || Failure::plain(format!("Invalid duration: {text}"));
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let count: u64 = digits.parse().map_err(|_| invalid())?;
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        "" if count == 0 => 1,
        _ => return Err(invalid()),
    };
    count.checked_mul(unit).map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(invalid)
}

fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_watch_has_a_unit() {
        let seconds = |text: &str| duration(text).map(|time| time.map(|time| time.as_secs())).ok();
        let cases = [("", Some(None)), ("0", Some(Some(0))), ("0s", Some(Some(0))), ("5m", Some(Some(300)))];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for text in ["5", "m", "5 m", "-1s", "99999999999999999999s", "9999999999999999w"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
