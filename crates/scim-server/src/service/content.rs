//! The content of a response. Parts that are too large for the memory are read while the client takes the parts before
//! them.

use scim_model::internal::{Body, Piece, Pieces, Presenter, Projection};
use scim_model::store::{Include, ResourceKey, RestOfMembers, Stored, TenantId};

use super::core::Service;
use super::error::Error;

/// The content of a response.
#[derive(Debug)]
pub struct Content {
    tenant: TenantId,
    state: State,
    /// The presentation of the resources of a list that are still to be read.
    list: Option<Box<List>>,
}

#[derive(Debug)]
enum State {
    /// All text is in memory.
    Whole(String),
    Pieces(Pieces),
}

#[derive(Debug)]
struct List {
    projection: Projection,
    include: Include,
}

/// A part of the content that has to be read with [`Content::read`].
#[derive(Debug)]
pub enum Unread {
    /// Members of a group.
    Members(RestOfMembers),
    /// Resources of a list.
    Resources(Vec<ResourceKey>),
}

/// The next part of the content.
#[derive(Debug)]
pub enum Next {
    /// Text, which is not empty.
    Text(String),
    /// Nothing until this is read.
    Unread(Unread),
}

impl Content {
    pub(super) fn of_resource(tenant: TenantId, body: Body) -> Content {
        let state = match body.is_whole() {
            true => State::Whole(body.into_text()),
            false => State::Pieces(body.into_pieces()),
        };
        Content {
            tenant,
            state,
            list: None,
        }
    }

    /// Creates the content of a list. Its body has `listed` resources so far.
    pub(super) fn of_list(
        tenant: TenantId,
        body: Body,
        listed: usize,
        projection: Projection,
        include: Include,
    ) -> Content {
        if body.is_whole() {
            return Content::of_resource(tenant, body);
        }
        Content {
            tenant,
            state: State::Pieces(body.into_pieces().with_listed(listed)),
            list: Some(Box::new(List { projection, include })),
        }
    }

    /// Returns the tenant whose data the content shows.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Returns the length of the content if all of it is in memory.
    pub fn length(&self) -> Option<usize> {
        match &self.state {
            State::Whole(text) => Some(text.len()),
            State::Pieces(_) => None,
        }
    }

    /// Returns about how many bytes the content takes in memory.
    pub fn memory(&self) -> usize {
        match &self.state {
            State::Whole(text) => text.len(),
            State::Pieces(pieces) => pieces.memory(),
        }
    }

    /// Returns the next part; `None` at the end.
    pub fn next_part(&mut self) -> Option<Next> {
        let pieces = match &mut self.state {
            State::Whole(text) => {
                let text = std::mem::take(text);
                return (!text.is_empty()).then_some(Next::Text(text));
            }
            State::Pieces(pieces) => pieces,
        };
        Some(match pieces.next()? {
            Piece::Text(text) => Next::Text(text),
            Piece::Members(rest) => Next::Unread(Unread::Members(rest)),
            Piece::Resources(keys) => Next::Unread(Unread::Resources(keys)),
        })
    }

    /// Reads some of the next part, which is `unread`. After an error it can be read again.
    ///
    /// # Errors
    /// The errors of the store. The text before the part may have been sent, so the response cannot become an error.
    pub fn read(&mut self, service: &Service, unread: &Unread) -> Result<(), Error> {
        let State::Pieces(pieces) = &mut self.state else {
            return Ok(());
        };
        match (unread, &self.list) {
            (Unread::Members(rest), _) => {
                let (members, rest) = service.store.next_members(self.tenant, *rest)?;
                pieces.add_members(members, rest);
            }
            (Unread::Resources(keys), Some(list)) => {
                let next = service.store.next_resources(self.tenant, keys, list.include)?;
                let mut presenter = service.presenter(&list.projection);
                let bodies = service.bodies(self.tenant, &mut presenter, next.resources)?;
                pieces.add_resources(next.keys.max(1), bodies);
            }
            (Unread::Resources(_), None) => {}
        }
        Ok(())
    }
}

impl Service {
    /// Returns the JSON text of each resource.
    fn bodies(
        &self,
        tenant: TenantId,
        presenter: &mut Presenter,
        resources: Vec<Stored>,
    ) -> Result<Vec<Body>, Error> {
        let references = self.references(tenant, presenter, &resources)?;
        let body = |stored| {
            let mut body = Body::default();
            presenter.write(&mut body, stored, &references)?;
            Ok(body)
        };
        resources.into_iter().map(body).collect()
    }
}
