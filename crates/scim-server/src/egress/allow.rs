//! The operator's list of internal targets.

use std::collections::HashSet;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The networks and names that tenants' URLs may lead to although they are internal: on every port, and by plain HTTP.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    names: HashSet<String>,
    networks: Vec<IpNet>,
}

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowEntry {
    /// A network, for example `10.1.0.0/16`, or a single address.
    Network(IpNet),
    /// The name of a host, in lower case.
    Name(String),
}

/// The text is not an entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a network such as `10.1.0.0/16`, an address, or the name of a host without scheme and port"
)]
pub struct InvalidEntry;

impl FromStr for AllowEntry {
    type Err = InvalidEntry;

    fn from_str(text: &str) -> Result<AllowEntry, InvalidEntry> {
        let text = text.trim();
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(AllowEntry::Network(network.trunc()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(AllowEntry::Network(address.into()));
        }
        // The parser of URLs brings the name to the form in which it is compared, and refuses what is no name.
        match url::Host::parse(text) {
            Ok(url::Host::Domain(name)) if !name.ends_with('.') && !text.contains(['/', ':', '*', '@']) => {
                Ok(AllowEntry::Name(name))
            }
            _ => Err(InvalidEntry),
        }
    }
}

impl FromIterator<AllowEntry> for AllowList {
    fn from_iter<T: IntoIterator<Item = AllowEntry>>(entries: T) -> AllowList {
        let mut list = AllowList::default();
        for entry in entries {
            match entry {
                AllowEntry::Network(network) => list.networks.push(network),
                AllowEntry::Name(name) => {
                    list.names.insert(name);
                }
            }
        }
        list
    }
}

impl AllowList {
    /// Returns whether the list has this name of a host.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Returns whether a network of the list has this address.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|it| it.contains(&address))
    }

    /// Returns whether the list has networks.
    pub(super) fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_networks_addresses_or_names() {
        for (text, expected) in [
            ("10.1.2.3/16", "Network(10.1.0.0/16)"),
            ("127.0.0.1", "Network(127.0.0.1/32)"),
            (" fd00::/8 ", "Network(fd00::/8)"),
            ("::1", "Network(::1/128)"),
            ("Issuer.Example.COM", "Name(\"issuer.example.com\")"),
            ("keycloak", "Name(\"keycloak\")"),
        ] {
            let entry: AllowEntry = text.parse().expect("it is an entry");
            assert_eq!(format!("{entry:?}"), expected);
        }
        for text in [
            "",
            "https://example.com",
            "example.com:8443",
            "*.example.com",
            "10.0.0.0/33",
            "a b",
            "a/b",
            "example.com.",
        ] {
            assert_eq!(text.parse::<AllowEntry>(), Err(InvalidEntry), "{text}");
        }
    }

    #[test]
    fn a_network_has_its_addresses_in_both_notations() {
        let list: AllowList = ["10.1.0.0/16"].iter().filter_map(|it| it.parse().ok()).collect();
        for (address, expected) in [
            ("10.1.255.1", true),
            ("::ffff:10.1.0.1", true),
            ("10.2.0.1", false),
            ("::1", false),
        ] {
            let address = address.parse().expect("it is an address");
            assert_eq!(list.has_address(address), expected, "{address}");
        }
    }
}
