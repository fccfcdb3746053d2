//! The audit log: an entry for each action of an operator, with its key, and never with a secret.

use super::operator::Operator;

/// Writes the entry of an action that has taken effect. `object` names what was changed, as the path of the API does.
pub(super) fn record(operator: &Operator, action: &str, object: &str) {
    log::info!(
        target: "audit",
        request_id = &*operator.request_id, key:% = operator.key.id, action, object;
        "{} key={} {action} {object}",
        operator.request_id,
        operator.key.id,
    );
}
