//! Errors in an operator's documents.

use std::fmt;

use crate::error::shortened;

/// The error in an operator's document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// Name of the file.
    pub file: String,
    /// Path of the attribute within the document, for example `settings.colour`.
    pub attribute: Option<String>,
    /// The problem, and the remedy.
    pub reason: String,
}

/// Writes one line, whatever characters the document contains.
impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", one_line(&self.file))?;
        if let Some(attribute) = &self.attribute {
            write!(f, "attribute `{}`: ", shortened(attribute))?;
        }
        f.write_str(&one_line(&self.reason))
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

impl std::error::Error for SchemaError {}

/// An error in a document whose file only the caller knows.
#[derive(Debug)]
pub(super) struct Problem {
    attribute: Option<String>,
    reason: String,
}

impl Problem {
    pub(super) fn in_document(reason: impl Into<String>) -> Problem {
        Problem {
            attribute: None,
            reason: reason.into(),
        }
    }

    pub(super) fn in_attribute(path: &str, reason: impl Into<String>) -> Problem {
        Problem {
            attribute: Some(path.to_owned()),
            reason: reason.into(),
        }
    }

    pub(super) fn in_file(self, file: &str) -> SchemaError {
        SchemaError {
            file: file.to_owned(),
            attribute: self.attribute,
            reason: self.reason,
        }
    }
}
