//! The raft group as this node's file describes it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::check::{Check, Unit};
use super::listen::listen_port;
use crate::address::{HostPort, parse_port};
use crate::value::Field;

/// The raft group as this node's file describes it.
///
/// Addresses are `host:port` in lower case with the port added; names stay names and are resolved
/// at each connection. `nodes` is not empty, its entries differ, and `advertise` is one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftSettings {
    /// What the file names as this node's own address.
    pub bind: String,
    /// Where to listen: the first of these that can be bound. The address of `bind`; if that is a
    /// name, every address, since names move and are often unknown when a node starts.
    pub listen: Vec<SocketAddr>,
    /// The address under which peers know and reach this node: its identity.
    pub advertise: String,
    /// All members that the file wishes for, this one included, in the file's order.
    pub nodes: Vec<String>,
    /// Directory of log, vote and snapshots; created if missing.
    pub data_dir: PathBuf,
    /// `http(s)://host:port` under which peers reach this node's API when it leads.
    pub http_advertise: String,
    /// Port added to an address without one, also to those of API calls; 0 adds none.
    pub default_port: u16,
    /// TLS between nodes; `None` = plain connections.
    pub tls: Option<RaftTls>,
    /// Who forms the group out of empty nodes.
    pub bootstrap: Bootstrap,
    /// Whose word changes the members of a running group.
    pub membership_source: MembershipSource,
    /// A node that is in no working group that long after its start ends; `None` = it waits for ever.
    pub join_timeout: Option<Duration>,
}

impl RaftSettings {
    /// A member's address as people write it in a call, in the form of `nodes`: with the port, in lower case.
    ///
    /// # Errors
    /// It is no `host[:port]`; the text says what to write.
    pub fn address(&self, text: &str) -> Result<String, String> {
        HostPort::parse(text, self.default_port).map(|address| address.to_string())
    }
}

/// Who forms a group out of empty nodes (`RaftBootstrap`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bootstrap {
    /// The nodes themselves, as soon as all answer.
    Auto,
    /// Whoever tells one of them so.
    External,
}

/// Whose word changes the members of a running group (`RaftMembershipSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipSource {
    /// A new `RaftNodes` that a majority holds; calls as well.
    Config,
    /// Calls alone.
    Api,
}

/// The files for mutual TLS between nodes, in PEM; none of the paths is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftTls {
    /// This node's certificate, then those that link it to the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// Who vouches for the nodes.
    pub authority: PathBuf,
}

/// Rules 13, 14, 15 and 18, and those of ours on the members; `None` when raft is off.
pub(super) fn build(check: &mut Check<'_>) -> Option<RaftSettings> {
    let file = check.file;
    // The original checks the form of the URL with raft off, too.
    check_http_advertise(check);
    if !*file.RaftEnabled {
        return None;
    }
    if file.RaftDataDir.is_empty() {
        check.missing(&file.RaftDataDir, &file.RaftEnabled, "raft needs a directory for its log; write one");
    }
    let default_port = u16::try_from(*file.DefaultRaftPort).ok();
    if default_port.is_none() {
        check.error(&file.DefaultRaftPort, "is no port; write a number from 0 to 65535");
    }
    let default_port = default_port.unwrap_or(1);
    let bind = build_bind(check, default_port);
    let advertise = match file.RaftAdvertise.is_empty() {
        true => bind.clone(),
        false => parse(check, &file.RaftAdvertise, &file.RaftAdvertise, default_port),
    };
    let nodes = build_nodes(check, default_port);
    let tls = build_tls(check);
    let (bootstrap, membership_source) = (bootstrap(check), membership_source(check));
    let join_timeout = check.optional_duration(&file.RaftJoinTimeoutSeconds, Unit::Seconds);
    let (bind, advertise, nodes) = (bind?, advertise?, nodes?);
    let advertise = find_this_node(check, &bind, advertise, &nodes)?;
    let nodes = if nodes.is_empty() { vec![advertise.clone()] } else { nodes };
    Some(RaftSettings {
        listen: listen_addresses(&bind),
        bind: bind.to_string(),
        http_advertise: http_advertise(check, &advertise)?,
        advertise: advertise.to_string(),
        nodes: nodes.iter().map(HostPort::to_string).collect(),
        data_dir: PathBuf::from(file.RaftDataDir.as_str()),
        default_port,
        tls,
        bootstrap,
        membership_source,
        join_timeout,
    })
}

fn bootstrap(check: &mut Check<'_>) -> Bootstrap {
    let field = &check.file.RaftBootstrap;
    match field.as_str() {
        "auto" => Bootstrap::Auto,
        "external" => Bootstrap::External,
        other => {
            check.error(field, format!("{other:?} is not known; write auto or external"));
            Bootstrap::Auto
        }
    }
}

fn membership_source(check: &mut Check<'_>) -> MembershipSource {
    let field = &check.file.RaftMembershipSource;
    match field.as_str() {
        "config" => MembershipSource::Config,
        "api" => MembershipSource::Api,
        other => {
            check.error(field, format!("{other:?} is not known; write config or api"));
            MembershipSource::Config
        }
    }
}

/// All three files or none: half of TLS would be none without a word.
fn build_tls(check: &mut Check<'_>) -> Option<RaftTls> {
    let file = check.file;
    let keys = [&file.RaftTLSCertFile, &file.RaftTLSPrivateKeyFile, &file.RaftTLSCAFile];
    let given = keys.into_iter().find(|key| !key.is_empty())?;
    for key in keys {
        if key.is_empty() {
            check.missing(
                key,
                given,
                "is empty: TLS between nodes takes RaftTLSCertFile, RaftTLSPrivateKeyFile and RaftTLSCAFile",
            );
        }
    }
    let [certificate, private_key, authority] = keys.map(|key| PathBuf::from(key.as_str()));
    Some(RaftTls { certificate, private_key, authority })
}

/// Rule 14.
fn build_bind(check: &mut Check<'_>, default_port: u16) -> Option<HostPort> {
    let field = &check.file.RaftBind;
    if field.is_empty() {
        check.missing(
            field,
            &check.file.RaftEnabled,
            "raft needs an address to listen on; write host or host:port",
        );
        return None;
    }
    parse(check, field, field, default_port)
}

fn build_nodes(check: &mut Check<'_>, default_port: u16) -> Option<Vec<HostPort>> {
    let field = &check.file.RaftNodes;
    let mut nodes: Vec<HostPort> = Vec::new();
    let mut complete = true;
    for text in &field.value {
        match parse(check, field, text, default_port) {
            Some(node) if nodes.contains(&node) => {
                check.error(field, format!("{node} is named twice; write each member once"));
                complete = false;
            }
            Some(node) => nodes.push(node),
            None => complete = false,
        }
    }
    complete.then_some(nodes)
}

fn parse<T>(check: &mut Check<'_>, field: &Field<T>, text: &str, default_port: u16) -> Option<HostPort> {
    HostPort::parse(text, default_port).map_err(|text| check.error(field, text)).ok()
}

/// The name under which this node is a member: what it advertises, else what it binds to.
fn find_this_node(
    check: &mut Check<'_>,
    bind: &HostPort,
    advertise: HostPort,
    nodes: &[HostPort],
) -> Option<HostPort> {
    let file = check.file;
    let advertised = if file.RaftAdvertise.is_empty() { &file.RaftBind } else { &file.RaftAdvertise };
    if nodes.contains(&advertise) || (nodes.is_empty() && !advertise.is_wildcard()) {
        return Some(advertise);
    }
    if nodes.contains(bind) {
        check.warn(
            advertised,
            format!("{advertise} is not in RaftNodes, {bind} is: peers know this node by it"),
        );
        return Some(bind.clone());
    }
    if advertise.is_wildcard() {
        check.error(
            advertised,
            "peers cannot reach a wildcard address; write this node's own in RaftAdvertise",
        );
        return None;
    }
    let members: Vec<String> = nodes.iter().map(HostPort::to_string).collect();
    let text = format!(
        "this node is {advertise}, which is not among {}; add it, or write one of them in RaftAdvertise",
        members.join(", ")
    );
    check.error(&file.RaftNodes, text);
    None
}

fn listen_addresses(bind: &HostPort) -> Vec<SocketAddr> {
    // The IPv6 wildcard takes IPv4 as well, where the system has IPv6 at all.
    let everywhere = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let addresses = bind.ip().map_or(everywhere.to_vec(), |ip| vec![ip]);
    addresses.into_iter().map(|ip| SocketAddr::new(ip, bind.port)).collect()
}

/// Rule 18: scheme, host and port, and nothing else.
fn check_http_advertise(check: &mut Check<'_>) {
    let field = &check.file.HTTPAdvertise;
    if !field.is_empty() && !is_base_url(field) {
        check.error(field, "write scheme, host and port without a path: http://host:3000");
    }
}

fn is_base_url(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let has_port = |rest: &str| rest.rsplit_once(':').is_some_and(|(_, port)| parse_port(port).is_ok());
    rest.is_some_and(|rest| has_port(rest) && HostPort::parse(rest, 0).is_ok())
}

/// The URL of this node's API; computed as the original does unless the file gives one.
fn http_advertise(check: &mut Check<'_>, advertise: &HostPort) -> Option<String> {
    let file = check.file;
    if !file.HTTPAdvertise.is_empty() {
        return Some(file.HTTPAdvertise.value.clone());
    }
    let Ok(port) = listen_port(&file.ListenAddress) else {
        // With a socket the address is not checked elsewhere.
        if !file.ListenSocket.is_empty() {
            check.missing(
                &file.HTTPAdvertise,
                &file.ListenSocket,
                "peers need a URL; write http://host:port",
            );
        }
        return None;
    };
    let scheme = if *file.UseSSL { "https" } else { "http" };
    Some(format!("{scheme}://{}", HostPort { host: advertise.host.clone(), port }))
}
