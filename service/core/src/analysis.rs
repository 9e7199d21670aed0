//! What is wrong with each instance: one code at most, the first rule that matches, and why.
//!
//! A pure function of a view: facts are counted ([`Facts`]), a table of rules names the failure
//! ([`classify`]), a second one adds weaknesses without failure ([`StructureWarning`]), a third says what
//! ought to be done about it ([`AnalysisCode::response`]). Whether it is done is decided by verdict and
//! recovery, not here.

mod code;
mod facts;
mod finding;
mod gather;
mod problems;
mod response;
mod rules;
mod stale;
mod structure;

pub use self::{
    code::{AnalysisCode, UnknownCode},
    facts::{Facts, ReplicaCounts, ReplicaTraits, SemiSyncFacts, Sight},
    finding::{Finding, InstanceType, Subject, analyze, analyze_instance},
    gather::{SILENCE_GRACE, SILENCE_HEARTBEATS_PERCENT, is_silent},
    problems::{Concern, Problem, concerns, problems},
    response::{Emergency, Response},
    rules::{Conjunct, Explanation, Rule, classify, explain, rules},
    stale::StaleCoordinates,
    structure::{StructureWarning, UnknownStructureWarning},
};
