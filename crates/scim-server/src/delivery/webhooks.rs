//! Webhooks: events on their way to the endpoints of the product, signed as Standard Webhooks 1.0 describes.

pub mod signature;
