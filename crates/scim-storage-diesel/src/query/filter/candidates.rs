//! The few resources that index lookups lead to, as a list of their `pk`.

use scim_model::condition::{ElementCondition, Operand, Test};

use crate::query::access::{Access, Lookup};
use crate::query::context::{Context, always, canonical_id, has_id};
use crate::query::source::{Meta, Source};
use crate::schema_map::index_key::index_key;
use crate::sql::{Sql, sql};

/// How a statement reaches the few resources.
#[derive(Clone, Debug)]
pub(crate) enum Candidates {
    /// By an index on the tenant and a column that the condition requires.
    Column,
    /// By their `pk`, which the condition requires to be in a list.
    Pk,
    /// By their `pk`, which this test requires to be in a list.
    List {
        test: Sql,
        /// The test is equivalent to the condition, which is then left out: PostgreSQL estimates an `or` of
        /// subqueries as expensive, and with many of them would walk all resources after all.
        is_exact: bool,
    },
}

impl Context<'_> {
    /// The candidates of an access path with lookups; `None` for the others.
    pub(crate) fn candidates(&self, access: &Access) -> Option<Candidates> {
        let lookups = access.lookups()?;
        if lookups.is_required_column() {
            return Some(Candidates::Column);
        }
        if lookups.is_required && !self.keeps_subqueries {
            return Some(Candidates::Pk);
        }
        let pks = Sql::join(lookups.tests.iter().map(|it| self.pks_by(it)), " UNION ");
        Some(Candidates::List {
            test: match lookups.tests.is_empty() {
                true => always(false),
                false => sql!("r.pk IN ({pks})"; pks),
            },
            is_exact: lookups.is_exact,
        })
    }

    /// Selects the `pk` of the resources that pass one lookup.
    fn pks_by(&self, Lookup { path, key, .. }: &Lookup) -> Sql {
        let index_key = || Sql::from(index_key(key));
        let test = match Source::of(path, self.layout) {
            Source::Membership { .. } => {
                let test = Test::Eq(Operand::Key((*key).to_owned()));
                let condition = ElementCondition::Attribute((*path).clone(), test);
                return self.memberships(path).pks(&condition);
            }
            Source::IndexRows(number) => {
                return self.pks_with_value(number, sql!("v.key = {key}"; key = index_key()));
            }
            Source::Id => has_id("c", canonical_id(key)),
            Source::Meta(Meta::Location) => has_id("c", self.id_at_location(key)),
            Source::Column(column) => {
                sql!("c.{column} = {key}"; column = Sql::text(column.name()), key = index_key())
            }
            // Lookups never have these sources, which no index serves.
            Source::Meta(_) | Source::Reference(_) | Source::NormalForm => always(false),
        };
        sql!(
            "SELECT c.pk FROM resource c WHERE c.tenant_id = {tenant} AND c.kind = {kind} AND {test}";
            tenant = self.scope.tenant, kind = self.layout.kind, test
        )
    }
}
