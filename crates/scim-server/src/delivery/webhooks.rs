//! Webhooks: events on their way to the endpoints of the product, signed as Standard Webhooks 1.0 describes.
//!
//! The journal is the queue: only the position of an endpoint, and the ids of messages that failed, are stored. A
//! message has the same id at each attempt, and its content is made from the journal each time.

mod header;
mod message;
mod queue;
pub mod registration;
pub mod replays;
mod schedule;
mod send;
pub mod signature;
mod stored;
mod worker;

pub use message::{InvalidMessageId, MessageId};
pub use worker::{ENDPOINT_STATES, WebhookWorker, WorkerParts};
