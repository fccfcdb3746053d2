//! The grammar, compiled by pest.

/// The parser that pest derives from `scim_filter.pest`, with one [`Rule`] for each rule.
#[derive(pest_derive::Parser)]
#[grammar = "scim_filter.pest"]
pub(crate) struct Grammar;
