//! The preconditions of a request on the version of a resource (RFC 7644 section 3.14, RFC 9110 section 13; A-44, A-52).

/// The value of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `*`
    Any,
    /// Opaque tags, without quotes and `W/`.
    Tags(Vec<String>),
}

/// The preconditions of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// `If-Match`
    pub if_match: Option<Match>,
    /// `If-None-Match`
    pub if_none_match: Option<Match>,
}

/// The reason why a precondition prevents an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The version does not match: 412.
    Failed,
    /// The client already has the representation: 304.
    NotModified,
}

impl Preconditions {
    /// Checks a read of an existing resource (RFC 9110 section 13.2.2).
    ///
    /// `derived_etag` is the tag of the representation if changes of other resources, such as a user's groups and
    /// manager, can change it. The version alone then does not show whether the client has the current
    /// representation.
    ///
    /// # Errors
    /// `Failed`, `NotModified`
    pub fn check_read(&self, version: i64, derived_etag: Option<&str>) -> Result<(), Unmet> {
        self.check_if_match(version)?;
        let seen = match (&self.if_none_match, derived_etag) {
            (None, _) => false,
            // A tag without a hash is complete too: the representation then contains no data of other resources.
            (Some(Match::Tags(tags)), Some(etag)) => {
                let opaque = etag.trim_start_matches("W/").trim_matches('"');
                tags.iter().any(|it| it == opaque)
            }
            (Some(it), _) => it.covers(version),
        };
        if seen { Err(Unmet::NotModified) } else { Ok(()) }
    }

    /// Checks a write that replaces a version.
    ///
    /// # Errors
    /// `Failed`
    pub fn check_write(&self, version: i64) -> Result<(), Unmet> {
        self.check_if_match(version)?;
        match &self.if_none_match {
            Some(it) if it.covers(version) => Err(Unmet::Failed),
            _ => Ok(()),
        }
    }

    /// Returns the check that the store can make during the write: `Some(None)` for no check, `Some(Some(version))` for
    /// one version. Returns `None` when the version has to be read first.
    pub fn version_for_store(&self) -> Option<Option<i64>> {
        if self.if_none_match.is_some() {
            return None;
        }
        match &self.if_match {
            // `*` requires that the resource exists, which every write checks.
            None | Some(Match::Any) => Some(None),
            Some(Match::Tags(tags)) => match tags.as_slice() {
                [tag] => Some(Some(version_of(tag)?)),
                _ => None,
            },
        }
    }

    /// Returns whether the client named a version. A write must then not be retried on a newer version.
    pub fn names_version(&self) -> bool {
        matches!(self.if_match, Some(Match::Tags(_)))
    }

    fn check_if_match(&self, version: i64) -> Result<(), Unmet> {
        match &self.if_match {
            Some(it) if !it.covers(version) => Err(Unmet::Failed),
            _ => Ok(()),
        }
    }
}

impl Match {
    fn covers(&self, version: i64) -> bool {
        match self {
            Match::Any => true,
            Match::Tags(tags) => tags.iter().any(|it| version_of(it) == Some(version)),
        }
    }
}

/// Returns the version of an opaque tag. The hash after the dot is not part of it.
fn version_of(opaque: &str) -> Option<i64> {
    let (version, _) = opaque.split_once('.').unwrap_or((opaque, ""));
    let canonical = version.parse::<i64>().ok()?;
    // `+3` and `03` are not tags of version 3.
    (canonical.to_string() == version).then_some(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(tags: &[&str]) -> Option<Match> {
        Some(Match::Tags(tags.iter().map(|it| (*it).to_owned()).collect()))
    }

    #[test]
    fn if_match_compares_versions() {
        let check = |if_match, version| {
            Preconditions {
                if_match,
                if_none_match: None,
            }
            .check_write(version)
        };
        assert_eq!(check(None, 3), Ok(()));
        assert_eq!(check(Some(Match::Any), 3), Ok(()));
        assert_eq!(check(tags(&["x", "3"]), 3), Ok(()));
        assert_eq!(check(tags(&["3.0123456789abcdef"]), 3), Ok(()));
        assert_eq!(check(tags(&["2"]), 3), Err(Unmet::Failed));
        assert_eq!(check(tags(&["+3", "03", ""]), 3), Err(Unmet::Failed));
        assert_eq!(check(tags(&[]), 3), Err(Unmet::Failed));
    }

    #[test]
    fn if_none_match_is_304_for_reads_and_412_for_writes() {
        let seen = |tag: &str| Preconditions {
            if_match: None,
            if_none_match: tags(&[tag]),
        };
        assert_eq!(seen("3").check_read(3, None), Err(Unmet::NotModified));
        assert_eq!(
            seen("3.0123456789abcdef").check_read(3, None),
            Err(Unmet::NotModified)
        );
        assert_eq!(seen("2").check_read(3, None), Ok(()));
        assert_eq!(seen("3").check_write(3), Err(Unmet::Failed));
    }

    #[test]
    fn a_304_never_hides_a_change_of_another_resource() {
        let seen = |tag: &str| Preconditions {
            if_match: None,
            if_none_match: tags(&[tag]),
        };
        let now = Some(r#"W/"3.0123456789abcdef""#);
        assert_eq!(
            seen("3.0123456789abcdef").check_read(3, now),
            Err(Unmet::NotModified)
        );
        assert_eq!(seen("3.fedcba9876543210").check_read(3, now), Ok(()));
        assert_eq!(seen("3").check_read(3, now), Ok(()));
        let nothing_left = Some(r#"W/"3""#);
        assert_eq!(seen("3").check_read(3, nothing_left), Err(Unmet::NotModified));
        assert_eq!(seen("3.0123456789abcdef").check_read(3, nothing_left), Ok(()));
    }

    #[test]
    fn the_store_checks_preconditions_that_need_no_read() {
        let of = |if_match, if_none_match| {
            Preconditions {
                if_match,
                if_none_match,
            }
            .version_for_store()
        };
        assert_eq!(of(None, None), Some(None));
        assert_eq!(of(Some(Match::Any), None), Some(None));
        assert_eq!(of(tags(&["3"]), None), Some(Some(3)));
        assert_eq!(of(tags(&["3", "4"]), None), None);
        assert_eq!(of(tags(&["x"]), None), None);
        assert_eq!(of(None, Some(Match::Any)), None);
    }
}
