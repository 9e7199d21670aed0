//! One request, read: what a handler needs to answer it.

use std::sync::Arc;

use bytes::Bytes;
use orchestrator_core::{InstanceKey, lookup};
use orchestrator_wire::{Clusters, Lens};

use crate::{
    app::App,
    error::ApiError,
    path::Query,
    ports::{Page, Picture},
    table::{Access, Params, Row},
};

/// Entries of one page of any list.
pub const PAGE_SIZE: u64 = 20;

/// Longest host name in a path: DNS allows no more.
const HOST_MAX_BYTES: usize = 255;

/// Who asks, as the outer service found out. The default may not change anything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// The user's name; empty = nobody in particular.
    pub(crate) user: String,
    /// The method of authentication lets it change things. Found out for requests that would.
    pub(crate) may_act: bool,
}

/// One request, read.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) params: Params,
    pub(crate) query: Query,
    /// Who asks.
    pub(crate) caller: Caller,
    /// What was posted; empty for everything that is read.
    pub(crate) body: Bytes,
}

impl Call {
    /// May this request do what the row does, on this node, now?
    pub(crate) fn authorize(&self, row: &Row) -> Result<(), ApiError> {
        let leads = || self.app.ports.raft.is_none() || self.app.health().is_leader;
        let may_act = || !self.app.admission().read_only && leads() && self.caller.may_act;
        let allowed = match row.access {
            Access::Open | Access::Read => true,
            Access::Act => may_act(),
            Access::Operator => self.caller.may_act,
        };
        if allowed { Ok(()) } else { Err(ApiError::Unauthorized) }
    }

    /// A part of the path.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name)
    }

    /// The instance of `:host/:port`, as given.
    pub(crate) fn key(&self) -> Result<InstanceKey, ApiError> {
        self.key_of("host", "port")
    }

    /// An instance of two parts of the path, as given.
    pub(crate) fn key_of(&self, host: &str, port: &str) -> Result<InstanceKey, ApiError> {
        let (host, port) = (self.param(host), self.param(port));
        let port =
            port.parse().ok().filter(|port| *port != 0).ok_or_else(|| ApiError::InvalidPort(port.into()))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if !is_host(bare) {
            return Err(ApiError::InvalidHost(host.into()));
        }
        Ok(InstanceKey::new(bare, port))
    }

    /// The instance of `:host/:port`: a known one of exactly that name, else the only known one whose name
    /// contains it, else as given.
    pub(crate) fn known_key(&self, picture: &Picture) -> Result<InstanceKey, ApiError> {
        Ok(picture.find(self.key()?))
    }

    /// The cluster that `:clusterHint`, or `:host/:port`, points to.
    pub(crate) fn cluster(&self, picture: &Picture) -> Result<Arc<str>, ApiError> {
        match self.param("clusterHint") {
            "" => picture.cluster(&self.key()?.to_string(), self.app.settings.default_instance_port),
            hint => picture.cluster(hint, self.app.settings.default_instance_port),
        }
    }

    /// The cluster of `:clusterAlias`.
    pub(crate) fn cluster_by_alias(&self, picture: &Picture) -> Result<Arc<str>, ApiError> {
        let alias = self.param("clusterAlias");
        picture.topology.by_alias(alias).cloned().ok_or_else(|| ApiError::UnknownAlias(alias.into()))
    }

    /// `:page`, from 0; what is no number counts as 0.
    pub(crate) fn page(&self) -> Page {
        Page { number: self.param("page").parse().unwrap_or(0), size: PAGE_SIZE }
    }

    /// A number of the path.
    pub(crate) fn id(&self, name: &str) -> Result<i64, ApiError> {
        let id = self.param(name);
        id.parse().map_err(|_| ApiError::InvalidId(id.into()))
    }

    /// Who asks, for records: the user, else this machine.
    pub(crate) fn actor(&self) -> String {
        match self.caller.user.as_str() {
            "" => self.app.settings.identity.hostname.clone(),
            user => user.to_owned(),
        }
    }

    /// The newest picture.
    pub(crate) fn picture(&self) -> Arc<Picture> {
        self.app.ports.reads.picture()
    }

    /// A picture as seen from the wire.
    pub(crate) fn lens<'a>(&'a self, picture: &'a Picture) -> Lens<'a> {
        Lens {
            view: &picture.view,
            topology: &picture.topology,
            limits: &self.app.settings.limits,
            now: picture.now,
        }
    }

    /// Clusters as seen from the wire.
    pub(crate) fn clusters<'a>(&'a self, picture: &'a Picture) -> Clusters<'a> {
        Clusters { topology: &picture.topology, filters: &*self.app.ports.filters }
    }
}

/// A name or an address; IPv6 with or without a zone.
fn is_host(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'%');
    !text.is_empty() && text.len() <= HOST_MAX_BYTES && text.bytes().all(is_part)
}

impl Picture {
    /// The instance that people mean by `key`.
    pub(crate) fn find(&self, key: InstanceKey) -> InstanceKey {
        lookup::instance(&self.view, &key)
    }

    /// The cluster that people mean by `hint`.
    pub(crate) fn cluster(&self, hint: &str, default_port: u16) -> Result<Arc<str>, ApiError> {
        let found = lookup::cluster(&self.view, &self.topology, hint, default_port);
        found.map_err(|_| ApiError::UnknownCluster(hint.into()))
    }

    /// The cluster that `hint` names in full: for what must not meet another one.
    pub(crate) fn cluster_exactly(&self, hint: &str, default_port: u16) -> Result<Arc<str>, ApiError> {
        let found = lookup::cluster_exactly(&self.view, &self.topology, hint, default_port);
        found.map_err(|_| ApiError::UnknownCluster(hint.into()))
    }
}
