//! What is not of the table: probes, metrics, the way to a cookie, the web UI.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{LOCATION, SET_COOKIE},
};
use orchestrator_wire::envelope::{Code, assemble};
use tracing::warn;

use crate::{
    app::App,
    auth::Auth,
    path::Query,
    reply,
    table::{Access, Class},
    web,
};

/// A page outside the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// `/livez`: a restart would not help.
    Live,
    /// `/readyz`: requests may be sent here.
    Ready,
    /// `/metrics`.
    Metrics,
    /// `{prefix}/web/access-token`: a public half for a cookie.
    Token,
    /// `{prefix}/`, `{prefix}/web/…`: for people.
    Web(web::Resource),
}

impl Page {
    /// The page of a decoded path. Probes and metrics are at the same place on every node; the rest is below
    /// the prefix.
    pub(crate) fn of(path: &str, prefix: &str) -> Option<Self> {
        let bare = path.strip_suffix('/').unwrap_or(path);
        match bare {
            "/livez" => Some(Self::Live),
            "/readyz" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            _ if bare.strip_prefix(prefix) == Some("/web/access-token") => Some(Self::Token),
            _ => web::Resource::of(path, prefix).map(Self::Web),
        }
    }

    /// Is it for machines that look after this one, and nobody else?
    pub(crate) fn is_probe(self) -> bool {
        matches!(self, Self::Live | Self::Ready | Self::Metrics)
    }

    /// Who may ask.
    pub(crate) fn access(self) -> Access {
        match self {
            Self::Live | Self::Ready => Access::Open,
            Self::Metrics | Self::Token | Self::Web(_) => Access::Read,
        }
    }

    /// Who answers.
    pub(crate) fn class(self) -> Class {
        match self {
            Self::Live | Self::Ready | Self::Metrics | Self::Web(_) => Class::Local,
            // Redeeming writes.
            Self::Token => Class::Proxied,
        }
    }

    pub(crate) async fn answer(self, app: &App, query: &Query) -> Response<Bytes> {
        match self {
            Self::Live => livez(app),
            Self::Ready => readyz(app),
            Self::Metrics => metrics(app),
            Self::Token => token(app, query.get("publicToken")).await,
            Self::Web(resource) => resource.answer(app),
        }
    }
}

/// 200 as long as a restart would not help. Never by the leader, a quorum or a peer: with those gone, all
/// nodes would be restarted in a circle.
fn livez(app: &App) -> Response<Bytes> {
    match app.ports.node.stuck() {
        None => reply::text(StatusCode::OK, "ok\n"),
        Some(reason) => reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// 200 as long as this node may be sent requests; else one reason a line.
fn readyz(app: &App) -> Response<Bytes> {
    let health = app.health();
    if health.ready {
        return reply::text(StatusCode::OK, "ok\n");
    }
    let reasons = if health.reasons.is_empty() { "not ready".into() } else { health.reasons.join("\n") };
    reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("{reasons}\n"))
}

fn metrics(app: &App) -> Response<Bytes> {
    app.metrics.set_health(&app.health());
    app.metrics.set_certificate(app.settings.tls.expires_at());
    match app.metrics.page() {
        Ok(page) => reply::respond(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page.into()),
        Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// Redeems a token: a cookie, and on to the first page.
async fn token(app: &App, public: &str) -> Response<Bytes> {
    let admission = app.admission();
    let Auth::Token(auth) = &admission.auth else { return reply::not_found() };
    let redeemed = auth.redeem(public, app.ports.reads.picture().now).await;
    let cookie = redeemed.unwrap_or_else(|error| {
        warn!(error = &error as &dyn std::error::Error, "access token not redeemed");
        None
    });
    match cookie.and_then(|cookie| set_cookie(&cookie, app.settings.tls.settings().serve)) {
        Some(cookie) => {
            let mut response = reply::text(StatusCode::FOUND, "");
            response.headers_mut().insert(SET_COOKIE, cookie);
            if let Ok(home) = HeaderValue::from_str(&format!("{}/", app.settings.prefix())) {
                response.headers_mut().insert(LOCATION, home);
            }
            response
        }
        None => {
            let message = format!("{}Cannot acquire token {public}", app.settings.message_prefix);
            let body = assemble(Code::Error, &message, b"null");
            reply::respond(StatusCode::OK, "application/json; charset=UTF-8", body.into())
        }
    }
}

/// Every route is a GET: were the cookie sent along with links of other sites, they could act for its holder.
fn set_cookie(pair: &str, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let mut value =
        HeaderValue::from_str(&format!("{pair}; Path=/; HttpOnly; SameSite=Strict{secure}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
