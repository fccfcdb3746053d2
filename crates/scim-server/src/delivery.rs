//! Changes on their way to the product behind the server.

pub mod event;
pub mod feed;
pub mod feed_signal;
pub mod filter;
pub mod follow;
pub mod lag;
mod lease;
mod logged;
mod retry_after;
pub mod security_events;
pub mod state_counts;
pub mod webhooks;
