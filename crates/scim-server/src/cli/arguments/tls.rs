//! The arguments of TLS.

use std::path::PathBuf;

use clap::Args;

use super::path;
use crate::config::tls::{TlsFiles, TlsFlags};

const TLS: &str = "TLS";

/// The certificates of the listeners.
#[derive(Clone, Debug, Args)]
pub struct TlsArgs {
    /// A PEM file with the certificate of this server, followed by those of its authorities: clients reach
    /// `--listen` by https. The file is read again when it changes
    #[arg(long, help_heading = TLS, env = "SCIM_TLS_CERTIFICATE", value_name = "FILE", value_parser = path())]
    tls_certificate: Option<PathBuf>,

    /// A PEM file with the private key of the certificate, without a password
    #[arg(long, help_heading = TLS, env = "SCIM_TLS_KEY", value_name = "FILE", value_parser = path())]
    tls_key: Option<PathBuf>,

    /// The certificate of `--management-listen`, as `--tls-certificate`; it may be the same file
    #[arg(long, help_heading = TLS, env = "SCIM_MANAGEMENT_TLS_CERTIFICATE", value_name = "FILE", value_parser = path())]
    management_tls_certificate: Option<PathBuf>,

    /// The private key of this certificate
    #[arg(long, help_heading = TLS, env = "SCIM_MANAGEMENT_TLS_KEY", value_name = "FILE", value_parser = path())]
    management_tls_key: Option<PathBuf>,

    /// A PEM file with certificate authorities: clients of the management listener need a certificate of one of them,
    /// also for the probes and `/metrics`
    #[arg(long, help_heading = TLS, env = "SCIM_MANAGEMENT_CLIENT_CA", value_name = "FILE", value_parser = path())]
    management_client_ca: Option<PathBuf>,
}

impl TlsArgs {
    /// Returns the files of the listener for SCIM.
    ///
    /// # Errors
    /// A text that names the missing flag.
    pub(in crate::cli) fn scim(&self) -> Result<Option<TlsFiles>, String> {
        TlsFlags::SCIM.files(self.tls_certificate.clone(), self.tls_key.clone(), None)
    }

    /// Returns the files of the management listener.
    ///
    /// # Errors
    /// As [`TlsArgs::scim`].
    pub(in crate::cli) fn management(&self) -> Result<Option<TlsFiles>, String> {
        TlsFlags::MANAGEMENT.files(
            self.management_tls_certificate.clone(),
            self.management_tls_key.clone(),
            self.management_client_ca.clone(),
        )
    }
}
