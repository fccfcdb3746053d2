//! Authentication: who sent a request.

pub mod bearer;

pub use bearer::{Authenticator, CACHE_LIFETIME, Caller};
