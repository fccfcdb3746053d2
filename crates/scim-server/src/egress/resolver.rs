//! Names to addresses: the step at which an address is accepted is the step that the connection uses.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use url::Host;

use super::error::EgressError;
use super::target::{Reach, Rules, Target};

/// The time that a lookup may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// The most addresses of a name that are looked at.
const MAX_ADDRESSES: usize = 16;

/// Returns the addresses of a name.
pub type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// Returns the lookup of the operating system.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| Ok((name, 0).to_socket_addrs()?.map(|it| it.ip()).collect()))
}

/// Resolves the name in a URL, and returns only addresses that the rules permit. The client library connects to these
/// addresses and to no other, so a name server that answers differently a moment later has no effect.
#[derive(Clone)]
pub(super) struct GuardedResolver {
    pub(super) rules: Rules,
    pub(super) lookup: Lookup,
}

impl fmt::Debug for GuardedResolver {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("GuardedResolver")
    }
}

impl GuardedResolver {
    /// Returns the permitted addresses of a target: at least one.
    ///
    /// # Errors
    /// `Unresolved`, `Timeout`, or `Refused` when no address is permitted.
    pub(super) fn addresses(&self, target: &Target, timeout: Duration) -> Result<Vec<IpAddr>, EgressError> {
        let all = match (&target.host, target.address()) {
            (Host::Domain(name), _) => self.look_up(name, target.reach, timeout)?,
            (_, Some(address)) => vec![address],
            (_, None) => Vec::new(),
        };
        let mut permitted = Vec::new();
        let mut reason = None;
        for address in all.into_iter().take(MAX_ADDRESSES) {
            match self.rules.judge(target, address) {
                Ok(()) => permitted.push(address),
                Err(text) => reason = Some(text),
            }
        }
        match reason {
            _ if !permitted.is_empty() => Ok(permitted),
            Some(reason) => Err(EgressError::Refused(reason)),
            None => Err(EgressError::Unresolved),
        }
    }

    /// The operating system offers no lookup with a time limit, so a thread waits for it.
    fn look_up(&self, name: &str, reach: Reach, timeout: Duration) -> Result<Vec<IpAddr>, EgressError> {
        // The dot at the end keeps the search domains of this machine out. Names of the operator's list may need them.
        let name = match reach {
            Reach::Any => name.to_owned(),
            Reach::Public | Reach::Internal => format!("{name}."),
        };
        let (result, lookup) = (mpsc::sync_channel(1), self.lookup.clone());
        let (sender, receiver) = result;
        let started = thread::Builder::new()
            .name("egress-lookup".to_owned())
            .spawn(move || sender.send(lookup(&name)).is_ok());
        started.map_err(|error| EgressError::Unreachable(error.to_string()))?;
        match receiver.recv_timeout(timeout.min(LOOKUP_TIMEOUT)) {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(_)) | Err(_) => Err(EgressError::Unresolved),
        }
    }
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let resolved = self
            .rules
            .target(&uri.to_string())
            .and_then(|target| Ok((self.addresses(&target, *timeout.after)?, target.port)));
        let (addresses, port) = resolved.map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut result = self.empty();
        for address in addresses {
            result.push(SocketAddr::new(address, port));
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn resolver(answers: &'static [&'static [&'static str]], allowed: &[&str]) -> GuardedResolver {
        let turn = AtomicUsize::new(0);
        let lookup = move |name: &str| {
            assert!(
                name.ends_with('.') || name == "keycloak",
                "{name} may get a search domain"
            );
            let answer = answers[turn.fetch_add(1, Ordering::SeqCst) % answers.len()];
            Ok(answer.iter().filter_map(|it| it.parse().ok()).collect())
        };
        GuardedResolver {
            rules: Rules {
                allow: allowed.iter().filter_map(|it| it.parse().ok()).collect(),
                ..Rules::default()
            },
            lookup: Arc::new(lookup),
        }
    }

    fn resolve(resolver: &GuardedResolver, url: &str) -> Result<Vec<String>, EgressError> {
        let target = resolver.rules.target(url)?;
        let addresses = resolver.addresses(&target, Duration::from_secs(1))?;
        Ok(addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn evt_133_a_name_that_alternates_never_leads_to_a_loopback_address() {
        let alternating = resolver(&[&["8.8.8.8"], &["127.0.0.1"]], &[]);
        for turn in 0..10 {
            match resolve(&alternating, "https://example.com/") {
                Ok(addresses) => assert_eq!((turn % 2, addresses), (0, vec!["8.8.8.8".to_owned()])),
                Err(error) => assert!(
                    turn % 2 == 1 && matches!(error, EgressError::Refused(_)),
                    "{error}"
                ),
            }
        }
        let mixed = resolver(&[&["127.0.0.1", "8.8.8.8", "::1", "169.254.169.254"]], &[]);
        assert_eq!(
            resolve(&mixed, "https://example.com/").expect("one is public"),
            ["8.8.8.8"]
        );
    }

    #[test]
    fn names_with_refused_addresses_only_say_why() {
        let internal = resolver(&[&["10.0.0.1"]], &[]);
        let error = resolve(&internal, "https://example.com/").expect_err("it is private");
        assert_eq!(
            error.to_string(),
            "the host has a private address: an operator can allow it with `--egress-allow`"
        );
        let missing = resolver(&[&[]], &[]);
        let error = resolve(&missing, "https://example.com/").expect_err("it has no address");
        assert!(matches!(error, EgressError::Unresolved));
    }

    #[test]
    fn names_with_another_port_lead_to_listed_networks_only() {
        let listed = resolver(&[&["10.1.0.1", "8.8.8.8"]], &["10.1.0.0/16"]);
        for url in ["http://issuer.example.com/", "https://issuer.example.com:8443/"] {
            assert_eq!(
                resolve(&listed, url).expect("one is listed"),
                ["10.1.0.1"],
                "{url}"
            );
        }
        let both = resolve(&listed, "https://issuer.example.com/").expect("both are permitted");
        assert_eq!(both, ["10.1.0.1", "8.8.8.8"]);
        let by_name = resolver(&[&["192.168.7.7"]], &["keycloak"]);
        assert_eq!(
            resolve(&by_name, "http://keycloak:8080/").expect("it is listed"),
            ["192.168.7.7"]
        );
    }

    #[test]
    fn evt_142_lookups_end_in_time_and_have_a_limit_of_answers() {
        let mut slow = resolver(&[&[]], &[]);
        slow.lookup = Arc::new(|_| {
            thread::sleep(Duration::from_millis(300));
            Ok(vec![])
        });
        let target = slow.rules.target("https://example.com/").expect("it is valid");
        let error = slow
            .addresses(&target, Duration::from_millis(20))
            .expect_err("it is slow");
        assert!(matches!(error, EgressError::Unresolved));
        let mut many = resolver(&[&[]], &[]);
        many.lookup = Arc::new(|_| Ok((0..100).map(|it| IpAddr::from([8, 8, 8, it])).collect()));
        assert_eq!(
            resolve(&many, "https://example.com/")
                .expect("all are public")
                .len(),
            16
        );
    }
}
