//! Files and functions that are longer than allowed, and crates with circles, until they are reworked.
//!
//! The lists only shrink. An entry that is no longer needed is a finding, so that it goes with the rework.

/// Something that a limit forbids unless it is listed here.
pub(crate) struct Excess {
    /// Its name in the lists below.
    pub(crate) key: String,
    pub(crate) message: String,
}

/// One list for each crate: a path for a file that is too long, `path: function` for a function that is too long,
/// and `crate: circle` for circles of `use`.
const EXCEPTIONS: &[&[&str]] = &[&[
    "crates/scim-storage-diesel/examples/store/operations.rs",
    "crates/scim-storage-diesel/examples/store/operations.rs: pages",
    "crates/scim-storage-diesel/examples/store/operations.rs: writes",
    "crates/scim-storage-diesel/examples/store/report.rs: goals",
]];

/// Returns a finding for each excess that is not listed, and for each entry that no longer has its excess.
pub(crate) fn check(excesses: Vec<Excess>) -> Vec<String> {
    check_against(&EXCEPTIONS.concat(), excesses)
}

fn check_against(exceptions: &[&str], excesses: Vec<Excess>) -> Vec<String> {
    let obsolete = exceptions
        .iter()
        .filter(|entry| !excesses.iter().any(|excess| excess.key == **entry))
        .map(|entry| {
            format!(
                "`{entry}` keeps to the limits now, or has moved: remove or rename its entry in `xtask/src/tidy/exceptions.rs`"
            )
        })
        .collect::<Vec<_>>();
    let unlisted = excesses
        .into_iter()
        .filter(|excess| !exceptions.contains(&excess.key.as_str()))
        .map(|excess| excess.message);
    unlisted.chain(obsolete).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excess_is_found_unless_it_is_listed_and_an_entry_unless_it_is_needed() {
        let excess = |key: &str| Excess {
            key: key.to_owned(),
            message: format!("{key} is too long"),
        };
        assert_eq!(
            check_against(&["a.rs", "b.rs: parse"], vec![excess("a.rs"), excess("c.rs")]),
            [
                "c.rs is too long",
                "`b.rs: parse` keeps to the limits now, or has moved: remove or rename its entry in \
                 `xtask/src/tidy/exceptions.rs`"
            ]
        );
    }
}
