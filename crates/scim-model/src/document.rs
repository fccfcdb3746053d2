//! A resource's own attributes in canonical form.

use serde_json::{Map, Value};

/// What a client may change of a resource, in canonical form: names spelled as in the schema, no
/// `null`, `[]` or `{}`, values in the form that is stored and returned.
///
/// It holds neither `id`, `meta` and `schemas` nor derived attributes (`User.groups`,
/// `Group.members`): those belong to the store. `schemas` is derived from it, see
/// [`Document::schemas`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document(pub Map<String, Value>);

/// How strictly a client's document is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What real clients send is accepted: boolean strings, one value instead of an array, a plain
    /// string for a complex attribute with a `value`, unknown attributes. Otherwise the RFC alone
    /// decides.
    pub lenient: bool,
}
