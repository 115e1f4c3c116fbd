//! Certificates made for the run: an authority, and what it signed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};

/// An authority with files for what it signs.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
}

/// A certificate and its key, in files.
#[derive(Debug, Clone)]
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    /// The SHA-256 digest of the certificate is of these bytes.
    pub der: Vec<u8>,
}

/// What a certificate says of its holder.
#[derive(Debug, Clone, Default)]
pub struct Names<'a> {
    /// The common name.
    pub common_name: &'a str,
    /// The organizational unit; none where it is empty.
    pub unit: &'a str,
    /// URIs among the subject alternative names.
    pub uris: &'a [&'a str],
    /// DNS names there.
    pub dns: &'a [&'a str],
}

impl Authority {
    /// A new authority of this name, with files in `dir`.
    pub fn new(dir: &Path, name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let dir = dir.join(name);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("ca.pem"), params.self_signed(&key)?.pem())?;
        Ok(Self { issuer: Issuer::new(params, key), dir })
    }

    /// The file with its own certificate.
    pub fn file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Signs a certificate; `file` tells its files from others.
    pub fn sign(&self, file: &str, names: &Names<'_>) -> Result<Identity> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = DistinguishedName::new();
        // The unit comes before the name in a certificate; read out (RFC 2253), the name comes first.
        if !names.unit.is_empty() {
            params.distinguished_name.push(DnType::OrganizationalUnitName, names.unit);
        }
        params.distinguished_name.push(DnType::CommonName, names.common_name);
        for uri in names.uris {
            params.subject_alt_names.push(SanType::URI((*uri).try_into()?));
        }
        for name in names.dns {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.issuer)?;
        let path = |kind: &str| self.dir.join(format!("{file}{kind}.pem"));
        let identity = Identity { certificate: path(""), key: path("-key"), der: signed.der().to_vec() };
        fs::write(&identity.certificate, signed.pem())?;
        fs::write(&identity.key, key.serialize_pem())?;
        Ok(identity)
    }
}

impl Identity {
    /// The entry of `tls_certificates`.
    pub fn tls_certificate(&self) -> Value {
        json!({
            "certificate_chain": {"filename": self.certificate}, "private_key": {"filename": self.key},
        })
    }

    /// The transport socket of a cluster that connects with this certificate.
    pub fn upstream(&self) -> Value {
        upstream(&json!([self.tls_certificate()]))
    }
}

/// The transport socket of a cluster that connects with these certificates, and believes every server.
pub fn upstream(certificates: &Value) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {"tls_certificates": certificates},
        }
    })
}

/// The SHA-256 digest of a certificate.
pub fn sha256(der: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(der).into()
}
