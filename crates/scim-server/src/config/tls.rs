//! The files of TLS for a listener.

use std::path::PathBuf;

/// The files with the certificate of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The names of the flags, for messages.
    pub flags: &'static TlsFlags,
    /// PEM: the certificate of the server, followed by the certificates of intermediate authorities.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS #8, PKCS #1 or SEC 1), without encryption.
    pub key: PathBuf,
    /// PEM: the authorities whose client certificates are accepted. Without it, clients need no certificate.
    pub client_authorities: Option<PathBuf>,
}

/// The flags that name the files of a listener, and its name in metrics.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsFlags {
    /// The name of the listener.
    pub listener: &'static str,
    /// The flag of the certificate.
    pub certificate: &'static str,
    /// The flag of the key.
    pub key: &'static str,
    /// The flag of the client authorities.
    pub client_authorities: &'static str,
}

impl TlsFlags {
    /// The flags of the listener for SCIM.
    pub const SCIM: TlsFlags = TlsFlags {
        listener: "scim",
        certificate: "--tls-certificate",
        key: "--tls-key",
        // Clients of SCIM have bearer tokens.
        client_authorities: "",
    };
    /// The flags of the management listener.
    pub const MANAGEMENT: TlsFlags = TlsFlags {
        listener: "management",
        certificate: "--management-tls-certificate",
        key: "--management-tls-key",
        client_authorities: "--management-client-ca",
    };

    /// Returns the files, if the flags name some.
    ///
    /// # Errors
    /// A flag is missing that another one needs.
    pub fn files(
        &'static self,
        certificate: Option<PathBuf>,
        key: Option<PathBuf>,
        client_authorities: Option<PathBuf>,
    ) -> Result<Option<TlsFiles>, String> {
        let (has, needs) = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                return Ok(Some(TlsFiles {
                    flags: self,
                    certificate,
                    key,
                    client_authorities,
                }));
            }
            (Some(_), None) => (self.certificate, self.key),
            (None, Some(_)) => (self.key, self.certificate),
            (None, None) if client_authorities.is_some() => (self.client_authorities, self.certificate),
            (None, None) => return Ok(None),
        };
        Err(format!("{has} needs {needs} too"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_its_key_belong_together() {
        let files = |certificate: Option<&str>, key: Option<&str>, authorities: Option<&str>| {
            TlsFlags::MANAGEMENT.files(
                certificate.map(Into::into),
                key.map(Into::into),
                authorities.map(Into::into),
            )
        };
        assert_eq!(files(None, None, None), Ok(None));
        let both = files(Some("c"), Some("k"), None).expect("they are complete");
        assert_eq!(both.map(|it| it.key), Some("k".into()));
        for (wrong, told) in [
            (
                files(Some("c"), None, None),
                "--management-tls-certificate needs --management-tls-key too",
            ),
            (
                files(None, Some("k"), Some("a")),
                "--management-tls-key needs --management-tls-certificate too",
            ),
            (
                files(None, None, Some("a")),
                "--management-client-ca needs --management-tls-certificate too",
            ),
        ] {
            assert_eq!(wrong, Err(told.to_owned()));
        }
    }
}
