//! Filters and paths as strings in serde documents: written in canonical form, read in lenient mode.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use crate::ast::{AttrPath, Filter, PatchPath};

macro_rules! as_text {
    ($($tree:ty),*) => { $(
        impl Serialize for $tree {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $tree {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$tree, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                <$tree>::parse(&text).map_err(D::Error::custom)
            }
        }
    )* };
}

as_text!(Filter, PatchPath, AttrPath);
