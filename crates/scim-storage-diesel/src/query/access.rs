//! The access path of a list request: how the database reaches the resources that match.
//!
//! It is decided once for each resource type of a request, from the condition, the sort order and the layout
//! alone. SQL, time limits, admission and metrics all read the decision; no other file analyses a condition for
//! its cost.

mod lookups;

use scim_model::Condition;
use scim_model::condition::{ElementCondition, Operand, Test};
use scim_model::schema::AttributePath;
use scim_model::store::{Query, StoreError};

use super::source::{Meta, Source};
use crate::admission::Examined;
use crate::schema_map::index_key::EXACT;
use crate::schema_map::layout::{Column, Layout, Layouts, is_membership};
use crate::sql::Dialect;

pub(crate) use lookups::{Lookup, Lookups};

/// How the matching resources of one type are reached.
#[derive(Debug)]
pub(crate) enum AccessPath<'a> {
    /// No resource can match.
    Nothing,
    /// At most one resource, by a unique key.
    Unique(Lookups<'a>),
    /// The resources that index lookups find, which are expected to be few.
    Index(Lookups<'a>),
    /// A range of one index holds exactly the resources that match, however many there are.
    Range,
    /// All resources of the type are read in the order of an index.
    Ordered,
    /// Every resource is examined, because no index serves these attributes.
    Scan { attributes: Vec<String> },
}

/// One resource type of a request with its access path, and the properties of its statement.
#[derive(Debug)]
pub(crate) struct Access<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) condition: &'a Condition,
    pub(crate) sort: Option<&'a AttributePath>,
    pub(crate) path: AccessPath<'a>,
    /// The matching resources are one range of a column's index, in the order of the result.
    pub(crate) is_one_range: bool,
    /// An equality that clients look resources up by before they create them, such as `userName eq "…"` or
    /// `emails[type eq "work" and value eq "…"]`. Few such texts exist, and one plan suits every value, so the
    /// prepared statement is kept.
    pub(crate) is_recurring: bool,
    /// The condition has too many tests for PostgreSQL to turn its subqueries into joins.
    pub(crate) has_many_tests: bool,
}

/// With more tests than this, PostgreSQL would plan joins of all subqueries for minutes.
const FEW_TESTS: usize = 8;

impl<'a> Access<'a> {
    fn of(condition: &'a Condition, sort: Option<&'a AttributePath>, layout: &'a Layout) -> Access<'a> {
        let path = access_path(condition, sort, layout);
        let is_selective = path.lookups().is_some();
        let is_column = |path: &AttributePath| matches!(Source::of(path, layout), Source::Column(_));
        Access {
            is_one_range: sort.is_none()
                && matches!(condition, Condition::Attribute(path, Test::Eq(_)) if is_column(path)),
            is_recurring: is_selective && sort.is_none() && is_short_equality(condition, layout),
            has_many_tests: condition.attributes().len() > FEW_TESTS,
            layout,
            condition,
            sort,
            path,
        }
    }

    /// The index lookups that lead to the few resources that can match.
    pub(crate) fn lookups(&self) -> Option<&Lookups<'a>> {
        self.path.lookups()
    }

    /// Whether the condition is a single test that an index serves, such as `meta.lastModified gt "…"`.
    pub(crate) fn is_served_test(&self) -> bool {
        matches!(self.condition, Condition::Attribute(..))
            && matches!(self.path, AccessPath::Index(_) | AccessPath::Range)
    }

    /// Whether at most one page is read, whatever the stored values are. Other queries get a time limit.
    fn is_bounded(&self) -> bool {
        matches!(
            self.path,
            AccessPath::Nothing | AccessPath::Unique(_) | AccessPath::Ordered
        )
    }
}

impl<'a> AccessPath<'a> {
    fn lookups(&self) -> Option<&Lookups<'a>> {
        match self {
            AccessPath::Unique(lookups) | AccessPath::Index(lookups) => Some(lookups),
            _ => None,
        }
    }
}

fn access_path<'a>(
    condition: &'a Condition,
    sort: Option<&AttributePath>,
    layout: &Layout,
) -> AccessPath<'a> {
    if *condition == Condition::Always(false) {
        return AccessPath::Nothing;
    }
    // Sorting a few resources is faster than walking all of them in order.
    if let Some(lookups) = Lookups::of(condition, layout) {
        return match is_unique(condition, layout) {
            true => AccessPath::Unique(lookups),
            false => AccessPath::Index(lookups),
        };
    }
    let attributes = scanned_attributes(condition, sort, layout);
    match (attributes.is_empty(), condition) {
        (false, _) => AccessPath::Scan { attributes },
        (true, Condition::Always(_)) => AccessPath::Ordered,
        (true, _) => AccessPath::Range,
    }
}

/// The access paths of a list request, one for each of its resource types.
pub(crate) struct Plan<'a> {
    pub(crate) query: &'a Query,
    pub(crate) targets: Vec<Access<'a>>,
}

impl<'a> Plan<'a> {
    /// # Errors
    /// `Unavailable` when the store was opened without one of the types.
    pub(crate) fn of(query: &'a Query, layouts: &'a Layouts) -> Result<Plan<'a>, StoreError> {
        let sort = |index: usize| query.sort.as_ref().and_then(|it| it.paths.get(index)?.as_ref());
        let targets = query.targets.iter().enumerate();
        let targets = targets.map(|(index, (resource_type, condition))| {
            Ok(Access::of(condition, sort(index), layouts.of(resource_type)?))
        });
        Ok(Plan {
            query,
            targets: targets.collect::<Result<_, StoreError>>()?,
        })
    }

    /// The attributes that make the request a scan; none when indexes serve it.
    pub(crate) fn scanned(&self) -> Vec<Examined> {
        self.examined_in(|access| match &access.path {
            AccessPath::Scan { attributes } => attributes.clone(),
            _ => Vec::new(),
        })
    }

    /// All attributes that are tested or sorted by: a query that exceeds its time limit is counted under these.
    pub(crate) fn examined(&self) -> Vec<Examined> {
        self.examined_in(|access| {
            let tested = tests(access.condition).into_iter().map(|(path, _)| path);
            sorted_names(tested.chain(access.sort))
        })
    }

    fn examined_in(&self, attributes: impl Fn(&Access) -> Vec<String>) -> Vec<Examined> {
        let of_target = |access: &Access| {
            let resource_type = access.layout.resource_type.name.clone();
            attributes(access).into_iter().map(move |attribute| Examined {
                resource_type: resource_type.clone(),
                attribute,
            })
        };
        self.targets.iter().flat_map(of_target).collect()
    }

    /// Whether a page costs no more than reading it, whatever the stored values are, so that no time limit is
    /// needed.
    pub(crate) fn is_bounded(&self, dialect: Dialect) -> bool {
        // PostgreSQL may have to read rows to check the order, or sort those without a key, and a time limit costs
        // nothing there. SQLite sorts the resources of a type that lacks the attribute.
        let lacks_attribute = self.targets.len() > 1 && self.targets.iter().any(|it| it.sort.is_none());
        if self.query.sort.is_some() && (lacks_attribute || dialect == Dialect::Postgres) {
            return false;
        }
        self.targets.iter().all(Access::is_bounded)
    }
}

/// The attributes that no index serves, as paths; none when an index holds exactly the matching resources and
/// has their order.
fn scanned_attributes(condition: &Condition, sort: Option<&AttributePath>, layout: &Layout) -> Vec<String> {
    let is_served = match condition {
        Condition::Always(_) => true,
        Condition::Attribute(path, test) => is_served(path, test, layout),
        _ => false,
    };
    let mut scanned = Vec::new();
    if !is_served {
        let tests = tests(condition);
        scanned = tests
            .iter()
            .filter(|(path, test)| !self::is_served(path, test, layout))
            .map(|(path, _)| *path)
            .collect();
        if scanned.is_empty() {
            // Each attribute has an index, but no single index serves the combination.
            scanned = tests.into_iter().map(|(path, _)| path).collect();
        }
    }
    // An index in the order of the attribute yields every resource; with a filter, all matches are sorted.
    let is_ordered = |path: &&AttributePath| *condition == Condition::Always(true) && has_order(path, layout);
    sorted_names(scanned.into_iter().chain(sort.filter(|it| !is_ordered(it))))
}

fn sorted_names<'a>(paths: impl Iterator<Item = &'a AttributePath>) -> Vec<String> {
    let mut names: Vec<String> = paths.map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether the condition is an equality on a unique key.
fn is_unique(condition: &Condition, layout: &Layout) -> bool {
    let Condition::Attribute(path, Test::Eq(Operand::Key(_))) = condition else {
        return false;
    };
    match Source::of(path, layout) {
        Source::Id | Source::Meta(Meta::Location) => true,
        _ => layout.unique.as_ref() == Some(path),
    }
}

/// Whether the resources that pass the test are exactly those that an index finds.
fn is_served(path: &AttributePath, test: &Test, layout: &Layout) -> bool {
    match Source::of(path, layout) {
        Source::Id | Source::Meta(Meta::Location) => matches!(test, Test::Eq(_) | Test::Present),
        // The times have an index; the type and the presence of `meta` are the same for all.
        Source::Meta(Meta::Created | Meta::LastModified | Meta::ResourceType | Meta::Whole) => true,
        Source::Meta(Meta::Version | Meta::Unknown) => *test == Test::Present,
        Source::Membership { is_id } => is_id && matches!(test, Test::Eq(_)),
        Source::Column(_) | Source::IndexRows(_) => match test {
            Test::Present | Test::Eq(_) => true,
            Test::Co(_) | Test::Ew(_) => false,
            Test::Sw(operand) | Test::Gt(operand) | Test::Ge(operand) => operand.len() <= EXACT,
            Test::Lt(operand) | Test::Le(operand) => operand.len() <= EXACT,
        },
        Source::Reference(_) | Source::NormalForm => false,
    }
}

/// Whether an index has the order of the attribute. All resources of a type have the same `meta.resourceType`,
/// and their locations are in the order of their ids.
fn has_order(path: &AttributePath, layout: &Layout) -> bool {
    match Source::of(path, layout) {
        Source::Id => true,
        Source::Meta(meta) => !matches!(meta, Meta::Whole | Meta::Version | Meta::Unknown),
        Source::Column(column) => column != Column::Active,
        _ => false,
    }
}

/// Whether the condition is one equality, or two on the same value of a multi-valued attribute.
fn is_short_equality(condition: &Condition, layout: &Layout) -> bool {
    match condition {
        Condition::Attribute(path, Test::Eq(Operand::Key(_))) => {
            Source::of(path, layout) != Source::Membership { is_id: true }
        }
        Condition::Element(path, ElementCondition::And(operands)) => {
            let is_equality = |it: &_| matches!(it, ElementCondition::Attribute(_, Test::Eq(_)));
            !is_membership(&layout.resource_type, path)
                && operands.len() == 2
                && operands.iter().all(is_equality)
        }
        _ => false,
    }
}

/// All tests of a condition, including those inside brackets.
fn tests(condition: &Condition) -> Vec<(&AttributePath, &Test)> {
    match condition {
        Condition::Always(_) => Vec::new(),
        Condition::Attribute(path, test) => vec![(path, test)],
        Condition::Element(path, condition) => {
            let tests = element_tests(condition);
            // `emails[…]` without a test asks whether the attribute has a value.
            if tests.is_empty() {
                vec![(path, &Test::Present)]
            } else {
                tests
            }
        }
        Condition::And(operands) | Condition::Or(operands) => operands.iter().flat_map(tests).collect(),
        Condition::Not(operand) => tests(operand),
    }
}

fn element_tests(condition: &ElementCondition) -> Vec<(&AttributePath, &Test)> {
    match condition {
        ElementCondition::Always(_) => Vec::new(),
        ElementCondition::Attribute(path, test) => vec![(path, test)],
        ElementCondition::And(operands) | ElementCondition::Or(operands) => {
            operands.iter().flat_map(element_tests).collect()
        }
        ElementCondition::Not(operand) => element_tests(operand),
    }
}
