//! What the process was started with. The only module that looks at the machine: environment, files, process id.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::termios::tcgetwinsize;

use crate::profile;
use crate::transport::Limits;

/// Packages of the original put the site's settings here; they win over the environment, as a sourced file would.
const PROFILE: &str = "/etc/profile.d/orchestrator-client.sh";

/// Where the output is no terminal: three nodes side by side fit.
const DEFAULT_COLUMNS: usize = 120;

/// The name used in messages if the process was started without one.
const DEFAULT_PROGRAM: &str = "orchestrator-client";

/// Everything one run depends on, so that a test can state it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// How the program was called; the part after the last `/` starts the messages.
    pub program: String,
    /// Stands in brackets behind the program's name in messages.
    pub process_id: u32,
    /// The words after the program's name.
    pub arguments: Vec<String>,
    /// `ORCHESTRATOR_API` and its kin.
    pub environment: BTreeMap<String, String>,
    /// Name of the user who runs the client: the owner of downtimes unless `--owner` says otherwise.
    pub user: String,
    /// Deadlines and retries.
    pub limits: Limits,
    /// What stdout shows, for a command that fills it.
    pub screen: Screen,
}

/// What is known of where the output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Characters in a line.
    pub columns: usize,
    /// Colour is wanted: a terminal or `CLICOLOR_FORCE`, and no `NO_COLOR`.
    pub colored: bool,
}

impl Default for Screen {
    /// A file or a pipe.
    fn default() -> Self {
        Self { columns: DEFAULT_COLUMNS, colored: false }
    }
}

impl Screen {
    fn of_stdout(environment: &BTreeMap<String, String>) -> Self {
        let stdout = std::io::stdout();
        let shown = tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
        let said = environment.get("COLUMNS").and_then(|columns| columns.parse().ok());
        let columns = said.or(shown).filter(|columns| *columns > 0).unwrap_or(DEFAULT_COLUMNS);
        let set = |name: &str| environment.get(name).is_some_and(|text| !matches!(text.as_str(), "" | "0"));
        let colored = (stdout.is_terminal() || set("CLICOLOR_FORCE")) && !set("NO_COLOR");
        Self { columns, colored }
    }
}

/// Why an invocation cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// Nothing that the API knows can be named by such bytes.
    #[error("argument {0:?} is not valid UTF-8")]
    NotUtf8(OsString),
}

impl Invocation {
    /// Reads the arguments, the environment, the site's profile file and the user's name.
    ///
    /// # Errors
    /// An argument that is not UTF-8. Other environment variables that are not UTF-8 are ignored.
    pub fn of_this_process() -> Result<Self, InvocationError> {
        let mut arguments = std::env::args_os()
            .map(|word| word.into_string().map_err(InvocationError::NotUtf8))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter();
        let program = arguments.next().unwrap_or_else(|| DEFAULT_PROGRAM.to_owned());
        let mut environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        environment.extend(profile::assignments(&fs::read_to_string(PROFILE).unwrap_or_default()));
        let screen = Screen::of_stdout(&environment);
        let user = user_name().or_else(|| environment.get("USER").cloned()).unwrap_or_default();
        Ok(Self {
            program,
            process_id: std::process::id(),
            arguments: arguments.collect(),
            environment,
            user,
            limits: Limits::default(),
            screen,
        })
    }

    /// The program's name without its folder.
    pub(crate) fn program_name(&self) -> &str {
        Path::new(&self.program).file_name().and_then(|name| name.to_str()).unwrap_or(DEFAULT_PROGRAM)
    }
}

/// The name of the effective user, as `whoami` says it; `None` if the user is not in the local file.
fn user_name() -> Option<String> {
    let uid = fs::metadata("/proc/self").ok()?.uid();
    name_of_uid(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

fn name_of_uid(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_name_is_the_one_of_the_uid() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(name_of_uid(passwd, 1000).as_deref(), Some("ada"));
        assert_eq!(name_of_uid(passwd, 7), None);
    }
}
