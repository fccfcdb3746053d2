//! How strictly values of a client are read.

/// Whether values and names that the RFC does not allow are accepted from a client (A-01, A-11, A-33,
///
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Accepts the deviations of real clients: booleans in strings, one value instead of an array, a
    /// plain string for a complex attribute with a `value`, unknown attributes, missing or outdated
    /// `schemas`. A strict policy follows the RFC alone.
    pub lenient: bool,
}
