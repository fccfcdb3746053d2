//! The names of the client leniencies, and the record of those that a request needed.

use std::cell::RefCell;
use std::fmt;

use scim_filter::{Leniency, LeniencyKind};

use crate::value::Policy;

/// A departure from the RFCs that a lenient policy accepts because a client sends it.
///
/// [`Tolerance::name`] is stable, so that a server can count tolerances by client or over time. The function that
/// implements a tolerance cites the recorded exchange that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tolerance {
    /// A boolean sent as the string `"True"` or `"False"`.
    ///
    /// Client: Entra without the flag aadOptscim062020, Keycloak. Departs from RFC 7643 section 2.3.2. Strict
    /// policies accept it too, without a report.
    BooleanText,
    /// A path such as `name.givenName` as a key of a value without `path`, or of an object under the URN of a schema
    ///
    ///
    /// Client: Entra with the flag. Departs from RFC 7644 section 3.5.2.1, where the keys are attributes.
    PathAsKey,
    /// A value that is created because the filter of the path matches none.
    ///
    /// Client: Entra, Bitwarden. Departs from RFC 7644 section 3.5.2.3, which demands `noTarget`.
    CreatedFromFilter,
    /// A `remove` that lists the values to remove in `value`.
    ///
    /// Client: Entra without the flag, JumpCloud, ssosync, rauthy, older authentik. Departs from RFC 7644
    /// section 3.5.2.2, where a `remove` has no `value`.
    RemoveByValue,
    /// A `remove` whose `value` is an object that holds the list under the name of the attribute.
    ///
    /// Client: Salesforce. Departs from RFC 7644 section 3.5.2.2.
    RemoveNested,
    /// A `remove` with a `value` in addition to a filter; the `value` is ignored.
    ///
    /// Client: JumpCloud, Okta. Departs from RFC 7644 section 3.5.2.2.
    RemoveValueIgnored,
    /// A plain string in place of a complex value.
    ///
    /// Client: Entra and its validator. Departs from RFC 7643 section 2.3.8.
    TextForComplex,
    /// An empty string as the `value` of a reference, which clears the reference.
    ///
    /// Client: Entra and its validator. Departs from RFC 7643 section 2.5, where `null` does so.
    EmptyReference,
    /// An array of one element in place of a single value.
    ///
    /// Client: older provisioning jobs of Entra. Departs from RFC 7643 section 2.4.
    ArrayForSingle,
    /// A readOnly attribute in a value without `path`; the attribute is ignored.
    ///
    /// Client: Okta, authentik. Departs from RFC 7644 section 3.5.2, which demands `mutability`.
    ReadOnlyIgnored,
    /// An unknown attribute or sub-attribute in a value; it is ignored.
    ///
    /// Client: Entra with the flag. Departs from RFC 7644 section 3.12, which demands `invalidPath` or
    /// `invalidValue`.
    UnknownIgnored,
    /// A reference of an extension named without the URN of the extension.
    ///
    /// Client: older provisioning jobs of Entra. Departs from RFC 7644 section 3.10.
    UnqualifiedReference,
    /// A path or filter that is not in the grammar: single quotes, unusual white space.
    ///
    /// Client: Syncope. Departs from RFC 7644 section 3.4.2.2, figure 1, and section 3.5.2, figure 7.
    PathSyntax,
    /// A `type` of a member that names no resource type; it is ignored.
    ///
    /// Client: PingFederate. Departs from RFC 7643 section 4.2, where it is "User" or "Group".
    MemberTypeIgnored,
    /// A body without `schemas`.
    ///
    /// Client: OneLogin, JumpCloud, clients built with SCIM-SDK. Departs from RFC 7644 section 3.1.
    MissingSchemas,
    /// A body whose `schemas` is `[]` or `null`, which counts as missing.
    ///
    /// Client: WSO2. Departs from RFC 7643 section 3, where `schemas` is not empty.
    EmptySchemas,
    /// A body whose `schemas` names only other schemas or messages.
    ///
    /// Client: Google, OneLogin, clients built with scim-patch. Departs from RFC 7644 section 3.5.2.
    OtherSchemas,
    /// A PATCH with an empty list of operations, which changes nothing.
    ///
    /// Client: Microsoft's SCIM validator. Departs from RFC 7644 section 3.5.2, which demands one or more.
    EmptyOperations,
    /// `attributes` or `excludedAttributes` of a search body in one string, separated by commas.
    ///
    /// Client: clients built with SCIM-SDK. Departs from RFC 7644 section 3.4.3, where they are arrays.
    NamesInText,
    /// A word without quotes as the value in a filter, including the filter of a path.
    ///
    /// Client: WSO2, Slack. Departs from RFC 7644 section 3.4.2.2, where values are JSON.
    BareWord,
    /// A number or boolean as the value in a filter on text: the text without quotes.
    ///
    /// Client: WSO2. Departs from RFC 7644 section 3.4.2.2.
    NumberForText,
    /// An integer or decimal in a string.
    ///
    /// Client: Entra with custom extensions. Departs from RFC 7643 sections 2.3.3 and 2.3.4.
    NumberText,
    /// `{"value": …}` or `.value` for the values of a simple multi-valued attribute.
    ///
    /// Client: Entra with custom extensions. Departs from RFC 7643 section 2.4.
    ValueOfSimple,
    /// A dot instead of a colon between the URN of a schema and an attribute.
    ///
    /// Client: Syncope, Slack. Departs from RFC 7644 section 3.10.
    DotAfterUrn,
    /// The URN of the core schema as an object that holds the core attributes.
    ///
    /// Client: Applivery, Laravel. Departs from RFC 7643 section 3.3, where only extensions have such an object.
    CoreUrnContainer,
    /// An attribute with its URN as a key in the body of a POST or PUT, or of an object under that URN.
    ///
    /// Client: Syncope. Departs from RFC 7643 section 3.3, where the URN is a separate key.
    QualifiedKey,
    /// One value, an object or a text, in place of the array of a multi-valued attribute.
    ///
    /// Client: OneLogin. Departs from RFC 7643 section 2.4.
    SingleForArray,
    /// `null` among the values of a multi-valued attribute; it is ignored.
    ///
    /// Client: none is recorded, so the count shows whether any needs it. Departs from RFC 7643 section 2.5, where
    /// `null` is a state of an attribute and not of its values.
    NullElement,
}

impl Tolerance {
    /// Every tolerance.
    pub const ALL: [Tolerance; 28] = [
        Tolerance::BooleanText,
        Tolerance::PathAsKey,
        Tolerance::CreatedFromFilter,
        Tolerance::RemoveByValue,
        Tolerance::RemoveNested,
        Tolerance::RemoveValueIgnored,
        Tolerance::TextForComplex,
        Tolerance::EmptyReference,
        Tolerance::ArrayForSingle,
        Tolerance::ReadOnlyIgnored,
        Tolerance::UnknownIgnored,
        Tolerance::UnqualifiedReference,
        Tolerance::PathSyntax,
        Tolerance::MemberTypeIgnored,
        Tolerance::MissingSchemas,
        Tolerance::EmptySchemas,
        Tolerance::OtherSchemas,
        Tolerance::EmptyOperations,
        Tolerance::NamesInText,
        Tolerance::BareWord,
        Tolerance::NumberForText,
        Tolerance::NumberText,
        Tolerance::ValueOfSimple,
        Tolerance::DotAfterUrn,
        Tolerance::CoreUrnContainer,
        Tolerance::QualifiedKey,
        Tolerance::SingleForArray,
        Tolerance::NullElement,
    ];

    /// Returns the stable name in snake case, for example for the label of a metric.
    pub fn name(self) -> &'static str {
        match self {
            Tolerance::BooleanText => "boolean_text",
            Tolerance::PathAsKey => "path_as_key",
            Tolerance::CreatedFromFilter => "created_from_filter",
            Tolerance::RemoveByValue => "remove_by_value",
            Tolerance::RemoveNested => "remove_nested",
            Tolerance::RemoveValueIgnored => "remove_value_ignored",
            Tolerance::TextForComplex => "text_for_complex",
            Tolerance::EmptyReference => "empty_reference",
            Tolerance::ArrayForSingle => "array_for_single",
            Tolerance::ReadOnlyIgnored => "read_only_ignored",
            Tolerance::UnknownIgnored => "unknown_ignored",
            Tolerance::UnqualifiedReference => "unqualified_reference",
            Tolerance::PathSyntax => "path_syntax",
            Tolerance::MemberTypeIgnored => "member_type_ignored",
            Tolerance::MissingSchemas => "missing_schemas",
            Tolerance::EmptySchemas => "empty_schemas",
            Tolerance::OtherSchemas => "other_schemas",
            Tolerance::EmptyOperations => "empty_operations",
            Tolerance::NamesInText => "names_in_text",
            Tolerance::BareWord => "bare_word",
            Tolerance::NumberForText => "number_for_text",
            Tolerance::NumberText => "number_text",
            Tolerance::ValueOfSimple => "value_of_simple",
            Tolerance::DotAfterUrn => "dot_after_urn",
            Tolerance::CoreUrnContainer => "core_urn_container",
            Tolerance::QualifiedKey => "qualified_key",
            Tolerance::SingleForArray => "single_for_array",
            Tolerance::NullElement => "null_element",
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The policy under which a request is read, and the tolerances that the request has needed so far.
///
/// Functions that read a request borrow one record, ask it before they depart from the RFCs, and thereby name
/// the departure.
#[derive(Debug)]
pub struct Tolerances {
    policy: Policy,
    used: RefCell<Vec<Tolerance>>,
}

impl Tolerances {
    /// Creates a record without any use.
    pub fn new(policy: Policy) -> Tolerances {
        Tolerances {
            policy,
            used: RefCell::default(),
        }
    }

    /// Returns the policy.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Returns whether the policy accepts departures from the RFCs.
    pub fn is_lenient(&self) -> bool {
        self.policy.lenient
    }

    /// Returns whether the policy accepts the tolerance, and records its use if so.
    pub fn allow(&self, tolerance: Tolerance) -> bool {
        let mut used = self.used.borrow_mut();
        if self.policy.lenient && !used.contains(&tolerance) {
            used.push(tolerance);
        }
        self.policy.lenient
    }

    /// Records the departures from the grammar that the parser accepted in a path or filter.
    ///
    /// Syncope and others send `members[value eq 'id']`, Slack `members[value eq id]` (trace
    /// `slack/bare-word-in-path`). A name with `$` does not count, because the RFCs have one themselves.
    pub fn record_syntax(&self, accepted: &[Leniency]) {
        for leniency in accepted {
            match leniency.kind {
                LeniencyKind::DollarName => {}
                LeniencyKind::BareWord => _ = self.allow(Tolerance::BareWord),
                _ => _ = self.allow(Tolerance::PathSyntax),
            }
        }
    }

    /// Returns the tolerances that were used since the last call, each once, in the order of their first use.
    pub fn take(&self) -> Vec<Tolerance> {
        self.used.take()
    }
}
