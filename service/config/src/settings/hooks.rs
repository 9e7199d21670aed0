//! Programs that users want to be run.

use crate::keys::File;

/// Programs that users want to be run: command lines with placeholders, in order.
///
/// A trailing `&` starts one without waiting for its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// The interpreter that gets each command as a file: `bash` by default.
    pub shell_command: String,
    /// After a failure is detected, before it is decided what to do; a failing one ends this round.
    pub on_failure_detection: Vec<String>,
    /// Before a planned takeover; a failing one ends it.
    pub pre_graceful_takeover: Vec<String>,
    /// Before any recovery acts; a failing one ends it.
    pub pre_failover: Vec<String>,
    /// After the successful recovery of a primary.
    pub post_primary_failover: Vec<String>,
    /// After the successful recovery of an intermediate primary.
    pub post_intermediate_primary_failover: Vec<String>,
    /// After any recovery with a successor.
    pub post_failover: Vec<String>,
    /// After a recovery without a successor.
    pub post_unsuccessful_failover: Vec<String>,
    /// After a planned takeover.
    pub post_graceful_takeover: Vec<String>,
    /// After `take-master`.
    pub post_take_primary: Vec<String>,
}

pub(super) fn build(file: &File) -> HookSettings {
    HookSettings {
        shell_command: file.ProcessesShellCommand.value.clone(),
        on_failure_detection: file.OnFailureDetectionProcesses.value.clone(),
        pre_graceful_takeover: file.PreGracefulTakeoverProcesses.value.clone(),
        pre_failover: file.PreFailoverProcesses.value.clone(),
        post_primary_failover: file.PostMasterFailoverProcesses.value.clone(),
        post_intermediate_primary_failover: file.PostIntermediateMasterFailoverProcesses.value.clone(),
        post_failover: file.PostFailoverProcesses.value.clone(),
        post_unsuccessful_failover: file.PostUnsuccessfulFailoverProcesses.value.clone(),
        post_graceful_takeover: file.PostGracefulTakeoverProcesses.value.clone(),
        post_take_primary: file.PostTakeMasterProcesses.value.clone(),
    }
}
