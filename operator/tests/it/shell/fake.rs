//! An API server in memory: objects by path, versions, preconditions. Server-side apply is a merge here; which fields
//! belong to whom is for a real one to decide.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use tower_service::Service;

/// One request as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub body: Value,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    asked: Vec<Asked>,
    /// How many requests came, since the beginning.
    count: usize,
    version: u64,
    /// Evictions are refused.
    budget_used_up: bool,
    fault: Option<Fault>,
}

/// What is answered in place of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    /// With this code and these words.
    Status(u16, &'static str),
    /// Nothing: the connection breaks.
    Broken,
}

/// Requests that are not answered as they should be.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// Those whose path holds this.
    pub path: &'static str,
    /// So many of them pass before.
    pub after: usize,
    /// So many are refused.
    pub times: usize,
    pub refusal: Refusal,
}

impl Fault {
    fn refuses(&mut self, path: &str) -> bool {
        if !path.contains(self.path) || self.times == 0 {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times = self.times.saturating_sub(1);
        true
    }
}

#[derive(Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<State>>);

/// Why locking cannot fail.
const UNPOISONED: &str = "no holder of this lock panics";

impl FakeApi {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect(UNPOISONED)
    }

    pub(crate) fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "default")
    }

    /// Puts an object there as somebody else would, and answers it as it is now.
    pub(crate) fn put(&self, path: &str, object: Value) -> Value {
        self.state().store(path, object)
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    pub(crate) fn use_up_budget(&self) {
        self.state().budget_used_up = true;
    }

    /// From now on; `None`: all is well again.
    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// Everything that is there, by path.
    pub(crate) fn objects(&self) -> BTreeMap<String, Value> {
        self.state().objects.clone()
    }

    /// How many requests came, since the beginning.
    pub(crate) fn count(&self) -> usize {
        self.state().count
    }

    /// Answers on a port of this machine as well, for a client with everything that a client has.
    pub(crate) async fn serve(&self, tasks: &mut JoinSet<()>) -> http::Uri {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let api = self.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let api = api.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let mut api = api.clone();
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.expect("it comes whole").to_bytes();
                        let response = api.call(Request::from_parts(parts, Body::from(body))).await?;
                        let (parts, body) = response.into_parts();
                        let body = body.collect_bytes().await?;
                        Ok::<_, kube::Error>(Response::from_parts(parts, Full::new(body)))
                    }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        format!("http://{address}").parse().expect("it is a URL")
    }

    /// What was asked since the last time, reads left out.
    pub(crate) fn writes(&self) -> Vec<Asked> {
        let asked = std::mem::take(&mut self.state().asked);
        asked.into_iter().filter(|asked| asked.method != Method::GET).collect()
    }
}

impl State {
    fn store(&mut self, path: &str, mut object: Value) -> Value {
        let before = self.objects.get(path);
        let same = before.is_some_and(|before| without_version(before) == without_version(&object));
        if !same {
            self.version += 1;
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        } else if let Some(before) = before {
            object = before.clone();
        }
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn answer(&mut self, asked: &Asked) -> Result<Value, (StatusCode, &'static str)> {
        let missing = (StatusCode::NOT_FOUND, "not found");
        let conflict = (StatusCode::CONFLICT, "the object has been modified");
        if let Some(pod) = asked.path.strip_suffix("/eviction") {
            let object = self.objects.get(pod).ok_or(missing)?;
            if asked.body["deleteOptions"]["preconditions"]["uid"] != object["metadata"]["uid"] {
                return Err(conflict);
            }
            if self.budget_used_up {
                return Err((
                    StatusCode::TOO_MANY_REQUESTS,
                    "the disruption budget needs 2 healthy pods and has 2",
                ));
            }
            self.objects.remove(pod);
            return Ok(json!({ "kind": "Status", "status": "Success" }));
        }
        let path = asked.path.trim_end_matches("/status").to_owned();
        match asked.method {
            Method::GET => self.objects.get(&path).cloned().ok_or(missing),
            Method::POST => {
                let path = format!("{path}/{}", asked.body["metadata"]["name"].as_str().unwrap_or_default());
                if self.objects.contains_key(&path) {
                    return Err(conflict);
                }
                Ok(self.store(&path, asked.body.clone()))
            }
            Method::PUT => {
                let object = self.objects.get(&path).ok_or(missing)?;
                if object["metadata"]["resourceVersion"] != asked.body["metadata"]["resourceVersion"] {
                    return Err(conflict);
                }
                Ok(self.store(&path, asked.body.clone()))
            }
            // Nobody here needs what comes of it.
            Method::PATCH if asked.body.is_array() => {
                Err((StatusCode::NOT_IMPLEMENTED, "a list of operations"))
            }
            Method::PATCH => {
                let before = self.objects.get(&path).cloned().unwrap_or_else(|| json!({}));
                for field in ["uid", "resourceVersion"] {
                    let wished = &asked.body["metadata"][field];
                    if !wished.is_null() && *wished != before["metadata"][field] {
                        return Err(conflict);
                    }
                }
                let mut object = before;
                merge(&mut object, &asked.body);
                // It has one manager, who applies all of it.
                if asked.path.ends_with("/status") {
                    object["status"] = asked.body["status"].clone();
                }
                Ok(self.store(&path, object))
            }
            Method::DELETE => {
                let object = self.objects.get(&path).ok_or(missing)?;
                let wished = &asked.body["preconditions"];
                for field in ["uid", "resourceVersion"] {
                    if !wished[field].is_null() && wished[field] != object["metadata"][field] {
                        return Err(conflict);
                    }
                }
                self.objects.remove(&path).ok_or(missing)
            }
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "what is that?")),
        }
    }
}

fn without_version(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.remove("resourceVersion");
    }
    object
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

impl Service<Request<Body>> for FakeApi {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let state = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let asked = Asked {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            };
            let answer = {
                let mut state = state.lock().expect(UNPOISONED);
                state.asked.push(asked.clone());
                state.count += 1;
                let fault = state.fault.as_mut();
                match fault.and_then(|fault| fault.refuses(&asked.path).then_some(fault.refusal)) {
                    None => state.answer(&asked),
                    Some(Refusal::Status(code, words)) => {
                        Err((StatusCode::from_u16(code).expect("it is a code"), words))
                    }
                    Some(Refusal::Broken) => {
                        return Err(kube::Error::Service(
                            std::io::Error::other("the connection broke").into(),
                        ));
                    }
                }
            };
            let (status, body) = match answer {
                Ok(body) => (StatusCode::OK, body),
                Err((status, message)) => {
                    let reason = match status {
                        StatusCode::NOT_FOUND => "NotFound",
                        StatusCode::CONFLICT => "Conflict",
                        _ => "Refused",
                    };
                    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
                        "message": message, "reason": reason, "code": status.as_u16() });
                    (status, body)
                }
            };
            let body = Body::from(body.to_string().into_bytes());
            let mut response = Response::new(body);
            *response.status_mut() = status;
            Ok(response)
        })
    }
}
