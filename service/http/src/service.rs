//! One request from end to end: checked, admitted, answered here or forwarded, counted, logged.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tracing::{debug, warn};
use warp::filters::BoxedFilter;

use crate::{
    app::App,
    metrics::{Metrics, RequestClass},
    path::{self, InvalidPath},
    ports::Ports,
    proxy::{self, Body, FORWARDED_MARK, NoBody, Proxy},
    reply,
    routes::{self, Base},
    settings::Settings,
    table::{Access, Class, Row, Table},
};

/// The API of one node. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    app: Arc<App>,
    base: Base,
    table: Table,
    proxy: Proxy,
    routes: BoxedFilter<(Response<Bytes>,)>,
}

/// Where a request goes.
enum Target {
    /// A route of the table.
    Route(&'static Row),
    /// A page outside the API.
    Page(Access),
    /// Nowhere.
    Nothing,
}

impl Target {
    fn access(&self) -> Access {
        match self {
            Self::Route(row) => row.access,
            Self::Page(access) => *access,
            Self::Nothing => Access::Read,
        }
    }
}

impl Api {
    /// The API over what the rest of the node can do.
    pub fn new(settings: Settings, ports: Ports, metrics: Arc<Metrics>) -> Self {
        let base = Base::new(&settings.prefix(), &settings.status_endpoint);
        let app = Arc::new(App { ports, settings, metrics });
        let inner = Inner {
            base,
            table: Table::new(routes::rows()),
            proxy: Proxy::new(),
            routes: routes::filter(&app),
            app,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where to listen, as the settings say.
    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.app.settings
    }

    /// Answers one request. `peer` is the client's address; `None` = it came through a unix socket.
    ///
    /// All routes are read with GET or HEAD: what a request carries besides its headers is not looked at.
    pub fn handle<B>(
        &self,
        request: Request<B>,
        peer: Option<SocketAddr>,
    ) -> BoxFuture<'static, Response<Body>> {
        let inner = self.inner.clone();
        let request = request.map(|_| NoBody::new());
        Box::pin(async move { inner.serve(request, peer).await })
    }
}

impl Inner {
    /// Answers, counts, logs.
    async fn serve(&self, request: Request<NoBody>, peer: Option<SocketAddr>) -> Response<Body> {
        let started = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (response, class) = self.answer(request, peer.map(|peer| peer.ip())).await;
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        self.app.metrics.observe_request(class, status, elapsed);
        let elapsed_ms = elapsed.as_secs_f64() * 1000.0;
        debug!(%method, %path, status, elapsed_ms, ?peer, "request");
        response
    }

    async fn answer(&self, request: Request<NoBody>, peer: Option<IpAddr>) -> (Response<Body>, RequestClass) {
        let target = match self.target(&request) {
            Ok(target) => target,
            Err(error) => return (refused(error), RequestClass::Unknown),
        };
        let Some(user) = self.admit(&request, &target) else {
            return (boxed(routes::not_authorized()), RequestClass::Local);
        };
        let Target::Route(row) = target else {
            let class = match target {
                Target::Nothing => RequestClass::Unknown,
                _ => RequestClass::Local,
            };
            return (self.here(request, &user).await, class);
        };
        match self.leader_for(row) {
            None => (self.here(request, &user).await, RequestClass::Local),
            Some(_) if request.headers().contains_key(FORWARDED_MARK) => {
                (proxy::empty(StatusCode::LOOP_DETECTED), RequestClass::Forwarded)
            }
            Some(leader) => (self.forward(request, &leader, row, peer).await, RequestClass::Forwarded),
        }
    }

    fn target(&self, request: &Request<NoBody>) -> Result<Target, InvalidPath> {
        let uri = request.uri();
        if uri.query().map_or(0, str::len) > path::URI_MAX_BYTES {
            return Err(InvalidPath::TooLong);
        }
        let path = path::decode(uri.path())?;
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(Target::Nothing);
        }
        if routes::is_page(&path) {
            let access = if routes::is_probe_page(&path) { Access::Open } else { Access::Read };
            return Ok(Target::Page(access));
        }
        let row = self.base.route(&path).and_then(|route| self.table.find(route));
        Ok(row.map_or(Target::Nothing, |(row, _)| Target::Route(row)))
    }

    /// The user's name, empty where anybody may ask; `None` to turn the request away.
    fn admit(&self, request: &Request<NoBody>, target: &Target) -> Option<String> {
        let user = self.app.settings.auth.admit(request.headers());
        user.or((target.access() == Access::Open).then_some("")).map(str::to_owned)
    }

    /// Where the leader is, if it is for the leader to answer. While nobody is known to lead, this node
    /// answers as well as it can.
    fn leader_for(&self, row: &Row) -> Option<String> {
        if row.class == Class::Local || self.app.ports.raft.is_none() {
            return None;
        }
        let health = self.app.health();
        let elsewhere = !health.is_leader
            && !health.leader_uri.is_empty()
            && health.leader_uri.trim_end_matches('/')
                != self.app.settings.identity.own_uri.trim_end_matches('/');
        elsewhere.then(|| health.leader_uri.clone())
    }

    async fn forward(
        &self,
        request: Request<NoBody>,
        leader: &str,
        row: &Row,
        peer: Option<IpAddr>,
    ) -> Response<Body> {
        match self.proxy.forward(request, leader, row.access, peer).await {
            Ok(response) => response,
            Err(error) => {
                warn!(
                    leader,
                    route = row.template,
                    error = &error as &dyn std::error::Error,
                    "not forwarded"
                );
                proxy::empty(StatusCode::BAD_GATEWAY)
            }
        }
    }

    async fn here(&self, request: Request<NoBody>, user: &str) -> Response<Body> {
        let service = TowerToHyperService::new(warp::service(self.routes.clone()));
        let Ok(response) = service.call(routes::with_user(request, user)).await;
        response.map(|body| body.map_err(Into::into).boxed())
    }
}

fn refused(error: InvalidPath) -> Response<Body> {
    let status = match error {
        InvalidPath::TooLong => StatusCode::URI_TOO_LONG,
        InvalidPath::Escape | InvalidPath::NotUtf8 => StatusCode::BAD_REQUEST,
    };
    boxed(reply::text(status, format!("{error}\n")))
}

fn boxed(response: Response<Bytes>) -> Response<Body> {
    response.map(|body| Full::new(body).map_err(|never| match never {}).boxed())
}
