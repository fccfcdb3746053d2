//! Entity tags of representations.

use crate::store::Reference;

/// The entity tag of a version, for a representation that shows no data of other resources.
pub fn etag(version: i64) -> String {
    Derived::default().etag(version)
}

/// The hash of the data of other resources that a representation shows: groups, and the URI and the name of each
/// reference. `None` if it shows no such data.
///
/// This data changes without the version of the resource. FNV-1a is enough: the hash only has to distinguish
/// two lists, and finding a collision has no benefit.
#[derive(Default)]
pub(super) struct Derived(Option<u64>);

impl Derived {
    pub(super) fn add(&mut self, attribute: &str, shown: &Reference) {
        // These bytes do not occur in UTF-8 text, so they can mark its end.
        const END: u8 = 0xff;
        const NO_NAME: u8 = 0xfe;
        let mut hash = self.0.unwrap_or(0xcbf2_9ce4_8422_2325);
        let mut take = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for text in [attribute, &*shown.resource_type] {
            take(text.as_bytes());
            take(&[END]);
        }
        take(shown.id.as_bytes());
        match &shown.display {
            Some(display) => take(display.as_bytes()),
            None => take(&[NO_NAME]),
        }
        take(&[END]);
        self.0 = Some(hash);
    }

    pub(super) fn etag(&self, version: i64) -> String {
        match self.0 {
            None => format!("W/\"{version}\""),
            Some(hash) => format!("W/\"{version}.{hash:016x}\""),
        }
    }
}
