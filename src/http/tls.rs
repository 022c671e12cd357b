//! TLS around a stream, and whose certificates are trusted.
//!
//! We trust the public authorities (Mozilla's list, compiled in, so that the result does not depend on the
//! host we run on), or those and the ones in a file. Where an organisation's own authority matters,
//! [`Tls::of_system`] takes those that the host trusts instead. A file may also hold the very certificate
//! that a server shows, as self-signed ones are trusted. [`Tls::unverified`] accepts any certificate: it
//! stops eavesdroppers but not impostors, so it is only for health checks.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::Error;
use crate::small_file;

/// Bytes that a file of certificates may have.
const LONGEST_FILE: u64 = 16 * 1024 * 1024;

/// The certificate authorities we trust. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

impl Tls {
    /// The public authorities.
    pub fn public() -> Self {
        Self::trusting(public_roots(), Vec::new())
    }

    /// The public authorities and the certificates in a PEM file.
    ///
    /// # Errors
    /// [`Error::Certificates`]: no such file, or none in it that can be read.
    pub fn with_certificates(path: &Path) -> Result<Self, Error> {
        let mut roots = public_roots();
        let named = add(&mut roots, path)?;
        Ok(Self::trusting(roots, named))
    }

    /// The authorities that this host trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others; the
    /// public ones, where there are none), and the certificates in a PEM file.
    ///
    /// # Errors
    /// As [`Self::with_certificates`], also when there is no certificate where the variables say.
    pub fn of_system(more: Option<&Path>) -> Result<Self, Error> {
        let mut roots = system_roots()?;
        let named = match more {
            Some(more) => add(&mut roots, more)?,
            None => Vec::new(),
        };
        Ok(Self::trusting(roots, named))
    }

    /// Accepts any certificate.
    pub fn unverified() -> Self {
        let provider = provider();
        let anybody = Arc::new(Anybody(provider.clone()));
        let config = builder(provider)
            .dangerous()
            .with_custom_certificate_verifier(anybody)
            .with_no_client_auth();
        Self {
            config: Arc::new(config),
        }
    }

    /// Trusts `roots`, and a server that shows one of `named` itself.
    fn trusting(roots: RootCertStore, named: Vec<CertificateDer<'static>>) -> Self {
        let provider = provider();
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .expect("there are roots, and no revocation lists that could be broken");
        let config = builder(provider)
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ChainOrNamed { chains, named }))
            .with_no_client_auth();
        Self {
            config: Arc::new(config),
        }
    }

    /// Shakes hands over `stream` with a server that has to be `name`. `to` is for messages.
    ///
    /// # Errors
    /// [`Error::Tls`], also when it is not done by `deadline`.
    pub async fn wrap<S>(
        &self,
        stream: S,
        name: &str,
        to: &str,
        deadline: Instant,
    ) -> Result<TlsStream<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let failed = |reason: String, cause: Option<io::Error>| Error::Tls {
            to: to.to_owned(),
            reason,
            is_untrusted: cause.as_ref().and_then(refusal).is_some_and(is_untrusted),
            cause,
        };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| failed(format!("“{name}” can be in no certificate"), None))?;
        let connector = TlsConnector::from(self.config.clone());
        match timeout_at(deadline, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(cause)) => Err(failed(reason(&cause), Some(cause))),
            Err(_) => Err(failed("the handshake took too long".to_owned(), None)),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// What rustls has against the other side.
fn refusal(cause: &io::Error) -> Option<&rustls::Error> {
    cause.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Whether the certificate was refused for not being among those we trust, nor signed by one of them.
fn is_untrusted(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_)
        )
    )
}

/// Why a handshake failed, in short words.
fn reason(cause: &io::Error) -> String {
    let Some(error) = refusal(cause) else {
        return match cause.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                "it closed the connection in the middle of the handshake".to_owned()
            }
            _ => cause.to_string(),
        };
    };
    let rustls::Error::InvalidCertificate(why) = error else {
        return match error {
            rustls::Error::InvalidMessage(_) => "it does not speak TLS on that port".to_owned(),
            other => other.to_string(),
        };
    };
    let words = match why {
        CertificateError::UnknownIssuer => "its certificate is signed by nobody we trust",
        // Marks that only an authority has, as openssl gives them to what it signs with its own key.
        CertificateError::Other(_) => {
            "its certificate is self-signed or an authority's, and not among those we trust"
        }
        CertificateError::BadSignature => {
            "its certificate names one that we trust as its signer, but that one's key did not sign it; it may have been made anew"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; compare the clocks of both hosts"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for servers"
        }
        _ => "its certificate cannot be used; “openssl s_client -connect” and “openssl x509 -text” show it",
    };
    words.to_owned()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn builder(provider: Arc<CryptoProvider>) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("this provider speaks the default versions of TLS")
}

fn unusable(path: &Path, reason: impl ToString) -> Error {
    Error::Certificates {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Adds the certificates in a file, each of which must be one, and returns them.
fn add(roots: &mut RootCertStore, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut added = Vec::new();
    let text = small_file::read(path, LONGEST_FILE).map_err(|error| unusable(path, error))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| unusable(path, error))?;
        roots
            .add(certificate.clone())
            .map_err(|error| unusable(path, error))?;
        added.push(certificate);
    }
    if added.is_empty() {
        return Err(unusable(path, "there is none in it"));
    }
    Ok(added)
}

/// The certificates of this host; those of a kind that we do not know are left out.
fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .into_iter()
        .find_map(std::env::var_os);
    match named {
        _ if !roots.is_empty() => Ok(roots),
        Some(path) => {
            let reason = found.errors.first().map(ToString::to_string);
            Err(unusable(
                Path::new(&path),
                reason.unwrap_or_else(|| "there is none in it".to_owned()),
            ))
        }
        None => Ok(public_roots()),
    }
}

fn public_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// Follows the chain of a certificate to a root, and also accepts certificates that are trusted by
/// themselves. `openssl req -x509` marks what it signs as an authority, and such a certificate may
/// not end a chain.
#[derive(Debug)]
struct ChainOrNamed {
    chains: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for ChainOrNamed {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = self
            .chains
            .verify_server_cert(certificate, between, name, ocsp, now);
        // “Other” is about the certificate's extensions. Dates are checked before them and have errors of
        // their own.
        let is_about_marks = matches!(
            found,
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
        );
        if !is_about_marks || !self.named.contains(certificate) {
            return found;
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Accepts every certificate whose owner proves to have its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
