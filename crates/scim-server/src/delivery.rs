//! Changes on their way to the product behind the server.

pub mod follow;
