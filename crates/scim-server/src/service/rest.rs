//! Reading the parts of a response that were too large to be read at once.

use scim_model::internal::{Body, Presenter};
use scim_model::store::{Stored, TenantId};

use super::content::{Content, State, Unread};
use super::core::Service;
use super::error::Error;

impl Service {
    /// Reads the next part of a content, `unread`, or some of it. After an error, the same part can be read again.
    ///
    /// # Errors
    /// The errors of the store. The text before the part may have been sent, so the response cannot become an error.
    pub fn read_next(&self, content: &mut Content, unread: &Unread) -> Result<(), Error> {
        let State::Pieces(pieces) = &mut content.state else {
            return Ok(());
        };
        match (unread, &content.list) {
            (Unread::Members(rest), _) => {
                let (members, rest) = self.store.next_members(content.tenant, *rest)?;
                pieces.add_members(members, rest);
            }
            (Unread::Resources(keys), Some(list)) => {
                let next = self.store.next_resources(content.tenant, keys, list.include)?;
                let mut presenter = self.presenter(&list.projection);
                let bodies = self.bodies(content.tenant, &mut presenter, next.resources)?;
                pieces.add_resources(next.keys.max(1), bodies);
            }
            (Unread::Resources(_), None) => {}
        }
        Ok(())
    }

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
