//! The reasons why a store cannot be opened.

use std::path::{Path, PathBuf};

use scim_model::store::StoreError;

use crate::error::Failure;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL, shown without anything that may be a password, does not name a database that this store supports.
    #[error("`{0}` is not a database URL: expected `sqlite:PATH` or `postgres://USER@HOST/NAME`")]
    Url(String),
    /// The URL cannot be read, for example because the password contains a character that ends it too early. The URL is
    /// not shown, because part of the password may look like another part of it.
    #[error(
        "the database URL cannot be read: write characters such as `@`, `/`, `%` and blanks in the user, the password \
         and the parameters as `%40`, `%2F`, `%25` and `%20`, the port as a number, and each parameter as `name=value`"
    )]
    Unescaped,
    /// The file does not exist, and the caller did not ask for a new one.
    #[error("the database `{}` does not exist", .0.display())]
    Missing(PathBuf),
    /// The database lacks migrations, and the caller did not ask to run them.
    #[error("the database schema is out of date")]
    Outdated,
    /// The database has a migration that this version does not know.
    #[error("a newer version has migrated the database: this version does not know the migration `{0}`")]
    Newer(String),
    /// A move into the database was interrupted, or is under way.
    #[error(
        "the database is incomplete, because a move into it is under way or was interrupted: run `scim-server move` again"
    )]
    Incomplete,
    /// Another server has opened the file.
    #[error("`{}` is in use by another server", .0.display())]
    InUse(PathBuf),
    /// The file has a second name, through which it could be opened without the lock.
    #[error("`{}` has another hard link: remove it, or copy the file instead", .0.display())]
    HardLinked(PathBuf),
    /// The path leads to a folder.
    #[error("`{}` is a folder: name a file in it, such as `{}`", .0.display(), .0.join("scim.db").display())]
    Folder(PathBuf),
    /// The folder of the file does not exist, and is not created.
    #[error("the folder `{}` of the database does not exist: create it first", .0.display())]
    NoFolder(PathBuf),
    /// Another process holds a lock that opening the database needs.
    #[error(
        "the database is locked by another process, such as a backup or a migration: wait until it has ended, or stop it"
    )]
    Busy,
    /// A file cannot be opened or created.
    #[error("cannot open `{}`: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database server cannot be reached, or refuses the connection.
    #[error("cannot connect to the database: {0}")]
    Connection(Box<dyn std::error::Error + Send + Sync>),
    /// The connection could leave this machine unencrypted, and the URL does not allow that. The text says what to do.
    #[error("the connection to the database might not be encrypted: {0}")]
    Plaintext(String),
    /// An attribute has become unique, by its schema or by a setting, and two resources of one tenant have the same
    /// value.
    #[error("`{0}` cannot become unique: two resources of one tenant have the same value")]
    NotUnique(String),
    /// The PostgreSQL database cannot hold all characters.
    #[error("the encoding of the database is `{0}`: create one with ENCODING 'UTF8'")]
    Encoding(String),
    /// Servers with other schemas or settings, whose index entries differ, are running on the PostgreSQL database.
    #[error(
        "other servers are running on this database with other schemas or settings (`--schemas`, `--group-names`): \
         stop them first, or start this server with the same"
    )]
    OthersRun,
    /// The servers on the database use other schemas or settings.
    #[error(
        "the servers on this database use other schemas or settings: repeat their `--schemas` and `--group-names`"
    )]
    OtherSettings,
    /// The database cannot be migrated or prepared.
    #[error("cannot prepare the database: {0}")]
    Preparation(Box<dyn std::error::Error + Send + Sync>),
}

impl OpenError {
    pub(crate) fn file(
        path: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> OpenError {
        OpenError::File {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    pub(crate) fn connection(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
        OpenError::Connection(source.into())
    }

    /// Keeps what comes before anything that may be part of a password.
    pub(crate) fn url(url: &str) -> OpenError {
        OpenError::Url(match url.find([':', '@', '=', '?']) {
            Some(end) => format!("{}…", &url[..=end]),
            None => url.to_owned(),
        })
    }
}

impl From<diesel::result::Error> for OpenError {
    fn from(error: diesel::result::Error) -> OpenError {
        Failure::Database(error).into()
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> OpenError {
        match failure.into() {
            StoreError::Conflict { attribute } => OpenError::NotUnique(attribute),
            StoreError::Busy => OpenError::Busy,
            StoreError::Unavailable(source) => OpenError::Preparation(source),
            other => OpenError::Preparation(other.into()),
        }
    }
}
