//! Sealing: authenticated encryption of values that leave the process, such as paging cursors and stored secrets.
//!
//! A sealed value is bound to a context, and opens only in the same context. This module alone uses the cipher.

mod key;
mod key_file;
mod sealer;

pub use key::{InvalidSealingKey, SealingKey};
pub use key_file::{KeyFile, KeyFileError, Purpose};
pub use sealer::{SealError, Sealer};
