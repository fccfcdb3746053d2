//! Scopes of access tokens (RFC 6749 section 3.3).

use super::error::{ErrorCode, OAuthError};

/// The scope of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Reads and writes users and groups.
    Scim,
    /// Reads users and groups.
    ScimRead,
}

impl Scope {
    /// The names of all scopes, for the metadata.
    pub const NAMES: [&str; 2] = ["scim", "scim.read"];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Scim => "scim",
            Scope::ScimRead => "scim.read",
        }
    }

    /// Returns the scope of a token: the requested one, limited to what the client may do. If the request names no
    /// scope, the token allows everything that the client may do.
    ///
    /// # Errors
    /// `InvalidScope` when the request names an unknown scope.
    pub fn granted(requested: Option<&str>, client_is_read_only: bool) -> Result<Scope, OAuthError> {
        let mut scope = None;
        for name in requested
            .unwrap_or_default()
            .split(' ')
            .filter(|it| !it.is_empty())
        {
            let named = match name {
                // One of Microsoft's pages asks for `scim.readwrite`.
                "scim" | "scim.readwrite" => Scope::Scim,
                "scim.read" => Scope::ScimRead,
                _ => {
                    return Err(OAuthError::new(
                        ErrorCode::InvalidScope,
                        "the scopes are scim and scim.read",
                    ));
                }
            };
            if scope != Some(Scope::Scim) {
                scope = Some(named);
            }
        }
        Ok(match (scope, client_is_read_only) {
            (_, true) | (Some(Scope::ScimRead), _) => Scope::ScimRead,
            (_, false) => Scope::Scim,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cred-27
    #[test]
    fn cred_27_scopes_are_names_that_the_server_knows() {
        use Scope::{Scim, ScimRead};
        for (requested, of_writer, of_reader) in [
            (None, Some(Scim), Some(ScimRead)),
            (Some("scim"), Some(Scim), Some(ScimRead)),
            (Some("scim.readwrite"), Some(Scim), Some(ScimRead)),
            (Some("scim.read"), Some(ScimRead), Some(ScimRead)),
            (Some("scim scim.read"), Some(Scim), Some(ScimRead)),
            (Some("scim.read scim"), Some(Scim), Some(ScimRead)),
            (Some("SCIM"), None, None),
            (Some("scim,scim.read"), None, None),
            (Some("scim admin"), None, None),
            (Some("events.read"), None, None),
            (Some("scim\"\\"), None, None),
            (Some("scim\tscim"), None, None),
        ] {
            assert_eq!(Scope::granted(requested, false).ok(), of_writer, "{requested:?}");
            assert_eq!(Scope::granted(requested, true).ok(), of_reader, "{requested:?}");
        }
    }
}
