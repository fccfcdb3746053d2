//! Pushing (RFC 8935): the server sends tokens to the receiver, one in each request and in order.

mod outcome;
mod sender;
mod worker;

pub use self::worker::PushWorker;
