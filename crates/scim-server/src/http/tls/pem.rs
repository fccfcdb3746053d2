//! Certificates and keys as rustls wants them, from PEM files.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{Error, RootCertStore, ServerConfig};

/// Reads a chain of certificates, that of the server first.
pub(super) fn certificates(contents: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(contents).collect();
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err("expected a PEM file with a certificate (`-----BEGIN CERTIFICATE-----`)".to_owned())
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("it is not a PEM file: {error}")),
    }
}

/// Reads a private key.
pub(super) fn key(contents: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(contents).map_err(|error| {
        let is_encrypted = contents
            .windows(ENCRYPTED.len())
            .any(|it| it == ENCRYPTED.as_bytes());
        match error {
            pem::Error::NoItemsFound if is_encrypted => {
                "the private key is encrypted: store it without a password, readable by the server only"
                    .to_owned()
            }
            pem::Error::NoItemsFound => {
                "expected a PEM file with a private key (`-----BEGIN PRIVATE KEY-----`)".to_owned()
            }
            error => format!("it is not a PEM file: {error}"),
        }
    })
}

const ENCRYPTED: &str = "BEGIN ENCRYPTED PRIVATE KEY";

/// Returns the time at which the first certificate of a chain expires.
pub(super) fn expiry(chain: &[CertificateDer]) -> Result<DateTime<Utc>, String> {
    let first = chain.first().ok_or("it has no certificate")?;
    let (_, certificate) = x509_parser::parse_x509_certificate(first)
        .map_err(|error| format!("the certificate cannot be read: {error}"))?;
    let seconds = certificate.validity().not_after.timestamp();
    Ok(DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC))
}

/// Returns a verifier that demands a certificate of one of these authorities.
pub(super) fn client_verifier(contents: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(contents)? {
        roots
            .add(authority)
            .map_err(|error| format!("a certificate cannot be used: {error}"))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| error.to_string())
}

/// Returns the settings for connections: TLS 1.2 and 1.3, and HTTP/1.1.
pub(super) fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            Error::InconsistentKeys(_) => "the key does not belong to the certificate".to_owned(),
            error => format!("the key cannot be used: {error}"),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
