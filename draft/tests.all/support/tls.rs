//! Certificates that no public authority signed, for servers of tests that speak TLS.
#![allow(
    clippy::disallowed_methods,
    reason = "openssl makes a certificate before the test begins"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate and its key, as PEM files.
pub struct Identity {
    pub key: PathBuf,
    pub certificate: PathBuf,
}

impl Identity {
    /// Makes one in `dir` for these alternative names, as openssl writes them: `DNS:localhost,IP:127.0.0.1`.
    pub fn new(dir: &Path, names: &str) -> Self {
        Self::marked(dir, names, &["-addext", "basicConstraints=critical,CA:FALSE"])
    }

    /// One that is marked as an authority, as openssl makes them unless told otherwise.
    pub fn authority(dir: &Path, names: &str) -> Self {
        Self::marked(dir, names, &[])
    }

    fn marked(dir: &Path, names: &str, marks: &[&str]) -> Self {
        let (key, certificate) = (dir.join("key.pem"), dir.join("certificate.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-days", "2", "-nodes", "-subj", "/CN=test"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(marks)
            .args(["-addext", &format!("subjectAltName={names}")])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{made:?}");
        Self { key, certificate }
    }

    /// What a server accepts TLS connections with.
    pub fn acceptor(&self) -> TlsAcceptor {
        let chain = vec![CertificateDer::from_pem_file(&self.certificate).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        TlsAcceptor::from(Arc::new(config))
    }
}
