//! Secrets and ConfigMaps that an object names, read one by one: the operator may not list Secrets.
//!
//! Of each value only the digest is kept, but for the operator's own token and certificates of authorities.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{Api, Client};
use tokio::time::Instant;

use super::{
    apply::{ApiFailure, within},
    facts::owner,
    index::Key,
};
use crate::{
    build::{ReferenceKind, digest},
    names,
};

/// For how long something read is good enough. A changed Secret reaches the members as late: kubelet takes a minute.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// Nobody is told that something is missing for longer than that after it is there; so long nothing is read from an API
/// server that did not answer.
const MISSING_FOR: Duration = Duration::from_secs(5);
/// Of the values themselves only these are kept.
const KEPT_KEYS: [&str; 2] = [names::TOKEN_KEY, "ca.crt"];
/// As many as objects name, at most; a limit for those that were deleted meanwhile.
const KEPT_MAX: usize = 20_000;

/// What is known of one of them.
#[derive(Debug, Default)]
pub struct Contents {
    /// Each key with the digest of its value.
    pub digests: BTreeMap<String, String>,
    /// Who controls it: uid, kind and name.
    pub controller: Option<OwnerReference>,
    values: BTreeMap<&'static str, Vec<u8>>,
}

impl Contents {
    fn of<'a>(values: impl IntoIterator<Item = (&'a String, &'a [u8])>) -> Self {
        let mut contents = Self::default();
        for (key, value) in values {
            contents.digests.insert(key.clone(), digest(value));
            if let Some(kept) = KEPT_KEYS.iter().find(|kept| *kept == key) {
                contents.values.insert(kept, value.to_vec());
            }
        }
        contents
    }

    /// The operator's token.
    #[must_use]
    pub fn token(&self) -> Option<Arc<str>> {
        let token = std::str::from_utf8(self.values.get(names::TOKEN_KEY)?).ok()?.trim();
        (!token.is_empty()).then(|| token.into())
    }

    /// The certificates of the authorities.
    #[must_use]
    pub fn authorities(&self) -> Option<&[u8]> {
        self.values.get("ca.crt").map(Vec::as_slice)
    }
}

/// `None`: there is no such object.
type Found = Option<Arc<Contents>>;

/// Reads them, and remembers for a while.
pub struct Secrets {
    client: Client,
    known: Mutex<HashMap<(ReferenceKind, Key), Known>>,
}

struct Known {
    /// When it is to be read again.
    again: Instant,
    found: Found,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

impl Secrets {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// What one holds; `None` when it is not there. While the API server is away, what it held before.
    ///
    /// # Errors
    /// It cannot be read: forbidden, or the API server is away and nothing is known of it.
    pub async fn get(&self, kind: ReferenceKind, key: &Key) -> Result<Found, ApiFailure> {
        let at = (kind, key.clone());
        let before = match self.remembered(&at) {
            Some((found, true)) => return Ok(found),
            Some((found, false)) => found,
            None => None,
        };
        let (found, good_for) = match within(self.read(kind, key)).await {
            Ok(Some(contents)) => (Some(Arc::new(contents)), GOOD_FOR),
            Ok(None) => (None, MISSING_FOR),
            Err(error) if before.is_some() && error.may_pass() => (before, MISSING_FOR),
            Err(error) => return Err(error),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT_MAX {
            known.retain(|_, known| Instant::now() < known.again);
        }
        known.insert(at, Known { again: Instant::now() + good_for, found: found.clone() });
        Ok(found)
    }

    /// What it was when it was read last, and whether that is good enough.
    fn remembered(&self, at: &(ReferenceKind, Key)) -> Option<(Found, bool)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(at).map(|known| (known.found.clone(), Instant::now() < known.again))
    }

    /// It is to be read anew: somebody wrote it, or was refused with what it held.
    pub fn forget(&self, kind: ReferenceKind, key: &Key) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&(kind, key.clone()));
    }

    async fn read(&self, kind: ReferenceKind, key: &Key) -> Result<Option<Contents>, kube::Error> {
        match kind {
            ReferenceKind::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
                let Some(secret) = api.get_opt(&key.name).await? else { return Ok(None) };
                let data = secret.data.unwrap_or_default();
                let contents = Contents::of(data.iter().map(|(key, value)| (key, value.0.as_slice())));
                Ok(Some(Contents { controller: owner(&secret.metadata).cloned(), ..contents }))
            }
            ReferenceKind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &key.namespace);
                let Some(map) = api.get_opt(&key.name).await? else { return Ok(None) };
                let (data, binary) = (map.data.unwrap_or_default(), map.binary_data.unwrap_or_default());
                let texts = data.iter().map(|(key, value)| (key, value.as_bytes()));
                let bytes = binary.iter().map(|(key, value)| (key, value.0.as_slice()));
                Ok(Some(Contents::of(texts.chain(bytes))))
            }
        }
    }
}
