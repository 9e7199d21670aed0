//! Hooks: commands of the configuration, run at set moments of a recovery.
//!
//! Placeholders are replaced as text, as people's scripts expect; nothing is quoted. The same values are in
//! the environment, which is the safe way to use them. The names here are the original's.

use std::{collections::BTreeMap, io::Write, process::Stdio, time::Duration};

use orchestrator_config::HookSettings;
use orchestrator_core::{InstanceKey, recovery::HookStage};
use tokio::{io::AsyncReadExt, process::Command, time::timeout};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// A hook that takes longer is killed: one that hangs must not hold the recovery for ever. The original
/// waits without limit.
const HOOK_DEADLINE: Duration = Duration::from_secs(600);

/// Bytes of a hook's output that are logged.
const OUTPUT_BYTES_MAX: usize = 4096;

/// Lists of hooks, by when they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookList {
    /// `OnFailureDetectionProcesses`.
    FailureDetection,
    /// Those of a recovery.
    Recovery(HookStage),
}

impl HookList {
    const ALL: [Self; 5] = [
        Self::FailureDetection,
        Self::Recovery(HookStage::PreFailover),
        Self::Recovery(HookStage::PostPrimaryFailover),
        Self::Recovery(HookStage::PostFailover),
        Self::Recovery(HookStage::PostUnsuccessfulFailover),
    ];

    /// The key of the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FailureDetection => "OnFailureDetectionProcesses",
            Self::Recovery(HookStage::PreFailover) => "PreFailoverProcesses",
            Self::Recovery(HookStage::PostPrimaryFailover) => "PostMasterFailoverProcesses",
            Self::Recovery(HookStage::PostFailover) => "PostFailoverProcesses",
            Self::Recovery(HookStage::PostUnsuccessfulFailover) => "PostUnsuccessfulFailoverProcesses",
        }
    }

    /// The first failure ends the list and is told to the caller.
    fn stops_at_failure(self) -> bool {
        matches!(self, Self::FailureDetection | Self::Recovery(HookStage::PreFailover))
    }

    fn commands(self, settings: &HookSettings) -> &[String] {
        match self {
            Self::FailureDetection => &settings.on_failure_detection,
            Self::Recovery(HookStage::PreFailover) => &settings.pre_failover,
            Self::Recovery(HookStage::PostPrimaryFailover) => &settings.post_primary_failover,
            Self::Recovery(HookStage::PostFailover) => &settings.post_failover,
            Self::Recovery(HookStage::PostUnsuccessfulFailover) => &settings.post_unsuccessful_failover,
        }
    }
}

/// What hooks are told about a failure and its recovery.
#[derive(Debug, Clone, Default)]
pub(crate) struct HookFacts {
    /// Analysis code in the original's words.
    pub(crate) failure_type: String,
    /// `master`, `co-master`, `intermediate-master` or `group-member`.
    pub(crate) instance_type: String,
    /// Sentence.
    pub(crate) description: String,
    /// Command of a person that led here; empty for automatic ones.
    pub(crate) command: String,
    /// The failed instance.
    pub(crate) failed: Option<InstanceKey>,
    /// Name, alias and domain of its cluster.
    pub(crate) cluster: (String, String, String),
    /// Its replicas.
    pub(crate) replicas: Vec<InstanceKey>,
    /// The failed instance is in downtime.
    pub(crate) is_downtimed: bool,
    /// Cluster filters for primaries and for intermediate primaries.
    pub(crate) automated: (bool, bool),
    /// This machine.
    pub(crate) orchestrator_host: String,
    /// Name of the recovery; empty before it began.
    pub(crate) recovery_uid: String,
    /// The successor, its alias and its coordinates (`file:pos`, where known).
    pub(crate) successor: Option<(InstanceKey, String, Option<String>)>,
    /// Replicas left behind.
    pub(crate) lost: Vec<InstanceKey>,
}

impl HookFacts {
    /// Placeholder, environment variable and value, in the order of the documentation. A value that is not
    /// known is absent: its placeholder stays as it is, its variable unset.
    fn values(&self) -> Vec<(&'static [&'static str], Option<&'static str>, String)> {
        let keys = |keys: &[InstanceKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let host =
            |key: &Option<InstanceKey>| key.as_ref().map_or_else(String::new, |key| key.hostname.to_string());
        let port =
            |key: &Option<InstanceKey>| key.as_ref().map_or_else(String::new, |key| key.port.to_string());
        let is = |word: &str| (self.instance_type == word).to_string();
        let (cluster, alias, domain) = self.cluster.clone();
        let mut values: Vec<(&'static [&'static str], Option<&'static str>, String)> = vec![
            (&["failureType"], Some("ORC_FAILURE_TYPE"), self.failure_type.clone()),
            (&["instanceType"], Some("ORC_INSTANCE_TYPE"), self.instance_type.clone()),
            (&["isMaster"], Some("ORC_IS_MASTER"), is("master")),
            (&["isCoMaster"], Some("ORC_IS_CO_MASTER"), is("co-master")),
            (&["failureDescription"], Some("ORC_FAILURE_DESCRIPTION"), self.description.clone()),
            (&["command"], Some("ORC_COMMAND"), self.command.clone()),
            (&["failedHost"], Some("ORC_FAILED_HOST"), host(&self.failed)),
            (&["failedPort"], Some("ORC_FAILED_PORT"), port(&self.failed)),
            (&["failureCluster"], Some("ORC_FAILURE_CLUSTER"), cluster),
            (&["failureClusterAlias"], Some("ORC_FAILURE_CLUSTER_ALIAS"), alias),
            (&["failureClusterDomain"], Some("ORC_FAILURE_CLUSTER_DOMAIN"), domain),
            (&["countReplicas", "countSlaves"], Some("ORC_COUNT_REPLICAS"), self.replicas.len().to_string()),
            (&["isDowntimed"], Some("ORC_IS_DOWNTIMED"), self.is_downtimed.to_string()),
            (&["autoMasterRecovery"], Some("ORC_AUTO_MASTER_RECOVERY"), self.automated.0.to_string()),
            (
                &["autoIntermediateMasterRecovery"],
                Some("ORC_AUTO_INTERMEDIATE_MASTER_RECOVERY"),
                self.automated.1.to_string(),
            ),
            (&["orchestratorHost"], Some("ORC_ORCHESTRATOR_HOST"), self.orchestrator_host.clone()),
            (&["recoveryUID"], Some("ORC_RECOVERY_UID"), self.recovery_uid.clone()),
            (&["isSuccessful"], Some("ORC_IS_SUCCESSFUL"), self.successor.is_some().to_string()),
            (&["lostReplicas", "lostSlaves"], Some("ORC_LOST_REPLICAS"), keys(&self.lost)),
            (&["countLostReplicas"], None, self.lost.len().to_string()),
            (&["replicaHosts", "slaveHosts"], Some("ORC_REPLICA_HOSTS"), keys(&self.replicas)),
        ];
        if let Some((successor, alias, coordinates)) = &self.successor {
            values.push((&["successorHost"], Some("ORC_SUCCESSOR_HOST"), successor.hostname.to_string()));
            values.push((&["successorPort"], Some("ORC_SUCCESSOR_PORT"), successor.port.to_string()));
            values.push((&["successorAlias"], Some("ORC_SUCCESSOR_ALIAS"), alias.clone()));
            if let Some(coordinates) = coordinates {
                let names: &'static [&'static str] = &["successorBinlogCoordinates"];
                values.push((names, Some("ORC_SUCCESSOR_BINLOG_COORDINATES"), coordinates.clone()));
            }
        }
        values
    }

    fn environment(&self) -> BTreeMap<&'static str, String> {
        self.values().into_iter().filter_map(|(_, variable, value)| Some((variable?, value))).collect()
    }

    /// The command with its placeholders replaced, without the `&` that makes it run beside; whether it had one.
    fn command(&self, template: &str) -> (String, bool) {
        let mut text = template.trim().to_owned();
        let beside = text.ends_with('&');
        if beside {
            text.pop();
        }
        for (names, _, value) in self.values() {
            for name in names {
                text = text.replace(&format!("{{{name}}}"), &value);
            }
        }
        (text.trim().to_owned(), beside)
    }
}

/// Runs a list of hooks one after the other; returns what to write into the audit.
///
/// # Errors
/// The first hook that failed, in words; hooks behind a trailing `&` never fail.
pub(crate) async fn run(
    settings: &HookSettings,
    list: HookList,
    facts: &HookFacts,
    beside: &TaskTracker,
) -> (Vec<String>, Result<(), String>) {
    let mut story = Vec::new();
    let mut first_failure = Ok(());
    let commands = list.commands(settings);
    for (index, template) in commands.iter().enumerate() {
        let (command, detached) = facts.command(template);
        let name = format!("{} hook {} of {}", list.name(), index + 1, commands.len());
        let running = execute(settings.shell_command.clone(), command, facts.environment(), name.clone());
        if detached {
            beside.spawn(running);
            story.push(format!("{name} started beside"));
            continue;
        }
        match running.await {
            Ok(()) => story.push(format!("{name} succeeded")),
            Err(error) => {
                story.push(format!("{name} failed: {error}"));
                if first_failure.is_ok() {
                    first_failure = Err(format!("{name}: {error}"));
                }
                if list.stops_at_failure() {
                    break;
                }
            }
        }
    }
    (story, first_failure)
}

/// Says which placeholders of the configuration nobody will ever replace.
pub(crate) fn check(settings: &HookSettings) {
    for (list, placeholder) in unknown_placeholders(settings) {
        warn!(key = list, %placeholder, "unknown placeholder, left as it is");
    }
}

/// Placeholders in the commands that nothing replaces, each with the key of its list, as `{name}`.
fn unknown_placeholders(settings: &HookSettings) -> Vec<(&'static str, String)> {
    let somebody = Some((InstanceKey::new("", 0), String::new(), Some(String::new())));
    let facts = HookFacts { successor: somebody, ..HookFacts::default() };
    let known: Vec<&str> = facts.values().iter().flat_map(|(names, ..)| names.iter().copied()).collect();
    let mut unknown = Vec::new();
    for list in HookList::ALL {
        let named = list.commands(settings).iter().flat_map(|command| placeholders(command));
        unknown.extend(
            named.filter(|name| !known.contains(name)).map(|name| (list.name(), format!("{{{name}}}"))),
        );
    }
    unknown
}

/// What stands in braces and looks like a name; `${…}` is the shell's.
fn placeholders(command: &str) -> impl Iterator<Item = &str> {
    let after = command.match_indices('{').filter(|(at, _)| !command[..*at].ends_with('$'));
    after.filter_map(|(at, _)| {
        let (name, _) = command[at + 1..].split_once('}')?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then_some(name)
    })
}

/// True when the list has nothing to run.
pub(crate) fn is_empty(settings: &HookSettings, list: HookList) -> bool {
    list.commands(settings).is_empty()
}

async fn execute(
    shell: String,
    command: String,
    environment: BTreeMap<&'static str, String>,
    name: String,
) -> Result<(), String> {
    let mut words = shell.split_whitespace();
    let program = words.next().ok_or("ProcessesShellCommand is empty")?;
    // A file, not `-c`: the configured command may be a wrapper that expects one.
    let script =
        write_script(&command).map_err(|error| format!("cannot write the hook to a file: {error}"))?;
    let child = Command::new(program)
        .args(words)
        .arg(script.path())
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| format!("cannot start {program}: {error}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = timeout(HOOK_DEADLINE, async {
        let (out, err, status) = tokio::join!(read_some(stdout), read_some(stderr), child.wait());
        (out + &err, status)
    });
    let (output, status) = ended.await.map_err(|_| format!("killed after {} s", HOOK_DEADLINE.as_secs()))?;
    let status = status.map_err(|error| error.to_string())?;
    if status.success() {
        info!(hook = %name, output = %printable(&output), "hook succeeded");
        Ok(())
    } else {
        warn!(hook = %name, %status, output = %printable(&output), "hook failed");
        Err(status.to_string())
    }
}

/// What a program printed, on one line and without what a terminal would obey or a reader take for another line.
fn printable(output: &str) -> String {
    let mut text = String::with_capacity(output.len());
    for char in output.trim_end().chars() {
        match char {
            '\t' => text.push(' '),
            char if char.is_control() => text.extend(char.escape_default()),
            char => text.push(char),
        }
    }
    text
}

/// A file that only this user can read, gone when dropped.
fn write_script(command: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("orchestrator-process-cmd-").tempfile()?;
    file.write_all(command.as_bytes())?;
    file.flush()?;
    Ok(file)
}

/// Reads to the end, keeps the beginning.
async fn read_some(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let (mut kept, mut buffer) = (Vec::new(), [0_u8; 1024]);
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> HookFacts {
        HookFacts {
            failure_type: "DeadMaster".into(),
            instance_type: "master".into(),
            failed: Some(InstanceKey::new("db1", 3306)),
            replicas: vec![InstanceKey::new("db2", 3306), InstanceKey::new("db3", 3306)],
            ..HookFacts::default()
        }
    }

    fn settings(commands: &[&str]) -> HookSettings {
        let list: Vec<String> = commands.iter().map(ToString::to_string).collect();
        HookSettings {
            shell_command: "bash".into(),
            on_failure_detection: Vec::new(),
            pre_graceful_takeover: Vec::new(),
            pre_failover: list.clone(),
            post_primary_failover: Vec::new(),
            post_intermediate_primary_failover: Vec::new(),
            post_failover: list,
            post_unsuccessful_failover: Vec::new(),
            post_graceful_takeover: Vec::new(),
            post_take_primary: Vec::new(),
        }
    }

    const PRE: HookList = HookList::Recovery(HookStage::PreFailover);
    const POST: HookList = HookList::Recovery(HookStage::PostFailover);

    #[test]
    fn placeholders_are_replaced_and_unknown_successors_stay() {
        let (command, beside) =
            facts().command("x {failureType} {failedHost}:{failedPort} {successorHost} {slaveHosts} &");
        assert_eq!(command, "x DeadMaster db1:3306 {successorHost} db2:3306,db3:3306");
        assert!(beside);
    }

    #[test]
    fn placeholders_that_nothing_replaces_are_named() {
        let hooks = settings(&["x {failureType} {failedHosts} ${HOME} {a,b} {} {successorAlias} {"]);
        let named = unknown_placeholders(&hooks);
        let expected = ["PreFailoverProcesses", "PostFailoverProcesses"];
        assert_eq!(named, expected.map(|list| (list, "{failedHosts}".to_owned())));
    }

    #[test]
    fn what_a_hook_prints_can_neither_colour_nor_forge_a_line() {
        assert_eq!(printable("a\tb\x1b[31m\r\nWARN c\u{85}é\n"), "a b\\u{1b}[31m\\r\\nWARN c\\u{85}é");
    }

    #[tokio::test]
    async fn hooks_see_the_environment_and_pre_hooks_stop_at_a_failure() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("seen");
        let write = format!("echo $ORC_FAILED_HOST >> {}", file.display());
        let hooks = settings(&[&write, "exit 3", &write]);
        let (story, result) = run(&hooks, PRE, &facts(), &TaskTracker::new()).await;
        assert_eq!(result, Err("PreFailoverProcesses hook 2 of 3: exit status: 3".into()));
        assert_eq!(story.len(), 2);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "db1\n");
    }

    #[tokio::test]
    async fn post_hooks_all_run_and_tell_the_first_failure() {
        let (story, result) =
            run(&settings(&["exit 1", "true", "exit 2"]), POST, &facts(), &TaskTracker::new()).await;
        assert_eq!(story.len(), 3);
        assert_eq!(result, Err("PostFailoverProcesses hook 1 of 3: exit status: 1".into()));
    }

    #[tokio::test]
    async fn a_hook_with_an_ampersand_runs_beside_and_cannot_fail() {
        let tasks = TaskTracker::new();
        let (_, result) = run(&settings(&["exit 1 &"]), PRE, &facts(), &tasks).await;
        assert_eq!(result, Ok(()));
        tasks.close();
        tasks.wait().await;
    }
}
