//! The SCIM operations for any resource type, independent of HTTP.
//!
//! Every operation takes the client that it serves, and with it the tenant. An update reads the resource, computes
//! the new version without holding a lock, and writes it on the condition that the stored version is still the one it
//! read. A write that loses a race is retried.

mod client_settings;
mod content;
mod core;
pub mod cursor;
mod error;
mod hasher;
mod interop;
mod members;
mod operations;
mod patch;
pub mod precondition;
mod presets;
mod replacement;
mod requester;
mod rest;
mod restore;
mod retry;
mod search;
mod secrets;
mod tolerances;

pub use self::content::{Content, Next, Unread};
pub use self::core::{Representation, Service, Settings};
pub use crate::sealing::{InvalidSealingKey as InvalidCursorKey, SealingKey as CursorKey};
pub use client_settings::{
    ClientSettings, EffectiveValue, Leniency, MAX_RATE_LIMIT, Origin, SETTINGS, Setting, Values,
    effective_values,
};
pub use error::Error;
pub use presets::{PRESETS, Preset, PresetValue};
pub use requester::{ClientNames, Request, Requester};
pub use tolerances::{OTHERS, ToleranceCounts, ToleranceTotal};
