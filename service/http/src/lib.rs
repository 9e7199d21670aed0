#![doc = include_str!("../DESIGN.md")]

mod app;
mod auth;
mod call;
mod connector;
mod error;
mod gzip;
mod leader;
mod metrics;
mod operator;
mod origin;
mod own;
mod pages;
mod path;
pub mod ports;
mod proxy;
mod reply;
mod routes;
mod server;
mod service;
mod settings;
mod table;
mod tls;
mod web;

pub use auth::{Account, Auth, InvalidAuth, PowerUsers, TokenAuth};
pub use call::PAGE_SIZE;
pub use metrics::Metrics;
pub use origin::{Channel, Origin};
pub use own::{AskError, ask_as_operator};
pub use proxy::{Body, BodyError};
pub use routes::rows;
pub use server::{BindError, Server};
pub use service::Api;
pub use settings::{DEFAULT_STATUS_ENDPOINT, Identity, Listen, Settings};
pub use table::{Access, Class, Row, SYNONYMS};
pub use tls::{Tls, TlsError, TlsSettings};
