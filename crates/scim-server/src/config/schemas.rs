//! The documents in which an operator defines schemas and resource types.

use std::io;
use std::path::Path;

use scim_model::SchemaRegistry;

/// The largest document, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads the name and the text of every JSON file in a folder, in the order of the names.
///
/// # Errors
/// The folder or a file cannot be read. The message names it.
pub fn read_folder(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| at(folder, &error))? {
        let path = entry.map_err(|error| at(folder, &error))?.path();
        if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json")) {
            let text = read_file(&path)?;
            documents.push((path.display().to_string(), text));
        }
    }
    documents.sort();
    Ok(documents)
}

/// Logs a warning for each schema of the operator that no resource type uses: none of its attributes can be sent or
/// stored.
pub fn warn_of_unused(registry: &SchemaRegistry) {
    let builtin = SchemaRegistry::builtin();
    let own = registry
        .schemas
        .iter()
        .filter(|it| builtin.schema(&it.id).is_none());
    for schema in own {
        let is_used = registry.resource_types.iter().any(|it| {
            let extensions = it.extensions.iter().map(|(schema, _)| schema);
            extensions.chain([&it.schema]).any(|used| used.id == schema.id)
        });
        if !is_used {
            log::warn!(
                "no resource type uses the schema `{}`: name it in the `schema` or the `schemaExtensions` of one",
                schema.id
            );
        }
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    // A link counts as its target. Reading a pipe would never end.
    let metadata = std::fs::metadata(path).map_err(|error| at(path, &error))?;
    if !metadata.is_file() {
        return Err(invalid(path, "it is not a file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(invalid(path, &format!("it is larger than {MAX_BYTES} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| at(path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        invalid(path, &format!("it is not UTF-8 at byte {position}"))
    })
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("--schemas: {}: {error}", path.display()))
}

fn invalid(path: &Path, reason: &str) -> io::Error {
    at(path, &io::Error::new(io::ErrorKind::InvalidData, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_file_may_be_as_long_as_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let read = |length: usize| {
            std::fs::write(folder.path().join("a.json"), "x".repeat(length)).unwrap();
            let documents = read_folder(folder.path());
            documents.map(|it| it.iter().map(|(_, text)| text.len()).collect::<Vec<_>>())
        };
        assert_eq!(read(4 * 1024 * 1024).unwrap(), [4 * 1024 * 1024]);
        assert!(read(4 * 1024 * 1024 + 1).is_err());
    }
}
