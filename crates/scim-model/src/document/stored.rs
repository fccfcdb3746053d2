//! The text of a document in storage.

use serde_json::Value;

use super::{Document, has_values, is_described, is_kept_elsewhere};
use crate::error::ScimError;
use crate::json;
use crate::schema::ResourceType;

impl Document {
    /// Writes the text that is stored: an object with `schemas` first, then the attributes in the order of
    /// the schema, so that equal documents are equal text. `members` is not part of it.
    ///
    /// `schemas` also names extensions that the type no longer has and whose data stays. They tell a reader
    /// that the text cannot be shown as it is.
    pub fn to_stored_json(&self, resource_type: &ResourceType) -> String {
        let mut text = String::with_capacity(512);
        text.push_str("{\"schemas\":[");
        let undescribed = self.undescribed_extensions(resource_type);
        let urns = self.schemas(resource_type).into_iter().chain(undescribed);
        for (index, urn) in urns.enumerate() {
            if index > 0 {
                text.push(',');
            }
            json::write_string(&mut text, urn);
        }
        text.push(']');
        let mut written = 0;
        let names = resource_type.parts().flat_map(|(extension, schema)| {
            let names = schema.attributes.iter().map(|it| it.name.as_str());
            names
                .filter(move |_| extension.is_none())
                .chain(extension.map(|urn| &**urn))
        });
        for (name, value) in names.filter_map(|name| self.0.get_key_value(name)) {
            written += 1;
            if !is_kept_elsewhere(resource_type, name) {
                write_member(&mut text, name, value);
            }
        }
        if written < self.0.len() {
            for (name, value) in &self.0 {
                let is_derived = ["schemas", "id", "meta"].contains(&name.as_str());
                if !is_derived && !is_described(resource_type, name) {
                    write_member(&mut text, name, value);
                }
            }
        }
        text.push('}');
        text
    }

    /// Reads the text that [`Document::to_stored_json`] wrote.
    ///
    /// # Errors
    /// `Internal` when the text is not a JSON object, so something else wrote it.
    pub fn from_stored_json(text: &str) -> Result<Document, ScimError> {
        match json::parse(text.as_bytes()) {
            Ok(Value::Object(mut members)) => {
                members.shift_remove("schemas");
                Ok(Document(members))
            }
            _ => Err(ScimError::internal("a stored document is not a JSON object")),
        }
    }

    fn undescribed_extensions<'a>(
        &'a self,
        resource_type: &'a ResourceType,
    ) -> impl Iterator<Item = &'a str> {
        let extensions = self
            .0
            .iter()
            .filter(|(name, value)| name.contains(':') && has_values(value));
        extensions
            .map(|(name, _)| name.as_str())
            .filter(|name| !is_described(resource_type, name))
    }
}

fn write_member(text: &mut String, name: &str, value: &Value) {
    text.push(',');
    json::write_string(text, name);
    text.push(':');
    json::write_value(text, value);
}
