//! The URL of the database, which may contain a password.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The URL of the database. `Debug` and `Display` leave out the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// The parameters of libpq that are secret.
const SECRET_PARAMETERS: [&str; 2] = ["password", "sslpassword"];

impl DatabaseUrl {
    /// Returns the URL with its password, for the store only.
    pub fn with_password(&self) -> &str {
        &self.0
    }

    /// Returns the path of the file, if the database is SQLite.
    pub fn sqlite_path(&self) -> Option<&Path> {
        let path = self.0.strip_prefix("sqlite:")?;
        Some(Path::new(path.strip_prefix("//").unwrap_or(path)))
    }

    /// Returns the URL without its password.
    pub fn without_password(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return self.0.clone();
        };
        if scheme.eq_ignore_ascii_case("sqlite") {
            return self.0.clone();
        }
        // The login ends at the last `@`, because a password may contain one that is not escaped.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (login.split(':').next().map(|user| format!("{user}@")), rest),
            None => (None, rest),
        };
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let parameters: Vec<&str> = query
            .unwrap_or_default()
            .split('&')
            .filter(|it| !it.is_empty() && !is_secret(it))
            .collect();
        let mark = if parameters.is_empty() { "" } else { "?" };
        format!(
            "{scheme}://{login}{place}{mark}{parameters}",
            login = login.unwrap_or_default(),
            parameters = parameters.join("&")
        )
    }
}

/// Returns the parts of a secret that may be shown: a URL without its password, and nothing of other secrets.
pub fn hidden(secret: &str) -> String {
    match secret.contains("://") || secret.starts_with("sqlite:") {
        true => DatabaseUrl(secret.trim().to_owned()).without_password(),
        false => "…".to_owned(),
    }
}

/// libpq decodes the name of a parameter, so an encoded name is treated as secret too.
fn is_secret(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    name.contains('%') || SECRET_PARAMETERS.contains(&name)
}

/// The text is not a URL of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `sqlite:PATH` or `postgres://USER@HOST/NAME`")]
pub struct InvalidDatabaseUrl;

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    /// Reads a URL without the blanks and line breaks around it, which a file of secrets often has.
    fn from_str(text: &str) -> Result<DatabaseUrl, InvalidDatabaseUrl> {
        let text = text.trim();
        let is_known = ["sqlite:", "postgres://", "postgresql://"]
            .iter()
            .any(|it| text.starts_with(it));
        match is_known {
            true => Ok(DatabaseUrl(text.to_owned())),
            false => Err(InvalidDatabaseUrl),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.without_password())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("sqlite:scim.db", "sqlite:scim.db"),
            (" sqlite:scim.db\n", "sqlite:scim.db"),
            ("postgres://scim@host/scim", "postgres://scim@host/scim"),
            (
                "postgres://scim:pa55@host:5432/scim",
                "postgres://scim@host:5432/scim",
            ),
            ("postgres://scim:p@55@host/scim", "postgres://scim@host/scim"),
            ("postgres://scim:pa/55?@host/scim", "postgres://scim@host/scim"),
            ("postgres://:pa55@host/scim", "postgres://@host/scim"),
            (
                "postgres:///scim?host=/run&password=pa55",
                "postgres:///scim?host=/run",
            ),
            ("postgres://h/scim?password=pa55", "postgres://h/scim"),
            (
                "postgres://h/scim?sslmode=require&sslpassword=pa55",
                "postgres://h/scim?sslmode=require",
            ),
            ("postgres://h/scim?%70assword=pa55", "postgres://h/scim"),
        ] {
            let parsed: DatabaseUrl = url.parse().expect("it is a URL");
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(parsed.with_password(), url.trim());
            assert!(!format!("{parsed:?}").contains("55"), "{parsed:?}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "scim.db", "mysql://scim@host/scim", "host=h password=pa55"] {
            assert_eq!(text.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl), "{text}");
        }
    }

    #[test]
    fn a_secret_is_shown_as_far_as_it_is_a_url() {
        assert_eq!(hidden("http://u:pa55@proxy:3128"), "http://u@proxy:3128");
        assert_eq!(hidden("sqlite:scim.db"), "sqlite:scim.db");
        assert_eq!(hidden("0f0f"), "…");
    }
}
