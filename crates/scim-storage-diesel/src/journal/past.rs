//! The resources of journal entries in the state right after each change, computed from the stored documents and the
//! entries that follow.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use diesel::prelude::*;
use scim_model::change::{ChangeDetail, Operation, PastState};
use scim_model::store::{FeedEntry, PastResource, TenantId};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::connection::Conn;
use crate::error::Failure;
use crate::schema::{changes, resource};
use crate::schema_map::layout::Layouts;
use crate::sql::{Sql, sql};

/// The most rows that one statement reads for all resources together. If there are more, each resource is read alone.
const MAX_ROWS: usize = 10_000;

/// The most entries of a resource that is read alone that are read at once.
const PAGE: i64 = 1_000;

/// Returns the resources of entries, see [`scim_model::store::ChangeFeed::resources_after`].
pub(super) fn resources_after(
    conn: &mut Conn,
    layouts: &Layouts,
    entries: &[&FeedEntry],
    max_bytes: usize,
) -> Result<Vec<PastResource>, Failure> {
    let mut histories = histories(entries, layouts);
    let mut found = Found::new(max_bytes);
    match rows_of_all(conn, &histories)? {
        Some(rows) => {
            for (number, row) in rows {
                histories[number].take(row, &mut found);
            }
        }
        None => {
            for history in &mut histories {
                history.read_alone(conn, &mut found)?;
            }
        }
    }
    Ok(found.into_list())
}

/// The history of a resource: from the stored document back to the first of its entries.
struct History<'a> {
    tenant: TenantId,
    id: Uuid,
    layouts: &'a Layouts,
    /// The numbers of the entries in the list, the newest last.
    wanted: Vec<(usize, &'a FeedEntry)>,
    /// The number of the first one in the journal.
    first: i64,
    /// The state after the row that comes next.
    state: PastState,
}

/// A row of a history, the newest first: the stored document, then the entries.
struct Row {
    /// `None` for the document.
    entry: Option<(i64, String)>,
    text: String,
}

/// Groups entries by resource. The entries are in the order of the feed.
fn histories<'a>(entries: &[&'a FeedEntry], layouts: &'a Layouts) -> Vec<History<'a>> {
    let mut histories: Vec<History> = Vec::new();
    let mut numbers = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let number = *numbers
            .entry((entry.tenant, entry.change.id))
            .or_insert_with(|| histories.len());
        if number == histories.len() {
            histories.push(History {
                tenant: entry.tenant,
                id: entry.change.id,
                layouts,
                wanted: Vec::new(),
                first: entry.change.position.sequence,
                state: PastState::Absent,
            });
        }
        histories[number].wanted.push((index, entry));
    }
    histories
}

/// Reads the rows of all histories with one statement, each with the number of its history. `None` if there are too many.
fn rows_of_all(conn: &mut Conn, histories: &[History]) -> Result<Option<Vec<(usize, Row)>>, Failure> {
    let wanted = histories.iter().map(|it| (it.tenant, it.id, it.first));
    // `CROSS JOIN` keeps SQLite from reading all entries and looking for each in the list.
    let statement = sql!(
        "WITH wanted AS (SELECT number, tenant_id, id, first_sequence FROM {table} AS t)
         SELECT w.number, CAST(NULL AS BIGINT), CAST(NULL AS TEXT), r.document
         FROM wanted w CROSS JOIN resource r
         WHERE r.tenant_id = w.tenant_id AND r.id = w.id
         UNION ALL
         SELECT w.number, c.sequence, c.action, c.change
         FROM wanted w CROSS JOIN changes c
         WHERE c.tenant_id = w.tenant_id AND c.id = w.id AND c.sequence >= w.first_sequence
         LIMIT {limit}";
        table = Sql::table_of_resources(conn.dialect(), wanted), limit = MAX_ROWS as u64 + 1
    );
    let rows = conn.rows::<(i64, Option<i64>, Option<String>, String)>(&statement)?;
    if rows.len() > MAX_ROWS {
        return Ok(None);
    }
    let mut rows: Vec<(usize, Row)> = rows
        .into_iter()
        .map(|(number, sequence, operation, text)| {
            let entry = sequence.zip(operation);
            (usize::try_from(number).unwrap_or_default(), Row { entry, text })
        })
        .collect();
    let newest_first = |row: &Row| Reverse(row.entry.as_ref().map_or(i64::MAX, |(sequence, _)| *sequence));
    rows.sort_by_key(|(number, row)| (*number, newest_first(row)));
    Ok(Some(rows))
}

impl History<'_> {
    /// Reads the rows of this history alone, some at once.
    fn read_alone(&mut self, conn: &mut Conn, found: &mut Found) -> Result<(), Failure> {
        let document = resource::table
            .filter(resource::tenant_id.eq(self.tenant.0))
            .filter(resource::id.eq(self.id.as_bytes().to_vec()))
            .select(resource::document);
        let document: Option<String> = conn.only(document)?;
        if let Some(text) = document {
            self.take(Row { entry: None, text }, found);
        }
        let mut before = i64::MAX;
        loop {
            let entries = changes::table
                .filter(changes::tenant_id.eq(self.tenant.0))
                .filter(changes::id.eq(self.id.as_bytes().to_vec()))
                .filter(changes::sequence.ge(self.first))
                .filter(changes::sequence.lt(before))
                .order(changes::sequence.desc())
                .limit(PAGE)
                .select((changes::sequence, changes::action, changes::change));
            let rows: Vec<(i64, String, String)> = conn.load(entries)?;
            let Some((last, ..)) = rows.last() else {
                return Ok(());
            };
            before = *last;
            for (sequence, operation, text) in rows {
                let entry = Some((sequence, operation));
                self.take(Row { entry, text }, found);
            }
        }
    }

    /// Takes the next older row.
    fn take(&mut self, row: Row, found: &mut Found) {
        let Some((_, newest)) = self.wanted.last() else {
            return;
        };
        let Some(layout) = self.layouts.named(&newest.change.resource_type) else {
            // Nothing is known about the attributes of its type.
            for (index, _) in self.wanted.drain(..) {
                found.insert(index, PastResource::default());
            }
            return;
        };
        let resource_type = &layout.resource_type;
        let Some((sequence, operation)) = row.entry else {
            self.state = PastState::of_document(resource_type, &row.text);
            return;
        };
        while let Some((index, entry)) = self.wanted.last().copied() {
            if entry.change.position.sequence < sequence {
                break;
            }
            // Otherwise the entry has been dropped.
            if entry.change.position.sequence == sequence {
                found.insert(index, past_resource(self.state.to_json(resource_type, self.id)));
            }
            self.wanted.pop();
        }
        let state = std::mem::replace(&mut self.state, PastState::Unknown);
        // A later version may have written an operation that this one does not know.
        if let Ok(operation) = operation.parse::<Operation>() {
            self.state = state.undo(resource_type, operation, &ChangeDetail::from_stored(&row.text));
        }
    }
}

fn past_resource(members: Option<Map<String, Value>>) -> PastResource {
    let text = members.as_ref().map(serde_json::to_string);
    let bytes = text.and_then(Result::ok).map_or(0, |it| it.len());
    PastResource {
        members: members.map(Arc::new),
        bytes,
    }
}

/// The resources that were found, as many of the first ones as fit.
struct Found {
    resources: BTreeMap<usize, PastResource>,
    bytes: usize,
    max_bytes: usize,
    /// Resources from this number on do not fit.
    end: usize,
}

impl Found {
    fn new(max_bytes: usize) -> Found {
        Found {
            resources: BTreeMap::new(),
            bytes: 0,
            max_bytes,
            end: usize::MAX,
        }
    }

    fn insert(&mut self, index: usize, resource: PastResource) {
        if index >= self.end {
            return;
        }
        self.bytes += resource.bytes;
        self.resources.insert(index, resource);
        while self.bytes > self.max_bytes && self.resources.len() > 1 {
            let Some((last, dropped)) = self.resources.pop_last() else {
                return;
            };
            self.bytes -= dropped.bytes;
            self.end = last;
        }
    }

    /// The resources up to the first one that is missing.
    fn into_list(self) -> Vec<PastResource> {
        let numbered = self.resources.into_iter().enumerate();
        let without_gap = numbered.take_while(|(place, (index, _))| place == index);
        without_gap.map(|(_, (_, resource))| resource).collect()
    }
}
