//! Keys of a body that name a schema of other resource types.

use scim_model::internal::names_known_schema;
use scim_model::{ResourceType, Schema, ScimError, ScimType};
use serde_json::{Map, Value};

use super::core::Service;

impl Service {
    /// Checks that no key names a schema of this server that the resource type does not have. Unknown attributes are
    /// ignored, but a client that names a known schema expects its value to be stored, and would be told so.
    ///
    /// # Errors
    /// `scim_type`, with the key.
    pub(super) fn check_keys(
        &self,
        resource_type: &ResourceType,
        body: &Value,
        scim_type: ScimType,
    ) -> Result<(), ScimError> {
        let Value::Object(members) = body else {
            return Ok(());
        };
        for (key, value) in members {
            let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
            if is_empty || names_known_schema(resource_type, key) {
                continue;
            }
            if let Some(schema) = self.registry.schemas.iter().find(|it| begins_with_urn(key, it)) {
                let detail = format!(
                    "`{}`: resources of the type `{}` do not have this schema",
                    schema.id, resource_type.name
                );
                return Err(ScimError::new(scim_type, detail));
            }
        }
        Ok(())
    }
}

fn begins_with_urn(key: &str, schema: &Schema) -> bool {
    key.split_at_checked(schema.id.len()).is_some_and(|(urn, rest)| {
        urn.eq_ignore_ascii_case(&schema.id) && (rest.is_empty() || rest.starts_with([':', '.']))
    })
}
