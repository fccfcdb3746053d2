//! Searching: translates a search request to a query of the store, and the page to a ListResponse (RFC 7644 sections
//! 3.4.2 and 3.4.3, RFC 9865).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_filter::{AttrPath, Filter, Mode, Options};
use scim_model::condition::{Condition, resolve_sort_by};
use scim_model::internal::{Body, ListResponse, Projection, SearchRequest, SortOrder, standard_notation};
use scim_model::store::{Include, Page, PageRequest, Position, Query, Sort, Stored, TenantId};
use scim_model::{Policy, ResourceType, ScimError, ScimType, Tolerances};

use super::content::Content;
use super::core::{Service, include};
use super::cursor::binding;
use super::error::Error;
use super::requester::Requester;
use crate::clock;

/// The limits of a filter's length in bytes, nesting depth and number of terms. The cost of a filter grows with each of
/// them, so filters beyond the limits are `invalidFilter`.
const MAX_FILTER_LENGTH: usize = 8 * 1024;
const MAX_FILTER_DEPTH: usize = 40;
const MAX_FILTER_TERMS: usize = 200;

impl Service {
    /// Returns the ListResponse of a search over one resource type, or over all of them. `tolerances` records those
    /// that reading the request needed.
    ///
    /// # Errors
    /// `invalidFilter`, `invalidValue`, `invalidCursor`, `expiredCursor`; see [`Error`].
    pub fn search(
        &self,
        requester: &Requester,
        resource_type: Option<&Arc<ResourceType>>,
        request: &SearchRequest,
        tolerances: &Tolerances,
    ) -> Result<Content, Error> {
        let types = resource_type.map_or(&*self.registry.resource_types, std::slice::from_ref);
        let (tenant, policy) = (requester.tenant, requester.settings.policy());
        let projection = Projection::new(
            request.attributes.as_deref(),
            request.excluded_attributes.as_deref(),
            policy,
        )?;
        projection.check_names(types, tolerances)?;
        let conditions = conditions(request.filter.as_deref(), types, tolerances)?;
        let binding = binding(
            tenant,
            resource_type.map_or("", |it| &it.endpoint),
            // A cursor refers to a resource type by its index among the types of the query.
            bound_parameters(request).chain(types.iter().map(|it| Some(&*it.name))),
        );
        let now = clock::now();
        let query = Query {
            targets: types.iter().cloned().zip(conditions).collect(),
            sort: sort(request, types, tolerances)?,
            page: self.page_request(request, &binding, now)?,
            include: Include {
                members: types.iter().any(|it| include(it, &projection).members),
                groups: types.iter().any(|it| include(it, &projection).groups),
            },
            base_url: self.settings.base_url.clone(),
        };
        let page = self.store.list(tenant, &query)?;
        self.tolerances.record_request(requester, &tolerances.take());
        self.list_response(tenant, &query, page, projection, &|it| {
            self.cursor_keys.seal(&binding, it, now)
        })
    }

    fn list_response(
        &self,
        tenant: TenantId,
        query: &Query,
        page: Page,
        projection: Projection,
        cursor: &dyn Fn(&Position) -> Result<String, ScimError>,
    ) -> Result<Content, Error> {
        let mut presenter = self.presenter(&projection);
        let references = self.references(tenant, &mut presenter, &page.resources)?;
        let (start_index, count) = match &query.page {
            PageRequest::Index { start_index, count } => (Some(*start_index), *count),
            PageRequest::Cursor { count, .. } => (None, *count),
        };
        // A request with `count` 0 gets no cursors.
        let seal =
            |position: Option<Position>| position.filter(|_| count > 0).map(|it| cursor(&it)).transpose();
        let (next, previous) = (seal(page.next)?, seal(page.previous)?);
        let response = ListResponse {
            total_results: page.total,
            start_index,
            next_cursor: next.as_deref(),
            previous_cursor: previous.as_deref(),
        };
        let write = |body: &mut Body, stored: Stored| presenter.write(body, stored, &references).map(drop);
        let listed = page.resources.len();
        let body = response.to_json_with_rest(page.resources.into_iter(), page.rest, write)?;
        Ok(Content::of_list(tenant, body, listed, projection, query.include))
    }

    fn page_request(
        &self,
        request: &SearchRequest,
        binding: &[u8],
        now: DateTime<Utc>,
    ) -> Result<PageRequest, ScimError> {
        let settings = &self.settings;
        let count = match request.count {
            None => settings.default_page_size,
            // A negative count is 0, and a count above the maximum is the maximum.
            Some(count) => u32::try_from(count.max(0))
                .unwrap_or(u32::MAX)
                .min(settings.max_page_size),
        };
        let Some(cursor) = &request.cursor else {
            // A value below 1 means 1 (7644-3.4.2.4-02).
            let start_index = request
                .start_index
                .map_or(1, |it| u64::try_from(it).unwrap_or(0).max(1));
            return Ok(PageRequest::Index { start_index, count });
        };
        if request.start_index.is_some() {
            return Err(ScimError::new(
                ScimType::InvalidValue,
                "`startIndex` and `cursor` cannot be combined",
            ));
        }
        let from = if cursor.is_empty() {
            None
        } else {
            Some(self.cursor_keys.open(binding, cursor, now)?)
        };
        Ok(PageRequest::Cursor { from, count })
    }
}

/// Returns the parameters that a cursor is bound to: all of the request except `count`, which may change.
fn bound_parameters(request: &SearchRequest) -> impl Iterator<Item = Option<&str>> {
    let order = is_descending(request).then_some("descending");
    let names = [&request.attributes, &request.excluded_attributes]
        .into_iter()
        .flat_map(|it| {
            let names = it.iter().flatten().map(|it| Some(it.as_str()));
            // `None` marks the end of a list.
            names.chain([None])
        });
    [request.filter.as_deref(), request.sort_by.as_deref(), order]
        .into_iter()
        .chain(names)
}

/// Resolves the filter for each resource type. Without a filter, every resource matches.
fn conditions(
    filter: Option<&str>,
    types: &[Arc<ResourceType>],
    tolerances: &Tolerances,
) -> Result<Vec<Condition>, ScimError> {
    let Some(text) = filter else {
        return Ok(vec![Condition::Always(true); types.len()]);
    };
    let text = standard_notation(text, types, tolerances);
    let parsed = Filter::parse_with(&text, &filter_options(tolerances.policy()))
        .map_err(|error| ScimError::new(ScimType::InvalidFilter, format!("`filter`: {error}")))?;
    tolerances.record_syntax(&parsed.leniencies);
    let filter = parsed.value;
    match types {
        // In a search over one type, a filter on an attribute that the type lacks is an error.
        [only] => Ok(vec![Condition::resolve_with(&filter, only, tolerances)?]),
        several => Condition::resolve_for_all(&filter, several, tolerances),
    }
}

fn filter_options(policy: Policy) -> Options {
    Options {
        mode: if policy.lenient {
            Mode::Lenient
        } else {
            Mode::Strict
        },
        // WSO2 sends filter values without quotes.
        bare_words: policy.lenient,
        max_length: MAX_FILTER_LENGTH,
        max_depth: MAX_FILTER_DEPTH,
        max_terms: MAX_FILTER_TERMS,
    }
}

/// Returns the order of `sortBy` and `sortOrder`. `sortOrder` without `sortBy` is ignored.
fn sort(
    request: &SearchRequest,
    types: &[Arc<ResourceType>],
    tolerances: &Tolerances,
) -> Result<Option<Sort>, ScimError> {
    let Some(sort_by) = request
        .sort_by
        .as_deref()
        .map(str::trim)
        .filter(|it| !it.is_empty())
    else {
        return Ok(None);
    };
    let unknown = |_| ScimError::new(ScimType::InvalidValue, "`sortBy` must name an attribute");
    let path = AttrPath::parse(&standard_notation(sort_by, types, tolerances)).map_err(unknown)?;
    Ok(Some(Sort {
        paths: resolve_sort_by(&path, types)?,
        descending: is_descending(request),
    }))
}

fn is_descending(request: &SearchRequest) -> bool {
    request.sort_order == Some(SortOrder::Descending)
}
