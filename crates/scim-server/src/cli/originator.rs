//! The originator of the changes that a command makes.

use scim_model::change::Actor;

/// Returns the originator that the journal records: the operator's account on this machine, as far as the environment
/// names it.
pub fn originator() -> Actor {
    let variable = |name: &&str| std::env::var(name).ok();
    Actor::CommandLine {
        user: ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .find_map(variable)
            .unwrap_or_default(),
    }
}
