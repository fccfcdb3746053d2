use super::precondition::Preconditions;
use super::{Error, Service, Shown};
use scim_model::store::TenantId;
use scim_model::{Projection, ResourceType, ScimError};
use std::sync::Arc;
impl Service {
    /// x
    pub fn patch(
        &self,
        _: TenantId,
        _: &Arc<ResourceType>,
        _: &str,
        _: &[u8],
        _: &Projection,
        _: &Preconditions,
    ) -> Result<Shown, Error> {
        Err(ScimError::status(501, "x").into())
    }
}
