//! The content of a response. Parts that are too large for the memory are read while the client takes the parts before
//! them.

use scim_model::internal::{Body, Piece, Pieces, Projection};
use scim_model::store::{Include, ResourceKey, RestOfMembers, TenantId};

/// The content of a response.
#[derive(Debug)]
pub struct Content {
    pub(super) tenant: TenantId,
    pub(super) state: State,
    /// The presentation of the resources of a list that are still to be read.
    pub(super) list: Option<Box<List>>,
}

#[derive(Debug)]
pub(super) enum State {
    /// All text is in memory.
    Whole(String),
    Pieces(Pieces),
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) projection: Projection,
    pub(super) include: Include,
}

/// A part of the content that has to be read with [`Service::read_next`](super::Service::read_next).
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
    /// A part that has to be read first.
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

    /// Creates the content of a list whose body has `listed` resources so far.
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

    /// Returns the approximate size of the content in memory, in bytes.
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
}
