//! Steps that requests to every surface pass through.

pub mod access_log;
