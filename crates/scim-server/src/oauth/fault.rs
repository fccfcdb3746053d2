//! The reason for refusing an assertion.

use std::fmt;

/// The first check that an assertion failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of the check: a claim, a header parameter, or a word such as `signature`.
    pub check: &'static str,
    /// The problem, for the operator. It may contain values of the assertion and of the settings.
    pub problem: String,
    /// Whether the signature was right before this check.
    signature_is_right: bool,
}

impl Fault {
    /// Creates a fault that was found before the signature was verified, or that is a wrong signature.
    pub(super) fn unsigned(check: &'static str, problem: impl Into<String>) -> Fault {
        Fault {
            check,
            problem: problem.into(),
            signature_is_right: false,
        }
    }

    /// Creates a fault of a claim in an assertion with the right signature.
    pub(super) fn signed(check: &'static str, problem: impl Into<String>) -> Fault {
        Fault {
            check,
            problem: problem.into(),
            signature_is_right: true,
        }
    }

    /// Returns whether the signature was right, so that the values in the problem come from the signer.
    pub(super) fn is_signed(&self) -> bool {
        self.signature_is_right
    }

    /// Returns the description for the client. It names a claim only to a client whose signature was right, and never
    /// contains a stored value.
    pub fn description(&self) -> String {
        match self.signature_is_right {
            false => "assertion refused".to_owned(),
            true => format!("{} does not match", self.check),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}: {}", self.check, self.problem)
    }
}
