//! Authorities and certificates, made for one story.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use orchestrator_e2e::{Flavor, Group, Lab, LabPlan, Node};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

/// A certificate and its key in PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Pair {
    /// Writes `NAME.crt` and `NAME.key`.
    pub(super) fn write(&self, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.certificate)?;
        std::fs::write(&key, &self.key)?;
        Ok((certificate, key))
    }
}

/// What a certificate says, beside its key.
#[derive(Clone, Copy)]
pub(super) struct Wish<'w> {
    /// Hosts that it names.
    pub(super) hosts: &'w [&'w str],
    /// Its unit; empty = none.
    pub(super) unit: &'w str,
    /// How long it is valid; `None` = beyond every story.
    pub(super) life: Option<Duration>,
}

impl<'w> Wish<'w> {
    pub(super) fn of(hosts: &'w [&'w str]) -> Self {
        Self { hosts, unit: "", life: None }
    }
}

/// Who signs certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    pub(super) fn sign(&self, wish: Wish<'_>) -> Result<Pair> {
        let hosts: Vec<String> = wish.hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, "orchestrator");
        if !wish.unit.is_empty() {
            params.distinguished_name.push(DnType::OrganizationalUnitName, wish.unit);
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if let Some(life) = wish.life {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            params.not_after = date_time_ymd(1970, 1, 1) + now + life;
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }

    /// Gives a node its certificate for links to other nodes, and `trusted` as whom it believes.
    pub(super) fn equip(&self, node: &Node, wish: Wish<'_>, trusted: &str) -> Result<()> {
        let (certificate, key) = self.sign(wish)?.write(node.folder(), "raft")?;
        let authority = node.folder().join("raft-ca.crt");
        std::fs::write(&authority, trusted)?;
        node.configure("RaftTLSCertFile", certificate.display().to_string())?;
        node.configure("RaftTLSPrivateKeyFile", key.display().to_string())?;
        node.configure("RaftTLSCAFile", authority.display().to_string())
    }

    /// A client that believes this authority and shows a certificate, or none.
    pub(super) fn client(&self, shows: Option<&Pair>) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes())?)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        Ok(Arc::new(match shows {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes())?],
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?,
            )?,
        }))
    }
}

/// A folder that servers running as other users can read.
pub(super) fn open_folder() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// Servers that show a certificate of `authority`, which is in `ca.crt`, and ask for one.
pub(super) fn servers(flavor: Flavor, topology: &str, authority: &Authority, folder: &Path) -> Result<Lab> {
    // Every address that a lab may give to its first servers.
    let addresses: Vec<String> =
        (1..200).flat_map(|net| (1..4).map(move |host| format!("127.{net}.0.{host}"))).collect();
    let hosts: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let (certificate, key) = authority.sign(Wish::of(&hosts))?.write(folder, "server")?;
    std::fs::set_permissions(&key, Permissions::from_mode(0o644))?;
    let ca = folder.join("ca.crt");
    std::fs::write(&ca, &authority.pem)?;
    let set = |key: &str, path: &Path| format!("{key}={}", path.display());
    let files = [set("ssl_ca", &ca), set("ssl_cert", &certificate), set("ssl_key", &key)];
    let cnf: Vec<&str> = files.iter().flat_map(|file| ["--cnf", file]).collect();
    Lab::up("sealed", &LabPlan::new(flavor, topology).with(&cnf))
}

/// The host of a node.
pub(super) fn host(node: &Node) -> &str {
    node.raft.rsplit_once(':').map_or("", |(host, _)| host)
}

/// Every node of the group gets a certificate of `authority` that names it.
pub(super) fn equip_all(group: &Group, authority: &Authority, trusted: &str) -> Result<()> {
    group.nodes.iter().try_for_each(|node| authority.equip(node, Wish::of(&[host(node)]), trusted))
}
