//! What people declare about instances.

use std::time::Duration;

use orchestrator_core::instance::PromotionRule;

use crate::{
    call::Call,
    error::ApiError,
    ports::DowntimeWish,
    reply::{Outcome, ok_key},
    table::{Row, rows},
};

pub(super) const ROWS: &[Row] = rows![
    PA "begin-downtime/:host/:port/:owner/:reason" => begin,
    PA "begin-downtime/:host/:port/:owner/:reason/:duration" => begin,
    PA "end-downtime/:host/:port" => end,
    PA "register-candidate/:host/:port/:promotionRule" => register_candidate,
];

/// How long a downtime lasts when nobody says; the original's `MaintenanceExpireMinutes`.
const DEFAULT_DOWNTIME: Duration = Duration::from_secs(10 * 60);

/// `begin-downtime/:host/:port/:owner/:reason[/:duration]`: begins or replaces.
async fn begin(call: Call) -> Outcome {
    let key = call.known_key(&call.picture())?;
    let duration = match call.param("duration") {
        "" => DEFAULT_DOWNTIME,
        text => match simple_time(text).ok_or_else(|| ApiError::InvalidDuration(text.into()))? {
            Duration::ZERO => DEFAULT_DOWNTIME,
            duration => duration,
        },
    };
    let (owner, reason) = (call.param("owner").into(), call.param("reason").into());
    let wish = DowntimeWish { key: key.clone(), owner, reason, duration };
    call.app.ports.commands.begin_downtime(wish).await?;
    ok_key(format!("Downtime begun: {key}"), &key)
}

/// Digits and one of `s`, `m`, `h`, `d`, `w`. `None`: something else, or too long to be meant.
fn simple_time(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        'w' => 7 * 24 * 3600,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let digits = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| digits)?;
    Some(Duration::from_secs(number.checked_mul(seconds)?)).filter(|duration| *duration <= LONGEST_DOWNTIME)
}

/// A hundred years: longer ones would leave the calendar, and mean "for ever" anyway.
const LONGEST_DOWNTIME: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// `end-downtime/:host/:port`: well also when there is none.
async fn end(call: Call) -> Outcome {
    let key = call.known_key(&call.picture())?;
    call.app.ports.commands.end_downtime(key.clone()).await?;
    ok_key(format!("Downtime ended: {key}"), &key)
}

/// `register-candidate/:host/:port/:promotionRule`.
async fn register_candidate(call: Call) -> Outcome {
    let key = call.known_key(&call.picture())?;
    let word = call.param("promotionRule");
    let rule = match PromotionRule::parse(word) {
        Some(PromotionRule::Must) => return Err(ApiError::MustRule),
        Some(rule) => rule,
        None => return Err(ApiError::InvalidRule(word.into())),
    };
    call.app.ports.commands.register_candidate(key.clone(), rule).await?;
    ok_key("Registered candidate", &key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_times_are_digits_and_a_unit() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400), ("2w", 1_209_600)]
        {
            assert_eq!(simple_time(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "5", "m", "-5m", "+5m", "5 m", "5M", "1.5h", "99999999999999999999w", "9999999999w", "5é"]
        {
            assert_eq!(simple_time(text), None, "{text}");
        }
    }
}
