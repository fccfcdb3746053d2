//! A POST for a user who is already stored and inactive: the user is restored under the same id.

use scim_filter::Filter;
use scim_model::condition::Condition;
use scim_model::schema::Uniqueness;
use scim_model::store::{Include, PageRequest, Query, StoreError, Stored};
use scim_model::{Document, ResourceType, Tolerances};
use serde_json::Value;
use uuid::Uuid;

use super::core::{Representation, Service};
use super::error::Error;
use super::precondition::Preconditions;
use super::requester::Request;
use super::secrets::HashedSecrets;

/// The attribute that says whether a user is active. Resources of a type without it cannot be restored.
const ACTIVE: &str = "active";

impl Service {
    /// Finds the inactive resource that has the unique values of a new document, updates it with the body of the
    /// POST, and makes it active unless the body says `"active": false`. Returns `None` if no resource has the
    /// values.
    ///
    /// # Errors
    /// `Conflict` if several resources have the values, or an active one.
    pub(super) fn restore(
        &self,
        request: &Request,
        body: &Value,
        document: &Document,
        tolerances: &Tolerances,
    ) -> Result<Option<Representation>, Error> {
        if request.resource_type.core_attribute(ACTIVE).is_none() {
            return Ok(None);
        }
        let Some(id) = self.owner(request, document)? else {
            return Ok(None);
        };
        let stays_inactive = is_inactive(document);
        let mut hashed = HashedSecrets::default();
        let restored = self.retry_locks.retry(id, &Preconditions::default(), || {
            self.restore_as(request, id, body, stays_inactive, &mut hashed, tolerances)
        });
        match restored {
            // The resource was deleted in between, which frees its values.
            Err(Error::NotFound) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Replaces the inactive resource. Its state may have changed since it was found.
    fn restore_as(
        &self,
        request: &Request,
        id: Uuid,
        body: &Value,
        stays_inactive: bool,
        hashed: &mut HashedSecrets,
        tolerances: &Tolerances,
    ) -> Result<Representation, Error> {
        let current = self.read(request, id, Include::default())?;
        let document = Document::from_stored_json(&current.document)?;
        if !is_inactive(&document) {
            return Err(taken(unique_names(request.resource_type).next().unwrap_or("id")));
        }
        let mut sent =
            Document::for_replace(request.resource_type, &document, body.clone(), request.policy())?;
        sent.document.insert(ACTIVE, (!stays_inactive).into());
        let update = self.replacement(request, &current, &document, &mut sent, hashed, tolerances)?;
        if stays_inactive {
            // The client has sent `"active": false`, so access is not given back, and the journal must not say
            // `restored`.
            self.write(request, &update)?;
        } else {
            let restored = self.store.restore(request.tenant(), &update)?;
            restored.ok_or(Error::NotFound)?;
        }
        let needed = tolerances.take();
        self.tolerances
            .record_request(request.requester, sent.tolerances.iter().chain(&needed));
        let stored = self.read_to_show(request, id)?;
        self.represent(request, stored, sent.requested)
    }

    /// Returns the inactive resource that has the unique values of a document.
    fn owner(&self, request: &Request, document: &Document) -> Result<Option<Uuid>, Error> {
        let mut owner: Option<Uuid> = None;
        for name in unique_names(request.resource_type) {
            let Some(Value::String(value)) = document.values().get(name) else {
                continue;
            };
            let Some(found) = self.only_with(request, name, value)? else {
                continue;
            };
            let is_restorable = is_inactive(&Document::from_stored_json(&found.document)?);
            if !is_restorable || owner.is_some_and(|it| it != found.id) {
                return Err(taken(name));
            }
            owner = Some(found.id);
        }
        Ok(owner)
    }

    /// Returns the resource with a value.
    ///
    /// # Errors
    /// `Conflict` if there are several.
    fn only_with(&self, request: &Request, name: &str, value: &str) -> Result<Option<Stored>, Error> {
        let text = format!("{name} eq {}", Value::from(value));
        let filter = Filter::parse(&text).expect("an attribute name and a JSON string are a filter");
        let tolerances = Tolerances::new(request.policy());
        let condition = Condition::resolve_with(&filter, request.resource_type, &tolerances)?;
        let query = Query {
            targets: vec![(request.resource_type.clone(), condition)],
            sort: None,
            page: PageRequest::Index {
                start_index: 1,
                count: 1,
            },
            include: Include::default(),
            base_url: self.settings.base_url.clone(),
        };
        let page = self.store.list(request.tenant(), &query)?;
        if page.total > 1 {
            return Err(taken(name));
        }
        Ok(page.resources.into_iter().next())
    }
}

/// The core attributes whose values identify a resource, and `externalId`, the identifier that the client uses.
fn unique_names(resource_type: &ResourceType) -> impl Iterator<Item = &str> {
    let core = resource_type.schema.attributes.iter();
    let unique = core.filter(|it| it.uniqueness != Uniqueness::None && !it.multi_valued);
    unique.map(|it| it.name.as_str()).chain(["externalId"])
}

fn is_inactive(document: &Document) -> bool {
    document.values().get(ACTIVE) == Some(&Value::Bool(false))
}

fn taken(attribute: &str) -> Error {
    let attribute = attribute.to_owned();
    StoreError::Conflict { attribute }.into()
}
