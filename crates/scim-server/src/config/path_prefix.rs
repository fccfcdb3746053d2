//! The path prefix: the path of this server below which the SCIM endpoints are.

use std::fmt;
use std::str::FromStr;

/// A path such as `/scim/v2`, without a trailing slash. A proxy may show clients another one; see
/// [`BaseUrl`](super::base_url::BaseUrl).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(String);

/// The reason why a text is not a path prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPathPrefix(&'static str);

/// The last segment of a prefix with the version of the protocol (RFC 7644 section 3.13).
const VERSION: &str = "/v2";

/// First segments that the server uses, or that RFC 8615 reserves.
const RESERVED: [&str; 4] = ["livez", "readyz", "oauth2", ".well-known"];

/// The most bytes of a prefix.
const MAX_LENGTH: usize = 200;

impl PathPrefix {
    /// The default value of the setting.
    pub const DEFAULT: &str = "/scim/v2";

    /// Returns the prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the prefix without the version, for example `/scim` for `/scim/v2`. A path without the version addresses
    /// the latest one (RFC 7644 section 3.13). Returns `None` for a prefix without a version, and for `/v2`, without
    /// which no segment is left.
    pub fn unversioned(&self) -> Option<&str> {
        self.0.strip_suffix(VERSION).filter(|it| !it.is_empty())
    }

    /// Returns the version of a path with an unsupported version, for example `3` for `/scim/v3/Users`.
    pub fn other_version<'a>(&self, path: &'a str) -> Option<&'a str> {
        let version = path
            .strip_prefix(self.unversioned()?)?
            .strip_prefix("/v")?
            .split('/')
            .next()?;
        let is_version = !version.is_empty() && version.bytes().all(|it| it.is_ascii_digit() || it == b'.');
        (is_version && version != "2").then_some(version)
    }
}

impl Default for PathPrefix {
    fn default() -> PathPrefix {
        PathPrefix(PathPrefix::DEFAULT.to_owned())
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidPathPrefix;

    /// Reads a path of segments that need no percent-encoding (RFC 3986 section 2.3).
    fn from_str(text: &str) -> Result<PathPrefix, InvalidPathPrefix> {
        let Some(path) = text.strip_prefix('/') else {
            return Err(InvalidPathPrefix("it must begin with `/`"));
        };
        if path.is_empty() {
            return Err(InvalidPathPrefix(
                "it must have at least one segment, such as `/scim`",
            ));
        }
        if text.len() > MAX_LENGTH {
            return Err(InvalidPathPrefix("it is longer than 200 bytes"));
        }
        if path.ends_with('/') {
            return Err(InvalidPathPrefix("it must not end with `/`"));
        }
        let is_unreserved = |it: char| it.is_ascii_alphanumeric() || "-._~".contains(it);
        for segment in path.split('/') {
            if segment.is_empty() || segment == "." || segment == ".." {
                return Err(InvalidPathPrefix("no segment may be empty, `.` or `..`"));
            }
            if !segment.chars().all(is_unreserved) {
                return Err(InvalidPathPrefix(
                    "its segments may have letters, digits, `-`, `.`, `_` and `~` only",
                ));
            }
        }
        let first = path.split('/').next().unwrap_or_default();
        if RESERVED.contains(&first) {
            return Err(InvalidPathPrefix(
                "its first segment is reserved for other endpoints of the server",
            ));
        }
        Ok(PathPrefix(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> PathPrefix {
        text.parse().expect("the test has a valid prefix")
    }

    #[test]
    fn a_prefix_is_one_or_more_plain_segments() {
        for text in [
            "/scim/v2",
            "/scim",
            "/v2",
            "/a/b/c",
            "/Scim_2.0~x",
            "/livezz",
            "/scim/livez",
        ] {
            assert_eq!(
                text.parse::<PathPrefix>().map(|it| it.to_string()),
                Ok(text.to_owned())
            );
        }
        for (text, reason) in [
            ("", "begin with `/`"),
            ("scim", "begin with `/`"),
            ("https://example.com/scim", "begin with `/`"),
            ("/", "at least one segment"),
            ("/scim/", "end with `/`"),
            ("//", "end with `/`"),
            ("//scim", "empty"),
            ("/a//b", "empty"),
            ("/a/../b", "`..`"),
            ("/./a", "`.`"),
            ("/a b", "letters, digits"),
            ("/a%20b", "letters, digits"),
            ("/{id}", "letters, digits"),
            ("/a*", "letters, digits"),
            ("/a?b", "letters, digits"),
            ("/a#b", "letters, digits"),
            ("/é", "letters, digits"),
            ("/livez", "reserved"),
            ("/readyz/scim", "reserved"),
            ("/oauth2/v2", "reserved"),
            ("/.well-known/scim", "reserved"),
        ] {
            let error = text.parse::<PathPrefix>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let longest = format!("/{}", "a".repeat(199));
        assert!(longest.parse::<PathPrefix>().is_ok());
        assert!(format!("{longest}a").parse::<PathPrefix>().is_err());
    }

    #[test]
    fn a46_other_versions_are_distinguished_from_other_paths() {
        let other_version = |path| PathPrefix::default().other_version(path);
        assert_eq!(other_version("/scim/v3/Users"), Some("3"));
        assert_eq!(other_version("/scim/v1"), Some("1"));
        assert_eq!(other_version("/scim/v22/Users"), Some("22"));
        assert_eq!(other_version("/scim/v2.1/Users"), Some("2.1"));
        assert_eq!(other_version("/scim/v2/Nothing"), None);
        assert_eq!(other_version("/scim/vans"), None);
        assert_eq!(other_version("/scim/v"), None);
        assert_eq!(other_version("/scim/v/Users"), None);
        assert_eq!(other_version("/scim/Users"), None);
        assert_eq!(other_version("/scimx/v3/Users"), None);
    }

    #[test]
    fn only_a_prefix_with_a_version_and_more_has_an_unversioned_form() {
        assert_eq!(prefix("/scim/v2").unversioned(), Some("/scim"));
        assert_eq!(prefix("/a/b/v2").unversioned(), Some("/a/b"));
        for without in ["/v2", "/scim", "/scim/v1", "/scimv2"] {
            assert_eq!(prefix(without).unversioned(), None, "{without}");
            assert_eq!(prefix(without).other_version("/scim/v3/Users"), None, "{without}");
        }
    }
}
