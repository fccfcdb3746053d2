//! The data that an examination reads.

use scim_model::store::{Credentials, Directory, OperatorKeys, SetStreams, Webhooks};

/// The ports that the examination reads.
pub trait Examined: Directory + Credentials + OperatorKeys + Webhooks + SetStreams {}

impl<T: Directory + Credentials + OperatorKeys + Webhooks + SetStreams> Examined for T {}
