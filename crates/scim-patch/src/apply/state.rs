//! The state of a PATCH between its operations.

use scim_model::{Document, Policy, ResourceType};

use super::budget::Budget;
use super::document::OpenDocument;
use super::report::Report;
use crate::tolerance::Tolerances;

/// Everything that an operation reads and changes.
///
/// The operations are methods in the other files of this folder, in layers that call only lower ones: `extension.rs` and
/// `selection.rs` call `attribute.rs`, which calls `single.rs` and `multiple.rs`, which call `complex.rs`.
pub(super) struct State<'a> {
    pub(super) resource_type: &'a ResourceType,
    pub(super) policy: Policy,
    pub(super) document: OpenDocument<'a>,
    pub(super) tolerances: Tolerances,
    pub(super) budget: Budget,
    pub(super) report: Report,
}

impl<'a> State<'a> {
    pub(super) fn new(resource_type: &'a ResourceType, document: &Document, policy: Policy) -> State<'a> {
        State {
            resource_type,
            policy,
            document: OpenDocument::new(resource_type, document),
            tolerances: Tolerances::new(policy),
            budget: Budget::default(),
            report: Report::default(),
        }
    }

    pub(super) fn begin_operation(&mut self, number: usize) {
        self.report.begin_operation(number);
        self.tolerances.next_operation();
    }
}
