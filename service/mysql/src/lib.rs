#![doc = include_str!("../DESIGN.md")]

mod cells;
mod connect;
mod contract;
pub mod dialect;
mod execute;
mod failure;
mod fleet;
mod parts;
mod privileges;
mod probe;
mod pulse;
pub mod quote;
mod reader;
mod session;
pub mod settings;
mod status;
mod variables;
pub mod watch;

pub use contract::{
    Alive, Applied, Change, Credentials, ExecError, Execute, Fenced, Pace, Probe, Received, SourceChange,
    SourcePosition,
};
pub use fleet::Fleet;
pub use settings::{DetectionQueries, HostnameSource, ProbeSettings, Secret, TlsMode, TlsOptions};
pub use watch::{Watch, WatchEvent};
