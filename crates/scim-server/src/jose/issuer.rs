//! The identifier of an issuer of tokens.

use std::str::FromStr;

/// The identifier of an issuer: an `https` URL without query and fragment (RFC 8414 section 2). Receivers compare it
/// character by character, so it is kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

impl Issuer {
    /// Returns the URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Issuer {
    type Err = &'static str;

    /// Reads a URL, without the blanks around it.
    fn from_str(text: &str) -> Result<Issuer, &'static str> {
        let text = text.trim();
        let rest = text
            .strip_prefix("https://")
            .ok_or("it must begin with `https://`")?;
        if text.contains(['?', '#']) {
            return Err("it must not have a query or a fragment");
        }
        let is_forbidden = |it: char| it.is_whitespace() || it.is_control() || "\"<>\\^`{|}@".contains(it);
        if !text.is_ascii() || text.contains(is_forbidden) {
            return Err("it contains a character that is not allowed here");
        }
        check_authority(rest.split('/').next().unwrap_or_default())?;
        Ok(Issuer(text.to_owned()))
    }
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    // The colons of an IPv6 address are inside of brackets.
    let end_of_host = authority.find(']').map_or(0, |it| it + 1);
    let (host, port) = match authority[end_of_host..].find(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(end_of_host + colon);
            (host, Some(&port[1..]))
        }
        None => (authority, None),
    };
    if host.is_empty() {
        return Err("it does not name a host");
    }
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => Ok(()),
        Some(_) => Err("its port is not a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cred-95, evt-69
    #[test]
    fn cred_95_an_issuer_is_an_https_url_without_query_and_fragment() {
        for text in [
            "https://scim.example.com",
            "https://example.com/scim",
            " https://example.com:8443/\n",
            "https://[2001:db8::1]:8443/scim",
            "https://[2001:db8::1]",
        ] {
            let issuer: Issuer = text.parse().expect("it is an issuer");
            assert_eq!(issuer.as_str(), text.trim());
        }
        for text in [
            "",
            "http://example.com",
            "https://",
            "https:///a",
            "https://:8443",
            "https://a:b",
            "https://a:0",
            "https://a:70000",
            "https://[::1]:",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://a b",
            "example.com",
        ] {
            assert!(text.parse::<Issuer>().is_err(), "{text}");
        }
    }
}
