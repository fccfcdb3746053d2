//! The settings: flags that are also environment variables and keys of the configuration file.
//!
//! The grammar in `arguments` is the only definition of a setting. Everything else is derived from it: the file that
//! holds a secret (`--x-file`), the keys of the configuration file and its checks, the order of the sources, and the
//! documents.

pub mod accepted;
pub mod documents;
pub mod file;
pub mod grammar;
pub mod setting;
pub mod sources;
