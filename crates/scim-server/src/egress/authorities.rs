//! The certificate authorities that outgoing connections trust.

use std::fmt;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// The certificate authorities that outgoing connections trust; by default the public ones of Mozilla's list, which is
/// part of the binary.
#[derive(Clone)]
pub struct Authorities(pub(super) RootCerts);

impl Default for Authorities {
    fn default() -> Authorities {
        Authorities(RootCerts::WebPki)
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("Authorities")
    }
}

impl Authorities {
    /// Reads certificates in PEM. They take the place of the public ones.
    ///
    /// # Errors
    /// The text is not valid, or it has no certificate.
    pub fn from_pem(text: &[u8]) -> Result<Authorities, String> {
        let mut certificates: Vec<Certificate<'static>> = Vec::new();
        for item in parse_pem(text) {
            if let PemItem::Certificate(it) = item.map_err(|error| error.to_string())? {
                certificates.push(it);
            }
        }
        match certificates.is_empty() {
            true => Err("it has no certificate in PEM".to_owned()),
            false => Ok(Authorities(RootCerts::new_with_certs(&certificates))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, TcpListener};
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ServerConfig, ServerConnection, Stream};

    use super::*;
    use crate::egress::{Egress, EgressError, EgressSettings, Limits, Method, Oversize, Request};

    /// Starts a server with a certificate for `issuer.example.com`, and returns its port and its authority in PEM.
    fn serve() -> (u16, String) {
        let key = KeyPair::generate().expect("there are random bytes");
        let mut params = CertificateParams::new(vec![]).expect("they are valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("it is valid").pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("there are random bytes");
        let params = CertificateParams::new(vec!["issuer.example.com".to_owned()]).expect("it is a name");
        let certificate = params.signed_by(&key, &issuer).expect("it is valid");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the versions are known")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            );
        let config = Arc::new(config.expect("the key fits"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a client connects");
                let mut tls = ServerConnection::new(config.clone()).expect("it is valid");
                let mut tls = Stream::new(&mut tls, &mut stream);
                // A client that does not trust the certificate ends the connection.
                if tls.read(&mut [0; 4096]).is_ok_and(|it| it > 0) {
                    let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                }
            }
        });
        (port, authority)
    }

    fn get(authorities: Authorities, url: &str) -> Result<u16, EgressError> {
        let names = ["issuer.example.com", "other.example.com"];
        let settings = EgressSettings {
            allow: names.iter().filter_map(|it| it.parse().ok()).collect(),
            authorities,
            ..EgressSettings::default()
        };
        let egress = Egress::new(settings, Arc::new(|_| Ok(vec![IpAddr::from([127, 0, 0, 1])])));
        let limits = Limits {
            connect: Duration::from_secs(3),
            total: Duration::from_secs(5),
            body: 100,
            oversize: Oversize::Refuse,
        };
        let request = Request {
            method: Method::Get,
            target: &egress.target(url)?,
            headers: &[],
            body: &[],
        };
        Ok(egress.send(&request, &limits)?.status)
    }

    /// evt-30
    #[test]
    fn a_host_needs_a_certificate_for_its_name_from_a_trusted_authority() {
        let (port, authority) = serve();
        let listed = Authorities::from_pem(authority.as_bytes()).expect("it is a certificate");
        let url = format!("https://issuer.example.com:{port}/keys");
        assert_eq!(get(listed.clone(), &url).expect("it is trusted"), 200);
        let other_name = format!("https://other.example.com:{port}/keys");
        for (authorities, url) in [(Authorities::default(), &url), (listed, &other_name)] {
            let refused = get(authorities, url);
            assert!(matches!(refused, Err(EgressError::Tls(_))), "{refused:?}");
        }
    }

    #[test]
    fn a_file_of_authorities_has_at_least_one_certificate() {
        let (_, authority) = serve();
        assert!(Authorities::from_pem(format!("# a comment\n{authority}{authority}").as_bytes()).is_ok());
        for text in [
            "",
            "issuer",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            assert!(Authorities::from_pem(text.as_bytes()).is_err(), "{text}");
        }
    }
}
