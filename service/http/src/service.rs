//! One request from end to end: checked, admitted, answered here or forwarded, counted, logged.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tracing::{debug, warn};
use warp::filters::BoxedFilter;

use crate::{
    app::{Admission, App},
    auth::{Auth, InvalidAuth},
    call::{Call, Caller},
    leader::{self, LEADER_WAIT, Place},
    metrics::{Metrics, RequestClass},
    operator,
    origin::{Origin, Stranger},
    pages::Page,
    path::{self, InvalidPath, Query},
    ports::Ports,
    proxy::{self, Body, BodyError, FORWARDED_MARK, ForwardError, Proxy},
    reply,
    routes::{self, Base},
    server::seldom::Seldom,
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
    /// Requests that no leader answered, by the reason.
    unforwarded: Seldom,
    routes: BoxedFilter<(Response<Bytes>,)>,
}

/// Where a request goes.
enum Target {
    /// A route of the table.
    Route(&'static Row),
    /// A page outside the API.
    Page(Page),
    /// Nowhere.
    Nothing,
}

impl Target {
    fn access(&self) -> Access {
        match self {
            Self::Route(row) => row.access,
            Self::Page(page) => page.access(),
            Self::Nothing => Access::Read,
        }
    }

    /// For the log: never what a client wrote.
    fn name(&self) -> &'static str {
        match self {
            Self::Route(row) => row.template,
            Self::Page(_) => "page",
            Self::Nothing => "",
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Route(row) => row.class,
            Self::Page(page) => page.class(),
            Self::Nothing => Class::Local,
        }
    }

    /// The status check, which may be free of certificates.
    fn is_status(&self) -> bool {
        matches!(self, Self::Route(row) if row.template == routes::STATUS)
    }

    /// How the request is counted, answered here or turned away.
    fn counted(&self) -> RequestClass {
        if matches!(self, Self::Nothing) { RequestClass::Unknown } else { RequestClass::Local }
    }
}

impl Api {
    /// The API over what the rest of the node can do.
    pub fn new(settings: Settings, ports: Ports, metrics: Arc<Metrics>) -> Self {
        let base = Base::new(&settings.prefix(), &settings.status_endpoint);
        let app = Arc::new(App::new(settings, ports, metrics));
        let inner = Inner {
            base,
            table: Table::new(routes::rows()),
            proxy: Proxy::new(app.settings.tls.clone()),
            unforwarded: Seldom::default(),
            routes: routes::filter(&app),
            app,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where to listen, as the settings say.
    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.app.settings
    }

    /// Is everything there that letting people in needs?
    pub(crate) fn check_admission(&self) -> Result<(), InvalidAuth> {
        self.inner.app.admission().auth.check()
    }

    /// Admits by other rules from the next request on, without a restart. A method that lacks something is not
    /// taken over: what was in force stays in force.
    ///
    /// # Errors
    /// `token` without a store of tokens.
    pub fn readmit(&self, auth: Auth, read_only: bool) -> Result<(), InvalidAuth> {
        let auth = self.inner.app.with_tokens(auth);
        auth.check()?;
        self.inner.app.set_admission(Admission { auth, read_only });
        Ok(())
    }

    /// Answers one request.
    ///
    /// All routes but the operator's are read with GET or HEAD: what a request carries besides its headers is not
    /// looked at. An operator's body is read up to 64 KiB, for at most 5 s.
    pub fn handle<B>(&self, request: Request<B>, origin: Origin) -> BoxFuture<'static, Response<Body>>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let inner = self.inner.clone();
        Box::pin(async move { inner.serve(request, &origin).await })
    }

    /// Answers a probe: health, liveness, readiness and metrics of this node, to whoever asks. Everything else
    /// is not there. What is below the prefix is also found without it.
    pub fn probe<B>(&self, request: Request<B>) -> BoxFuture<'static, Response<Body>> {
        let inner = self.inner.clone();
        let request = request.map(|_| ());
        Box::pin(async move {
            let started = Instant::now();
            let response = inner.probe(&request).await;
            let status = response.status().as_u16();
            inner.app.metrics.observe_request(RequestClass::Local, status, started.elapsed());
            boxed(response)
        })
    }
}

impl Inner {
    /// Answers, counts, logs.
    async fn serve<B>(&self, request: Request<B>, origin: &Origin) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let started = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (response, class) = self.answer(request, origin).await;
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        self.app.metrics.observe_request(class, status, elapsed);
        let elapsed_ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3;
        let peer = origin.address.map(tracing::field::display);
        debug!(%method, %path, status, elapsed_ms, peer, "request");
        response
    }

    async fn answer<B>(&self, request: Request<B>, origin: &Origin) -> (Response<Body>, RequestClass)
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let target = match self.target(&request) {
            Ok(target) => target,
            Err(error) => return (refused(error), RequestClass::Unknown),
        };
        // One for the whole request: the rules may change meanwhile.
        let auth = &self.app.admission().auth;
        let Some(user) = admit(auth, &request, &target) else {
            return (boxed(routes::not_authorized()), RequestClass::Local);
        };
        if let Err(stranger) = self.check_certificate(origin, &target) {
            return (
                boxed(reply::text(StatusCode::UNAUTHORIZED, format!("{stranger}\n"))),
                RequestClass::Local,
            );
        }
        let request = match target.access() {
            Access::Operator => operator::with_body(request).await,
            Access::Open | Access::Read | Access::Act => Ok(request.map(|_| Bytes::new())),
        };
        let request = match request {
            Ok(request) => request,
            Err(bad) => {
                return (boxed(reply::text(bad.status(), format!("{bad}\n"))), RequestClass::Local);
            }
        };
        let forwarded = request.headers().contains_key(FORWARDED_MARK);
        let deadline = tokio::time::Instant::now() + LEADER_WAIT;
        let mut gone: Option<String> = None;
        loop {
            match leader::find(&self.app, target.class(), target.access(), gone.as_deref(), deadline).await {
                Place::Here | Place::Unknown => {
                    return (self.here(request, auth, user, &target).await, target.counted());
                }
                Place::At(_) if forwarded => {
                    return (proxy::empty(StatusCode::LOOP_DETECTED), RequestClass::Forwarded);
                }
                Place::At(leader) => {
                    let client = origin.address.map(|address| address.ip());
                    let access = target.access();
                    let answer = self.proxy.forward(request.clone(), &leader, access, auth, client).await;
                    if !leader::is_untouched(&answer) || tokio::time::Instant::now() >= deadline {
                        return (self.forwarded(answer, &leader, &target), RequestClass::Forwarded);
                    }
                    gone = Some(leader);
                }
            }
        }
    }

    /// Only the checks of load balancers and kubelets, and only those that this node answers by itself.
    async fn probe(&self, request: &Request<()>) -> Response<Bytes> {
        let Ok(path) = path::decode(request.uri().path()) else { return reply::not_found() };
        if !is_readable(request.method()) {
            return reply::not_found();
        }
        if let Some(page) = Page::of(&path, "").filter(|page| page.is_probe()) {
            return page.answer(&self.app, &Query::default()).await;
        }
        let route = self.base.route(&path).or_else(|| path.strip_prefix("/api/"));
        match route.and_then(|route| self.table.find(route)) {
            Some((row, params)) if row.access == Access::Open && row.class == Class::Local => {
                let (app, caller, body) = (self.app.clone(), Caller::default(), Bytes::new());
                routes::answer(row, Call { app, params, query: Query::default(), caller, body }).await
            }
            _ => reply::not_found(),
        }
    }

    fn target<B>(&self, request: &Request<B>) -> Result<Target, InvalidPath> {
        let uri = request.uri();
        if uri.query().map_or(0, str::len) > path::URI_MAX_BYTES {
            return Err(InvalidPath::TooLong);
        }
        let path = path::decode(uri.path())?;
        let method = request.method();
        if let Some(page) = Page::of(&path, &self.app.settings.prefix()).filter(|_| is_readable(method)) {
            return Ok(Target::Page(page));
        }
        let row = self.base.find(&self.table, uri.path())?;
        let row = row.filter(|(row, _)| row.takes(method));
        Ok(row.map_or(Target::Nothing, |(row, _)| Target::Route(row)))
    }

    /// With mutual TLS, all but the probes take a certificate of a valid unit.
    fn check_certificate(&self, origin: &Origin, target: &Target) -> Result<(), Stranger> {
        let tls = self.app.settings.tls.settings();
        let is_free =
            target.access() == Access::Open || (target.is_status() && !tls.status_needs_certificate);
        if !tls.client_certificates || is_free {
            return Ok(());
        }
        origin.channel.check(&tls.valid_units)
    }

    /// The leader's answer, or, with the reason in the log, none.
    fn forwarded(
        &self,
        answer: Result<Response<Body>, ForwardError>,
        leader: &str,
        target: &Target,
    ) -> Response<Body> {
        answer.unwrap_or_else(|error| {
            if let Some(left_out) = self.unforwarded.pass(&format!("{leader}: {error}")) {
                let error = &error as &dyn std::error::Error;
                warn!(leader, route = target.name(), error, left_out, "not forwarded");
            }
            proxy::empty(StatusCode::BAD_GATEWAY)
        })
    }

    async fn here(
        &self,
        request: Request<Bytes>,
        auth: &Auth,
        user: String,
        target: &Target,
    ) -> Response<Body> {
        // Looking up tokens and groups costs; most requests only read.
        let may_act = match target.access() {
            Access::Open | Access::Read => false,
            Access::Act => {
                let now = self.app.ports.reads.picture().now;
                auth.may_act(&user, request.headers(), now).await
            }
            Access::Operator => {
                let file = self.app.settings.operator_token_file.as_deref();
                if let Err(error) = operator::let_in(file, request.headers()).await {
                    return boxed(reply::render(Err(error.into()), &self.app.settings.message_prefix));
                }
                true
            }
        };
        let caller = Caller { user, may_act };
        let service = TowerToHyperService::new(warp::service(self.routes.clone()));
        let Ok(response) = service.call(routes::with_caller(request, caller)).await;
        response.map(|body| body.map_err(Into::into).boxed())
    }
}

/// The user's name, empty where anybody may ask and for operators, who hold a token; `None` to turn the request away.
fn admit<B>(auth: &Auth, request: &Request<B>, target: &Target) -> Option<String> {
    let is_free = matches!(target.access(), Access::Open | Access::Operator);
    auth.admit(request.headers()).or(is_free.then(String::new))
}

fn is_readable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What a client hears that speaks plain HTTP where TLS is spoken; in the words of Go's servers, which people
/// search for.
pub(crate) fn not_https() -> Response<Body> {
    boxed(reply::text(StatusCode::BAD_REQUEST, "Client sent an HTTP request to an HTTPS server.\n"))
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
