//! Points at which a test lets the process die, to prove that another node carries on.
//!
//! Only in builds with debug assertions; a release build has none of this.

use orchestrator_core::recovery::Stage;

/// The variable that names the point: `exit-before:STAGE` or `exit-after:STAGE`.
#[cfg(debug_assertions)]
const VARIABLE: &str = "ORCHESTRATOR_FAULT";

/// Dies here if the environment says so: at once, with nothing flushed, as after kill -9.
#[cfg(debug_assertions)]
pub(super) fn point(when: &str, stage: Stage) {
    if std::env::var(VARIABLE).is_ok_and(|wanted| wanted == format!("exit-{when}:{}", stage.as_str())) {
        tracing::error!(step = stage.as_str(), when, "dying here, as {VARIABLE} asks");
        std::process::abort();
    }
}

/// A release build never dies on purpose.
#[cfg(not(debug_assertions))]
pub(super) fn point(_when: &str, _stage: Stage) {}
