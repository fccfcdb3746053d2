//! Requests to the store, as the server makes them.

use std::sync::Arc;

use chrono::Utc;
use scim_filter::{AttrPath, Filter};
use scim_model::change::{Actor, AttributeChanges};
use scim_model::condition::resolve_sort_by;
use scim_model::store::{Include, MembersChange, MembersStep, PageRequest, Query, Sort, Update};
use scim_model::{Condition, Policy, ResourceType, SecretHashes};
use uuid::Uuid;

pub(crate) const NOTHING: Include = include(false, false);
/// The derived attributes that the server reads when the request has no projection.
pub(crate) const GROUPS: Include = include(false, true);
pub(crate) const MEMBERS: Include = include(true, false);

const fn include(members: bool, groups: bool) -> Include {
    Include { members, groups }
}

/// The number of resources on a page.
pub(crate) const PAGE: u32 = 100;

/// Returns the request for the first page of the resources that match a filter; all match an empty one.
pub(crate) fn list(resource_type: &Arc<ResourceType>, filter: &str) -> Query {
    let mut query = sorted(&[resource_type], "");
    if !filter.is_empty() {
        let filter = Filter::parse(filter).expect("the filter is valid");
        let condition = Condition::resolve(&filter, resource_type, Policy { lenient: false });
        query.targets[0].1 = condition.expect("the attributes exist");
    }
    query
}

/// Returns the request for the number of matches alone.
pub(crate) fn count(resource_type: &Arc<ResourceType>, filter: &str) -> Query {
    let page = index(0, 0);
    Query {
        page,
        ..list(resource_type, filter)
    }
}

/// Returns the request for all resources of the types, in the order of an attribute or of their creation.
pub(crate) fn sorted(types: &[&Arc<ResourceType>], sort_by: &str) -> Query {
    let types: Vec<_> = types.iter().map(|it| Arc::clone(it)).collect();
    let sort = AttrPath::parse(sort_by).ok().map(|path| Sort {
        paths: resolve_sort_by(&path, &types).expect("the attributes exist"),
        descending: false,
    });
    Query {
        targets: types
            .into_iter()
            .map(|it| (it, Condition::Always(true)))
            .collect(),
        sort,
        page: index(0, PAGE),
        include: GROUPS,
        base_url: "https://scim.example.com/scim/v2".into(),
    }
}

/// Returns the page that begins after `skipped` resources.
pub(crate) fn index(skipped: u64, count: u32) -> PageRequest {
    let start_index = skipped + 1;
    PageRequest::Index { start_index, count }
}

/// Returns an update that changes nothing, to be completed by the caller.
pub(crate) fn update(resource_type: &Arc<ResourceType>, id: Uuid) -> Update {
    Update {
        resource_type: resource_type.clone(),
        id,
        expected_version: None,
        now: Utc::now(),
        actor: Actor::System,
        document: None,
        members: MembersChange::None,
        secrets: SecretHashes::new(),
        changes: AttributeChanges::default(),
    }
}

/// Returns an update that adds members to a group or removes them.
pub(crate) fn members(group: &Arc<ResourceType>, id: Uuid, step: MembersStep) -> Update {
    let members = MembersChange::Steps(vec![step]);
    Update {
        members,
        ..update(group, id)
    }
}
