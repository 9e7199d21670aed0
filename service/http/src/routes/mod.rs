//! The routes, by what they are about. Each group is a list of rows and the functions behind them.
//!
//! To add a route: write the function, add the row. Synonyms, trailing slash, HEAD, forwarding and
//! authorisation follow from the row.

mod analysis;
mod audit;
mod clusters;
mod discovery;
mod downtime;
mod health;
mod instances;
mod operations;
mod operator;
mod raft;
mod recovery;
mod tokens;

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use warp::{Filter, Rejection, filters::BoxedFilter, path::FullPath};

use crate::{
    app::App,
    call::{Call, Caller},
    gzip,
    operator::Posted,
    pages::Page,
    path::{self, InvalidPath, Query},
    proxy::NoBody,
    reply,
    settings::DEFAULT_STATUS_ENDPOINT,
    table::{Params, Row, Table},
};

/// All groups; the ones that load balancers ask first.
pub(crate) const GROUPS: [&[Row]; 12] = [
    health::ROWS,
    raft::ROWS,
    instances::ROWS,
    clusters::ROWS,
    analysis::ROWS,
    discovery::ROWS,
    operations::ROWS,
    downtime::ROWS,
    recovery::ROWS,
    audit::ROWS,
    operator::ROWS,
    tokens::ROWS,
];

/// Every route that is served.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    GROUPS.into_iter().flatten()
}

/// A row, and what the path says in its open segments.
type Found = (&'static Row, Params);

/// Where the API begins and the status check is.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    api: String,
    status: String,
}

impl Base {
    pub(crate) fn new(prefix: &str, status_endpoint: &str) -> Self {
        let status = match status_endpoint {
            DEFAULT_STATUS_ENDPOINT => String::new(),
            other => other.into(),
        };
        Self { api: format!("{prefix}/api/"), status }
    }

    /// The row of a path as it was written.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn find(&self, table: &Table, written: &str) -> Result<Option<Found>, InvalidPath> {
        let decoded = path::decode(written)?;
        let said = self.route(written).and_then(|route| table.find_said(route));
        Ok(said.or_else(|| self.route(&decoded).and_then(|route| table.find(route))))
    }

    /// The route's own part of a decoded path.
    pub(crate) fn route<'p>(&self, path: &'p str) -> Option<&'p str> {
        let moved = !self.status.is_empty();
        if moved && path.strip_suffix('/').unwrap_or(path) == self.status {
            return Some(STATUS);
        }
        path.strip_prefix(self.api.as_str())
            .filter(|route| !(moved && route.strip_suffix('/').unwrap_or(route) == STATUS))
    }
}

/// The route of the status check, which the configuration can move elsewhere.
pub(crate) const STATUS: &str = "status";

/// The whole API as one filter: every request gets an answer.
pub(crate) fn filter(app: &Arc<App>) -> BoxedFilter<(Response<Bytes>,)> {
    let base = Base::new(&app.settings.prefix(), &app.settings.status_endpoint);
    let [first, rest @ ..] = GROUPS;
    let mut api = group(app, &base, first);
    for rows in rest {
        api = api.or(group(app, &base, rows)).unify().boxed();
    }
    let answers = api.or(pages(app)).unify().recover(no_route).unify();
    warp::header::headers_cloned().and(answers).then(gzip::compress).boxed()
}

/// One group of rows, boxed, so that the type of the whole does not grow with it.
fn group(app: &Arc<App>, base: &Base, rows: &'static [Row]) -> BoxedFilter<(Response<Bytes>,)> {
    let app = app.clone();
    let base = base.clone();
    let table = Arc::new(Table::new(rows));
    warp::method()
        .and(warp::path::full())
        .and_then(move |method: Method, path: FullPath| {
            let found = base.find(&table, path.as_str()).ok().flatten();
            let found = found.filter(|(row, _)| row.takes(&method));
            std::future::ready(found.ok_or_else(warp::reject::not_found))
        })
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::ext::optional::<Caller>())
        .and(warp::ext::optional::<Posted>())
        .then(
            move |(row, params): (&'static Row, _),
                  query: String,
                  caller: Option<Caller>,
                  posted: Option<Posted>| {
                let (caller, Posted(body)) = (caller.unwrap_or_default(), posted.unwrap_or_default());
                answer(row, Call { app: app.clone(), params, query: Query::parse(&query), caller, body })
            },
        )
        .boxed()
}

/// Runs a row, if whoever asks may.
pub(crate) async fn answer(row: &'static Row, call: Call) -> Response<Bytes> {
    let prefix = call.app.settings.message_prefix.clone();
    let outcome = match call.authorize(row) {
        Ok(()) => (row.run)(call).await,
        Err(error) => Err(error),
    };
    reply::render(outcome, &prefix)
}

/// GET and HEAD; for everything else there is no route.
fn readable() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    warp::method()
        .and_then(|method: Method| {
            let known = method == Method::GET || method == Method::HEAD;
            std::future::ready(known.then_some(()).ok_or_else(warp::reject::not_found))
        })
        .untuple_one()
}

/// What is not of the table.
fn pages(app: &Arc<App>) -> BoxedFilter<(Response<Bytes>,)> {
    let app = app.clone();
    let prefix = app.settings.prefix();
    readable()
        .and(warp::path::full())
        .and_then(move |path: FullPath| {
            let page = path::decode(path.as_str()).ok().and_then(|path| Page::of(&path, &prefix));
            std::future::ready(page.ok_or_else(warp::reject::not_found))
        })
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .then(move |page: Page, query: String| {
            let app = app.clone();
            async move { page.answer(&app, &Query::parse(&query)).await }
        })
        .boxed()
}

async fn no_route(_: Rejection) -> Result<Response<Bytes>, Infallible> {
    Ok(reply::not_found())
}

/// Who asks, and what was posted, as request extensions.
pub(crate) fn with_caller(request: http::Request<Bytes>, caller: Caller) -> http::Request<NoBody> {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(caller);
    parts.extensions.insert(Posted(body));
    http::Request::from_parts(parts, NoBody::new())
}

/// Asks the client for a user and a password.
pub(crate) fn not_authorized() -> Response<Bytes> {
    let mut response = reply::text(StatusCode::UNAUTHORIZED, "Not Authorized\n");
    let realm = HeaderValue::from_static("Basic realm=\"Authorization Required\"");
    response.headers_mut().insert(http::header::WWW_AUTHENTICATE, realm);
    response
}
