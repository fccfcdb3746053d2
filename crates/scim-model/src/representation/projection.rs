//! Which attributes of a resource are part of a response: `attributes`, `excludedAttributes` and `returned` (RFC 7644
//! sections 3.4.2.5 and 3.9, RFC 7643 section 7).

use std::borrow::Borrow;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::error::{ScimError, ScimType, shortened};
use crate::notation::dot_after_urn;
use crate::representation::attribute_name::{
    Target, is_notation, is_value_path, simple_target, target, value_of,
};
use crate::schema::{Attribute, AttributePath, ResourceType, Returned};
use crate::tolerance::{Tolerance, Tolerances};
use crate::value::policy::Policy;

/// The selection of attributes that a client asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    asked: Asked,
    /// Whether `.value` may follow the name of an attribute whose values are simple.
    lenient: bool,
    sent: Vec<AttributePath>,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Asked {
    /// The attributes that are returned by default.
    #[default]
    Default,
    /// The attributes that are always returned, and these.
    Attributes(Vec<String>),
    /// The attributes that are returned by default, without these.
    Excluded(Vec<String>),
}

impl Projection {
    /// Reads the two parameters, lists of names in attribute notation (RFC 7644 section 3.10).
    ///
    /// An empty list counts as absent. An unknown name selects nothing, and a URN without a name selects the
    /// whole schema.
    ///
    /// # Errors
    /// `invalidValue` if both are given, or if a name is not in attribute notation. Under a lenient
    /// policy a name followed by a value filter, `emails[type eq "work"]`, is an unknown name.
    pub fn new(
        attributes: Option<&[String]>,
        excluded_attributes: Option<&[String]>,
        policy: Policy,
    ) -> Result<Projection, ScimError> {
        let attributes = names(attributes);
        let excluded = names(excluded_attributes);
        for name in attributes.iter().chain(&excluded) {
            let is_lenient_notation = || is_value_path(name) || value_of(name).is_some_and(is_notation);
            if !(is_notation(name) || policy.lenient && is_lenient_notation()) {
                let detail = format!("`{}` is no attribute name", shortened(name));
                return Err(ScimError::new(ScimType::InvalidValue, detail));
            }
        }
        let asked = match (attributes.is_empty(), excluded.is_empty()) {
            (true, true) => Asked::Default,
            (false, true) => Asked::Attributes(attributes),
            (true, false) => Asked::Excluded(excluded),
            (false, false) => {
                let detail = "`attributes` and `excludedAttributes` cannot be used together";
                return Err(ScimError::new(ScimType::InvalidValue, detail));
            }
        };
        Ok(Projection {
            asked,
            lenient: policy.lenient,
            sent: Vec::new(),
        })
    }

    /// Checks that a colon follows each URN of a schema, and records the tolerances that the names need. Syncope
    /// writes a dot, which a lenient policy understands. A strict policy refuses it, because an unknown name would
    /// silently select nothing.
    ///
    /// # Errors
    /// `invalidValue` under a strict policy, for a dot after a URN.
    pub fn check_names<R: Borrow<ResourceType>>(
        &self,
        resource_types: &[R],
        tolerances: &Tolerances,
    ) -> Result<(), ScimError> {
        let names = match &self.asked {
            Asked::Default => &[][..],
            Asked::Attributes(names) | Asked::Excluded(names) => names,
        };
        for name in names {
            let has_dot = dot_after_urn(name, resource_types).is_some();
            if has_dot && !tolerances.allow(Tolerance::DotAfterUrn) {
                let detail = format!("`{}` needs a colon after the URN", shortened(name));
                return Err(ScimError::new(ScimType::InvalidValue, detail));
            }
            let mut types = resource_types.iter().map(Borrow::borrow);
            if types.any(|it| target(it, name).is_none() && simple_target(it, name).is_some()) {
                tolerances.allow(Tolerance::ValueOfSimple);
            }
        }
        Ok(())
    }

    /// Reads a list of names in the form that URLs have: `userName,name.familyName`.
    pub fn query_list(text: &str) -> Vec<String> {
        text.split(',').map(|it| it.trim().to_owned()).collect()
    }

    /// Adds the attributes with `returned` = `request` that a client sent: they are part of the response to a POST,
    /// PUT or PATCH.
    #[must_use]
    pub fn with_sent(mut self, sent: Vec<AttributePath>) -> Projection {
        self.sent = sent;
        self
    }

    /// Whether neither parameter was given and nothing was sent that is returned on request.
    pub fn is_default(&self) -> bool {
        self.asked == Asked::Default && self.sent.is_empty()
    }

    /// Whether a core or common attribute can be part of the response. An attribute that cannot, such as `members`,
    /// need not be read.
    pub fn wants(&self, resource_type: &ResourceType, name: &str) -> bool {
        let attribute = resource_type.core_attribute(name);
        attribute.is_some_and(|attribute| self.choice(resource_type, None, attribute) != Choice::Drop)
    }

    /// Removes, from a resource's representation, attributes that are not part of the response and data that no
    /// schema describes.
    pub fn apply(&self, resource_type: &ResourceType, resource: &mut Map<String, Value>) {
        let selection = self.selection(resource_type);
        let kept = std::mem::take(resource).into_iter().filter_map(|(name, value)| {
            let value = selection.take(&name, value)?;
            Some((name, value))
        });
        *resource = kept.collect();
    }

    /// Whether the response shows the whole stored document, for a type whose attributes are all returned by default.
    /// It may leave out attributes that are not stored in the document, such as `meta` and `members`.
    pub(crate) fn keeps_stored(&self, resource_type: &ResourceType) -> bool {
        let is_added = |attribute: &str| {
            matches!(attribute, "schemas" | "id" | "meta")
                || (resource_type.has_members() && attribute == "members")
                || (resource_type.has_groups() && attribute == "groups")
        };
        match &self.asked {
            Asked::Default => true,
            Asked::Attributes(_) => false,
            Asked::Excluded(names) => names.iter().all(|name| match self.target(resource_type, name) {
                None => true,
                Some(Target::Schema(..)) => false,
                Some(Target::Attribute(extension, attribute, _)) => {
                    extension.is_none() && is_added(&attribute.name)
                }
            }),
        }
    }

    fn target<'a>(&self, resource_type: &'a ResourceType, name: &str) -> Option<Target<'a>> {
        let simple = || simple_target(resource_type, name).filter(|_| self.lenient);
        target(resource_type, name).or_else(simple)
    }

    pub(crate) fn selection(&self, resource_type: &ResourceType) -> Selection {
        let mut core = Vec::new();
        let mut extensions = Vec::new();
        for (extension, schema) in resource_type.parts() {
            let choices = schema.attributes.iter().map(|attribute| {
                (
                    attribute.clone(),
                    self.choice(resource_type, extension.map(|it| &**it), attribute),
                )
            });
            match extension {
                None => core.extend(choices),
                Some(urn) => extensions.push((urn.clone(), choices.collect())),
            }
        }
        Selection { core, extensions }
    }

    fn choice(
        &self,
        resource_type: &ResourceType,
        extension: Option<&str>,
        attribute: &Arc<Attribute>,
    ) -> Choice {
        let is_me = |target: &Target<'_>| match target {
            Target::Schema(urn, schema) => {
                *urn == extension && schema.attributes.iter().any(|it| Arc::ptr_eq(it, attribute))
            }
            Target::Attribute(urn, other, _) => *urn == extension && Arc::ptr_eq(other, attribute),
        };
        let targets = |names: &[String]| -> Vec<Named> {
            let mine = names
                .iter()
                .filter_map(|name| self.target(resource_type, name))
                .filter(is_me);
            mine.map(|target| match target {
                Target::Attribute(_, _, Some(sub)) => Named::Sub(sub.name.clone()),
                _ => Named::Whole,
            })
            .collect()
        };
        let named = match &self.asked {
            Asked::Default => Vec::new(),
            Asked::Attributes(names) | Asked::Excluded(names) => targets(names),
        };
        let whole = named.contains(&Named::Whole);
        let names_sub = |sub: &Attribute| {
            named
                .iter()
                .any(|it| matches!(it, Named::Sub(name) if *name == sub.name))
        };
        let was_sent = |sub: Option<&Arc<Attribute>>| {
            self.sent.iter().any(|it| {
                it.extension.as_deref() == extension && it.attribute == *attribute && it.sub.as_ref() == sub
            })
        };
        let excludes = matches!(self.asked, Asked::Excluded(_));
        let selects = matches!(self.asked, Asked::Attributes(_));

        let included = match attribute.returned {
            Returned::Never => false,
            Returned::Always => true,
            _ if selects => !named.is_empty(),
            Returned::Default => !(excludes && whole),
            Returned::Request => was_sent(None) && !(excludes && whole),
        };
        if !included {
            // A sub-attribute that is always returned is returned although its parent is left out, unless the parent
            // is never returned or only on request.
            return match attribute.returned {
                Returned::Default => Choice::always_of(attribute),
                _ => Choice::Drop,
            };
        }
        if attribute.sub_attributes.is_empty() {
            return Choice::Keep(Vec::new());
        }
        // A named sub-attribute keeps its parent, with that sub-attribute only. A named parent also brings the
        // sub-attributes that are returned on request.
        let keeps_sub = |sub: &&Arc<Attribute>| match sub.returned {
            Returned::Never => false,
            Returned::Always => true,
            _ if selects && !named.is_empty() => whole || names_sub(sub),
            Returned::Default => !(excludes && names_sub(sub)),
            Returned::Request => was_sent(Some(sub)) && !(excludes && names_sub(sub)),
        };
        Choice::Keep(
            attribute
                .sub_attributes
                .iter()
                .filter(keeps_sub)
                .cloned()
                .collect(),
        )
    }
}

/// A projection resolved for one resource type.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    core: Choices,
    extensions: Vec<(Arc<str>, Choices)>,
}

type Choices = Vec<(Arc<Attribute>, Choice)>;

/// The part of one attribute that is shown.
#[derive(Clone, Debug, PartialEq)]
enum Choice {
    Drop,
    /// With these sub-attributes, if it is complex.
    Keep(Vec<Arc<Attribute>>),
}

#[derive(PartialEq)]
enum Named {
    Whole,
    Sub(String),
}

impl Selection {
    /// Whether a member of a stored resource is shown as a whole; `None` when that depends on its parts.
    pub(crate) fn shows_whole(&self, name: &str) -> Option<bool> {
        let Some((attribute, choice)) = self.core.iter().find(|(it, _)| it.name == name) else {
            return if self.extensions.iter().any(|(urn, _)| **urn == *name) {
                None
            } else {
                Some(false)
            };
        };
        match choice {
            Choice::Drop => Some(false),
            Choice::Keep(_) if attribute.sub_attributes.is_empty() => Some(true),
            Choice::Keep(_) => None,
        }
    }

    /// Returns the part of one member of a resource that is shown, if any.
    pub(crate) fn take(&self, name: &str, value: Value) -> Option<Value> {
        if let Some((attribute, choice)) = self.core.iter().find(|(it, _)| it.name == name) {
            return choice.take(attribute, value);
        }
        let (_, attributes) = self.extensions.iter().find(|(urn, _)| **urn == *name)?;
        let Value::Object(members) = value else {
            return None;
        };
        let kept = members.into_iter().filter_map(|(name, value)| {
            let (attribute, choice) = attributes.iter().find(|(it, _)| it.name == name)?;
            Some((name, choice.take(attribute, value)?))
        });
        let kept: Map<String, Value> = kept.collect();
        (!kept.is_empty()).then_some(Value::Object(kept))
    }

    /// Whether a sub-attribute of a complex core, common or extension attribute is shown.
    pub(crate) fn keeps(&self, extension: Option<&str>, attribute: &str, sub: &str) -> bool {
        let choice = self.choice(extension, attribute);
        matches!(choice, Some(Choice::Keep(subs)) if subs.iter().any(|it| it.name == sub))
    }

    /// Whether anything of a core, common or extension attribute is shown.
    pub(crate) fn keeps_any(&self, extension: Option<&str>, attribute: &str) -> bool {
        let choice = self.choice(extension, attribute);
        choice.is_some_and(|it| *it != Choice::Drop)
    }

    fn choice(&self, extension: Option<&str>, attribute: &str) -> Option<&Choice> {
        let attributes = match extension {
            None => Some(&self.core),
            Some(urn) => self
                .extensions
                .iter()
                .find(|(it, _)| **it == *urn)
                .map(|(_, attributes)| attributes),
        };
        let found = attributes
            .into_iter()
            .flatten()
            .find(|(it, _)| it.name == attribute);
        found.map(|(_, choice)| choice)
    }
}

impl Choice {
    /// The sub-attributes that are returned whatever the request names.
    fn always_of(attribute: &Attribute) -> Choice {
        let always = attribute.sub_attributes.iter();
        let always: Vec<_> = always
            .filter(|it| it.returned == Returned::Always)
            .cloned()
            .collect();
        if always.is_empty() {
            Choice::Drop
        } else {
            Choice::Keep(always)
        }
    }

    fn take(&self, attribute: &Attribute, value: Value) -> Option<Value> {
        let Choice::Keep(subs) = self else { return None };
        if attribute.sub_attributes.is_empty() {
            return Some(value);
        }
        let part = |value| match value {
            Value::Object(mut members) => {
                members.retain(|name, _| subs.iter().any(|it| it.name == *name));
                (!members.is_empty()).then_some(Value::Object(members))
            }
            _ => None,
        };
        match value {
            Value::Array(values) => {
                let kept: Vec<Value> = values.into_iter().filter_map(part).collect();
                (!kept.is_empty()).then_some(Value::Array(kept))
            }
            value => part(value),
        }
    }
}

fn names(list: Option<&[String]>) -> Vec<String> {
    let names = list.unwrap_or_default().iter().map(|it| it.trim());
    names.filter(|it| !it.is_empty()).map(str::to_owned).collect()
}
