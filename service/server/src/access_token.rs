//! `orchestrator -c access-token`: has the node that runs on this machine make a token.
//!
//! The original wrote the row itself. Here rows are the group's, and the running node holds its database alone; so it
//! is asked, with the operator's token that the same configuration names.

use anyhow::{Context, bail};
use orchestrator_config::Settings;
use orchestrator_http::ask_as_operator;
use serde_json::json;

use crate::{args::Flags, components, configuration};

/// The public half of a new token.
///
/// # Errors
/// The configuration makes no sense, or the node cannot be asked or refuses.
pub(crate) fn make(flags: &Flags) -> anyhow::Result<String> {
    let settings = configuration::load(&flags.configs)?.loaded.settings;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask(&settings, flags))
}

async fn ask(settings: &Settings, flags: &Flags) -> anyhow::Result<String> {
    let Some(token_file) = &settings.listen.operator_token_file else {
        bail!("OperatorTokenFile is not set: nobody may make access tokens");
    };
    if settings.listen.socket.is_some() {
        bail!("ListenSocket is set: ask the node at its socket, by POST to /api/operator/access-token");
    }
    let url = format!("{}{}/api/operator/access-token", own_uri(settings), settings.listen.url_prefix);
    let tls = components::api_tls(&settings.tls).await.context("the node cannot be asked by HTTPS")?;
    let owner = flags.owner.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_default();
    let answer = ask_as_operator(tls, &url, token_file, &json!({ "Owner": owner })).await?;
    answer["PublicToken"].as_str().map(str::to_owned).with_context(|| format!("{url} answered {answer}"))
}

/// Where the node of this configuration is asked: as other nodes ask it, else on this machine.
fn own_uri(settings: &Settings) -> String {
    if let Some(raft) = &settings.raft {
        return raft.http_advertise.trim_end_matches('/').to_owned();
    }
    let scheme = if settings.tls.serve { "https" } else { "http" };
    let (host, port) = settings.listen.address.rsplit_once(':').unwrap_or((&settings.listen.address, "3000"));
    let host = if matches!(host, "" | "0.0.0.0" | "[::]") { "localhost" } else { host };
    format!("{scheme}://{host}:{port}")
}

#[cfg(test)]
mod tests {
    use orchestrator_config::{Outside, Source, load};

    use super::*;

    fn asked_at(keys: &str) -> String {
        let text = format!(r#"{{"BackendDB": "sqlite", "SQLite3DataFile": "/x/db", {keys}}}"#);
        let nothing = |_: &str| None;
        let read = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        let outside = Outside { variable: &nothing, read: &read };
        let source = Source { path: "conf.json".into(), text };
        own_uri(&load(&[source], &outside).unwrap().settings)
    }

    #[test]
    fn a_node_is_asked_where_others_ask_it_or_on_this_machine() {
        for (listen, uri) in [
            (":3000", "http://localhost:3000"),
            ("0.0.0.0:80", "http://localhost:80"),
            ("[::1]:3000", "http://[::1]:3000"),
            ("orc-0:3000", "http://orc-0:3000"),
        ] {
            assert_eq!(asked_at(&format!(r#""ListenAddress": "{listen}""#)), uri);
        }
        let files = r#""SSLCertFile": "/c", "SSLPrivateKeyFile": "/k""#;
        assert_eq!(asked_at(&format!(r#""UseSSL": true, {files}"#)), "https://localhost:3000");
        let raft = r#""RaftEnabled": true, "RaftDataDir": "/x", "RaftBind": "orc-0", "RaftNodes": ["orc-0"]"#;
        let advertised = r#""HTTPAdvertise": "https://orc-0.example.net:443""#;
        assert_eq!(asked_at(&format!("{raft}, {advertised}")), "https://orc-0.example.net:443");
    }
}
