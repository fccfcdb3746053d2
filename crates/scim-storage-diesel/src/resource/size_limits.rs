//! Limits of the sizes of resources that are read together with others, so that the memory for a page is limited.
//!
//! The limits are for each resource, and depend on the number of resources: a statement can test them without adding
//! up anything, and their sum limits what the database sends and what this process keeps.

/// The most bytes of documents that one statement returns.
const DOCUMENTS: u64 = 4 * 1024 * 1024;

/// The most memberships in groups that one statement returns. As JSON, one takes about 200 bytes.
const GROUPS: u64 = 20_000;

/// The most groups of a user in a list. A page of 200 users in as many groups takes 40 MB, and identity providers that
/// put a user into more groups send a GET of the user, whose groups are not limited.
pub(crate) const LISTED_GROUPS: u32 = 1_000;

/// The most members of groups that are read at once. As JSON, one takes about 180 bytes.
pub(crate) const MEMBERS: u32 = 10_000;

/// The most resources of the rest of a page that are read at once.
pub(crate) const RESOURCES: usize = 32;

/// The limits for a resource that is read together with others.
#[derive(Clone, Copy)]
pub(crate) struct SizeLimits {
    /// The most bytes of its document.
    pub(crate) document: i64,
    groups: i64,
}

impl SizeLimits {
    /// The limits for each of this number of resources. Of a thousand users, documents of 4 KiB and 20 groups are within
    /// them; of a hundred, documents of 40 KiB and 200 groups.
    pub(crate) fn for_each_of(number: u64) -> SizeLimits {
        let number = number.max(1);
        let groups = (GROUPS / number).min(LISTED_GROUPS.into());
        SizeLimits {
            document: i64::try_from(DOCUMENTS / number).unwrap_or(i64::MAX),
            groups: i64::try_from(groups).unwrap_or(i64::MAX),
        }
    }

    /// The number of groups that is enough to find out whether a user has too many.
    pub(crate) fn groups_to_read(self) -> i64 {
        self.groups + 1
    }

    pub(crate) fn allow_groups(self, number: usize) -> bool {
        i64::try_from(number).is_ok_and(|it| it <= self.groups)
    }
}
