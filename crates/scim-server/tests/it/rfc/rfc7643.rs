//! RFC 7643, rule by rule, as a client sees it. The ids above the tests are those of
//! docs/conformance/requirements.tsv.

mod attributes;
mod characteristics;
mod common_attributes;
mod discovery;
mod documents;
mod groups;
mod multi_valued;
mod schemas;
mod types;
mod users;
mod writing;
