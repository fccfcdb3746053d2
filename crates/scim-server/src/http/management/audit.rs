//! The audit log: a line for each change by an operator, with its key, and never with a secret.

use super::operator::Operator;

/// Writes the line of a change that has taken effect. `object` names what was changed, as the path of the API does.
pub(super) fn record(operator: &Operator, action: &str, object: &str) {
    log::info!(
        target: "audit",
        "{} key={} {action} {object}",
        operator.request_id,
        operator.key.id,
    );
}
