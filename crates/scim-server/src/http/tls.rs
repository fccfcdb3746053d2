//! TLS of the listeners, with rustls: the certificates, which are read again when their files change.
//!
//! A new certificate is used by new connections. Open ones keep the keys that they have agreed on.

mod connection;
mod pem;
mod watch;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use rustls::ServerConfig;
use sha2::{Digest, Sha256};

pub(super) use self::connection::accept;
pub use self::watch::watch;
use crate::clock;
use crate::config::Config;
use crate::config::tls::TlsFiles;

/// The time before the end of a certificate from which the log warns.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(14);

/// TLS of a listener cannot start. The text names the flag and the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

/// TLS of both listeners; `None` where a listener speaks plain HTTP.
#[derive(Clone, Default)]
pub struct ServerTls {
    /// The listener for SCIM.
    pub scim: Option<Arc<Tls>>,
    /// The management listener.
    pub management: Option<Arc<Tls>>,
}

impl ServerTls {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub fn load(config: &Config) -> Result<ServerTls, TlsError> {
        let load = |files: &Option<TlsFiles>| files.clone().map(Tls::load).transpose();
        Ok(ServerTls {
            scim: load(&config.tls)?,
            management: load(&config.management_tls)?,
        })
    }

    /// Returns the listeners with TLS.
    pub fn all(&self) -> Vec<Arc<Tls>> {
        let both = [&self.scim, &self.management];
        both.into_iter().filter_map(Clone::clone).collect()
    }
}

/// Reads the files as a listener would, and returns the time at which the certificate expires.
///
/// # Errors
/// A file cannot be read or used, or the key does not belong to the certificate.
pub fn expiry(files: &TlsFiles) -> Result<DateTime<Utc>, TlsError> {
    Ok(Contents::read(files)?.load(files)?.expires)
}

/// The certificate of a listener.
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Loaded>,
    /// Why the files could not be used when they were last read.
    problem: Mutex<Option<String>>,
    failed_handshakes: AtomicU64,
}

/// The files as they were read.
#[derive(Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    expires: DateTime<Utc>,
    /// The hash of the files. The private key itself is not kept.
    digest: [u8; 32],
}

/// The result of reading the files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reload {
    Unchanged,
    Replaced,
    Failed,
}

impl Tls {
    /// Reads the files. A certificate that has expired is logged as a warning, because clients say so clearly.
    ///
    /// # Errors
    /// A file cannot be read or used, or the key does not belong to the certificate.
    pub fn load(files: TlsFiles) -> Result<Arc<Tls>, TlsError> {
        let contents = Contents::read(&files)?;
        let tls = Tls {
            current: RwLock::new(contents.load(&files)?),
            files,
            problem: Mutex::default(),
            failed_handshakes: AtomicU64::new(0),
        };
        tls.warn_of_expiry(clock::now());
        Ok(Arc::new(tls))
    }

    /// Returns the name of the listener.
    pub(super) fn listener(&self) -> &'static str {
        self.files.flags.listener
    }

    /// Returns the time at which the certificate expires.
    pub fn expires(&self) -> DateTime<Utc> {
        self.loaded().expires
    }

    /// Returns the number of connections whose handshake failed.
    pub(super) fn failed_handshakes(&self) -> u64 {
        self.failed_handshakes.load(Ordering::Relaxed)
    }

    fn loaded(&self) -> Loaded {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads the files again, and uses them for new connections if they have changed. If they cannot be used, the
    /// certificate stays as it is, and the log says so once for each reason.
    fn reload(&self) -> Reload {
        let path = self.files.certificate.display();
        let flag = self.files.flags.certificate;
        let loaded = Contents::read(&self.files).and_then(|contents| {
            let is_unchanged = contents.digest() == self.loaded().digest;
            match is_unchanged {
                true => Ok(None),
                false => contents.load(&self.files).map(Some),
            }
        });
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        match loaded {
            Ok(None) => {
                *problem = None;
                Reload::Unchanged
            }
            Ok(Some(loaded)) => {
                *problem = None;
                let until = loaded.expires.to_rfc3339();
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                log::info!(
                    "{flag} {path}: new connections get the new certificate, which is valid until {until}"
                );
                self.warn_of_expiry(clock::now());
                Reload::Replaced
            }
            Err(error) => {
                let text = error.to_string();
                if problem.as_ref() != Some(&text) {
                    log::error!("{text}; the server continues with the certificate that it has read before");
                    *problem = Some(text);
                }
                Reload::Failed
            }
        }
    }

    /// Logs a warning if the certificate expires soon or has expired.
    fn warn_of_expiry(&self, now: DateTime<Utc>) {
        let expires = self.expires();
        if expires - now > EXPIRES_SOON {
            return;
        }
        let verb = if expires <= now { "expired" } else { "expires" };
        let (flag, path) = (self.files.flags.certificate, self.files.certificate.display());
        let when = expires.to_rfc3339();
        log::warn!("{flag} {path}: the certificate {verb} on {when}: replace the file");
    }
}

/// The contents of the files.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Contents, TlsError> {
        let flags = files.flags;
        let read =
            |flag: &str, path: &Path| fs::read(path).map_err(|error| problem(flag, path, &error.to_string()));
        let client_authorities = files.client_authorities.as_deref();
        Ok(Contents {
            certificate: read(flags.certificate, &files.certificate)?,
            key: read(flags.key, &files.key)?,
            client_authorities: client_authorities
                .map(|path| read(flags.client_authorities, path))
                .transpose()?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let authorities = self.client_authorities.as_deref().unwrap_or_default();
        for part in [&self.certificate, &self.key, authorities] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    fn load(&self, files: &TlsFiles) -> Result<Loaded, TlsError> {
        let flags = files.flags;
        let chain = pem::certificates(&self.certificate)
            .map_err(|text| problem(flags.certificate, &files.certificate, &text))?;
        let expires =
            pem::expiry(&chain).map_err(|text| problem(flags.certificate, &files.certificate, &text))?;
        let key = pem::key(&self.key).map_err(|text| problem(flags.key, &files.key, &text))?;
        let verifier = match (&self.client_authorities, &files.client_authorities) {
            (Some(contents), Some(path)) => Some(
                pem::client_verifier(contents)
                    .map_err(|text| problem(flags.client_authorities, path, &text))?,
            ),
            _ => None,
        };
        let config =
            pem::server_config(chain, key, verifier).map_err(|text| problem(flags.key, &files.key, &text))?;
        Ok(Loaded {
            config: Arc::new(config),
            expires,
            digest: self.digest(),
        })
    }
}

fn problem(flag: &str, path: &Path, text: &str) -> TlsError {
    TlsError(format!("{flag} {}: {text}", path.display()))
}
