//! Schemas and resource types: the built-in ones, and those of an operator.

use scim_model::SchemaRegistry;

#[test]
fn the_built_in_schemas_obey_the_rules() {
    let registry = SchemaRegistry::builtin();
    assert_eq!(registry.schemas.len(), 6);
    assert_eq!(registry.resource_types.len(), 2);
}
