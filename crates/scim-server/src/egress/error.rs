//! Errors of outgoing requests.

/// An outgoing request that got no response.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The rules do not permit the target. The text says why, and a change of the URL or of the operator's list helps.
    #[error("{0}")]
    Refused(String),
    /// The name of the host does not exist, or no name server answered in time.
    #[error("the name of the host cannot be resolved")]
    Unresolved,
    /// The connection or the response did not come in time.
    #[error("no response in time")]
    Timeout,
    /// No connection was possible, or it broke.
    #[error("the connection failed: {0}")]
    Unreachable(String),
    /// The certificate of the host is not valid for its name, or the two sides share no version of TLS.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The response is larger than the limit.
    #[error("the response is too large")]
    TooLarge,
    /// The response is not HTTP.
    #[error("the response is not valid: {0}")]
    Protocol(String),
}

impl EgressError {
    /// Returns whether the same request may succeed later without a change of settings.
    pub fn is_temporary(&self) -> bool {
        !matches!(self, EgressError::Refused(_))
    }
}
