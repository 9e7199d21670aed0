//! What to do, with which values, at which servers: the command line over the environment over the defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::instance_name::InstanceName;
use crate::invocation::Invocation;
use crate::options::{Given, Variable};
use crate::transport::Credentials;
use crate::trust::Trust;

const DEFAULT_API: &str = "http://localhost:3000";
const DEFAULT_DURATION: &str = "10m";
const DEFAULT_PORT: &str = "3306";

/// The values of one run. What was not given is empty.
pub(crate) struct Settings {
    given: BTreeMap<Variable, String>,
    defaults: BTreeMap<Variable, String>,
    /// As the user wrote it, for messages.
    pub(crate) api: String,
    /// At least one.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) credentials: Credentials,
    program: String,
}

impl Settings {
    /// # Errors
    /// An address that cannot be one, or a header that cannot be sent.
    pub(crate) fn new(options: &Given, invocation: &Invocation) -> Result<Self, Failure> {
        let environment = |name: &str| invocation.environment.get(name).cloned().unwrap_or_default();
        let option = |variable| options.values.get(&variable).cloned();
        let api = option(Variable::Api)
            .into_iter()
            .chain([environment("ORCHESTRATOR_API"), DEFAULT_API.to_owned()])
            .find(|api| !api.trim().is_empty())
            .unwrap_or_default();
        let basic = option(Variable::Auth).unwrap_or_else(|| {
            [environment("ORCHESTRATOR_AUTH_USER"), environment("ORCHESTRATOR_AUTH_PASSWORD")].join(":")
        });
        let header =
            option(Variable::HeadersAuth).unwrap_or_else(|| environment("ORCHESTRATOR_AUTH_USER_HEADER"));
        let file = |variable, names: &[&str]| {
            let named = names.iter().map(|name| environment(name));
            option(variable).into_iter().chain(named).find(|path| !path.is_empty()).map(PathBuf::from)
        };
        let trust = Trust::new(
            file(Variable::CaFile, &["ORCHESTRATOR_CA_FILE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]),
            file(Variable::CertFile, &["ORCHESTRATOR_CERT_FILE"]),
            file(Variable::KeyFile, &["ORCHESTRATOR_KEY_FILE"]),
        );
        let mut given = options.values.clone();
        if options.help {
            given.insert(Variable::Command, "help".to_owned());
        }
        Ok(Self {
            given,
            defaults: BTreeMap::from([
                (Variable::Instance, environment("ORCHESTRATOR_INSTANCE")),
                (Variable::Owner, invocation.user.clone()),
                (Variable::Duration, DEFAULT_DURATION.to_owned()),
                (Variable::DefaultPort, DEFAULT_PORT.to_owned()),
            ]),
            endpoints: api.split_whitespace().map(Endpoint::parse).collect::<Result<_, _>>()?,
            api,
            credentials: Credentials::new(&basic, &header, trust)?,
            program: invocation.program_name().to_owned(),
        })
    }

    /// The value of an option, from the command line or its default; empty if there is none.
    pub(crate) fn value(&self, variable: Variable) -> &str {
        self.given.get(&variable).or_else(|| self.defaults.get(&variable)).map_or("", String::as_str)
    }

    /// The value only if the command line has it: what narrows a command must have been asked for.
    pub(crate) fn explicit(&self, variable: Variable) -> &str {
        self.given.get(&variable).map_or("", String::as_str)
    }

    /// The command's name; the first `slave` in it stands for `replica`.
    pub(crate) fn command(&self) -> Result<String, Failure> {
        let words: Vec<&str> = self.value(Variable::Command).split_whitespace().collect();
        if words.is_empty() {
            let name = &self.program;
            let text = format!(
                "No command given. Use {name} -c <command> [...] or {name} --command <command> [...] to do something \
                 useful"
            );
            return Err(Failure::plain(text));
        }
        Ok(words.join(" ").replacen("slave", "replica", 1))
    }

    /// An instance option as host and port.
    pub(crate) fn instance(&self, label: &str, variable: Variable) -> Result<InstanceName, Failure> {
        InstanceName::parse(label, self.value(variable), self.value(Variable::DefaultPort))
    }

    /// The `-i` value as `host:port`; empty if there is none or it is none.
    pub(crate) fn asked_instance(&self) -> String {
        self.instance("instance", Variable::Instance).map(|name| name.display()).unwrap_or_default()
    }
}
