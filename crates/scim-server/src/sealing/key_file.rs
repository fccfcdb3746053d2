//! The file with the keys that seal the secrets in the database.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::key::{InvalidSealingKey, SealingKey};
use super::sealer::Sealer;
use crate::{clock, private_file};

/// The purpose of a stored secret. A value that was sealed for one purpose does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A secret that signs the requests to a webhook endpoint.
    WebhookSecret,
    /// The headers that a webhook endpoint gets in addition.
    WebhookHeaders,
    /// A private key that signs security event tokens.
    SigningKey,
    /// The header `Authorization` for the receiver of a stream of security event tokens.
    ReceiverAuthorization,
}

impl Purpose {
    /// The name in the context of a sealed value. It never changes, because stored values depend on it.
    fn name(self) -> &'static str {
        match self {
            Purpose::WebhookSecret => "webhook-secret",
            Purpose::WebhookHeaders => "webhook-headers",
            Purpose::SigningKey => "signing-key",
            Purpose::ReceiverAuthorization => "receiver-authorization",
        }
    }
}

/// The file with the keys that seal the secrets in the database: one key of 64 hexadecimal digits per line. The first
/// key seals, and the others open what earlier versions of the file have sealed. Empty lines, and lines that begin with
/// `#`, are ignored.
///
/// The file is read when a key is first needed, and again when no known key opens a value, so that a key can be added
/// while the server runs.
#[derive(Debug)]
pub struct KeyFile {
    path: Option<PathBuf>,
    is_created: bool,
    known: Mutex<Option<Arc<Sealer>>>,
}

/// The reason why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// No file is named, and the database has no default.
    #[error(
        "this needs the secrets key: name its file with `--secrets-key-file` or SCIM_SECRETS_KEY_FILE; `openssl rand -hex 32` makes a key"
    )]
    NotNamed,
    /// The file does not exist.
    #[error(
        "the file of the secrets key `{0}` does not exist: `--secrets-key-file` names it, and `openssl rand -hex 32` makes a new key"
    )]
    Missing(PathBuf),
    /// The file cannot be read or created.
    #[error("the file of the secrets key `{0}` cannot be used: {1}")]
    Unusable(PathBuf, #[source] io::Error),
    /// A line is not a key.
    #[error("the file of the secrets key `{0}`, line {1}: {2}")]
    Invalid(PathBuf, usize, #[source] InvalidSealingKey),
    /// The file has no key.
    #[error("the file of the secrets key `{0}` is empty: `openssl rand -hex 32` makes a key")]
    Empty(PathBuf),
    /// No key opens the value.
    #[error(
        "no key in `{0}` opens the stored secret: it was sealed with another key, which has to be a line of this file"
    )]
    WrongKey(PathBuf),
    /// The operating system provides no random bytes.
    #[error("there are no random bytes")]
    Random,
}

impl KeyFile {
    /// Uses the file at a path. It must exist.
    pub fn existing(path: PathBuf) -> KeyFile {
        KeyFile::new(Some(path), false)
    }

    /// Uses the file at a path, and creates it with a random key when the first value is sealed, if it does not exist.
    pub fn created_if_missing(path: PathBuf) -> KeyFile {
        KeyFile::new(Some(path), true)
    }

    /// Uses no file: whatever needs a key fails with [`KeyFileError::NotNamed`].
    pub fn not_named() -> KeyFile {
        KeyFile::new(None, false)
    }

    /// Returns the path of the file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn new(path: Option<PathBuf>, is_created: bool) -> KeyFile {
        KeyFile {
            path,
            is_created,
            known: Mutex::default(),
        }
    }

    /// Seals a secret for a purpose and for the row that will contain it.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn seal(&self, purpose: Purpose, row: Uuid, secret: &[u8]) -> Result<Vec<u8>, KeyFileError> {
        let path = self.path.as_deref().ok_or(KeyFileError::NotNamed)?;
        if self.is_created && !path.exists() {
            create(path)?;
        }
        let sealed = self.sealer(path)?.seal(&context(purpose, row), secret);
        sealed.map_err(|_| KeyFileError::Random)
    }

    /// Opens a secret that was sealed for a purpose and a row.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn open(&self, purpose: Purpose, row: Uuid, sealed: &[u8]) -> Result<Vec<u8>, KeyFileError> {
        let path = self.path.as_deref().ok_or(KeyFileError::NotNamed)?;
        let context = context(purpose, row);
        if let Some(secret) = self.sealer(path)?.open(&context, sealed) {
            return Ok(secret);
        }
        // The file may have got another key since it was read.
        let secret = self.read(path)?.open(&context, sealed);
        secret.ok_or_else(|| KeyFileError::WrongKey(path.to_owned()))
    }

    fn sealer(&self, path: &Path) -> Result<Arc<Sealer>, KeyFileError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.map_or_else(|| self.read(path), Ok)
    }

    fn read(&self, path: &Path) -> Result<Arc<Sealer>, KeyFileError> {
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
            _ => KeyFileError::Unusable(path.to_owned(), error),
        })?;
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let key: Result<SealingKey, _> = line.parse();
                keys.push(key.map_err(|error| KeyFileError::Invalid(path.to_owned(), index + 1, error))?);
            }
        }
        if keys.is_empty() {
            return Err(KeyFileError::Empty(path.to_owned()));
        }
        let sealer = Arc::new(Sealer::new(&keys));
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(sealer.clone());
        Ok(sealer)
    }
}

/// Creates the file with a random key. Another process may do the same at the same time: the first one wins.
fn create(path: &Path) -> Result<(), KeyFileError> {
    let key = SealingKey::random().map_err(|_| KeyFileError::Random)?;
    // The file gets its name when it is complete, so that no other process reads a part of it.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", clock::new_id()));
    let unusable = |error| KeyFileError::Unusable(path.to_owned(), error);
    private_file::create(&draft, &key.to_digits()).map_err(unusable)?;
    let linked = std::fs::hard_link(&draft, path);
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(unusable(error)),
        _ => Ok(()),
    }
}

/// The purpose and the row, which the sealed value is bound to.
fn context(purpose: Purpose, row: Uuid) -> Vec<u8> {
    [purpose.name().as_bytes(), &[0], row.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Uuid = Uuid::from_u128(7);

    fn open(file: &KeyFile, row: Uuid, sealed: &[u8]) -> Result<Vec<u8>, KeyFileError> {
        file.open(Purpose::WebhookSecret, row, sealed)
    }

    fn seal(file: &KeyFile) -> Vec<u8> {
        file.seal(Purpose::WebhookSecret, ROW, b"secret")
            .expect("there is a key")
    }

    #[test]
    fn a_missing_file_is_created_for_its_owner_when_it_may_be() {
        let folder = tempfile::tempdir().expect("there is space");
        let path = folder.path().join("scim.db.secrets-key");
        let missing = KeyFile::existing(path.clone());
        let error = missing.seal(Purpose::WebhookSecret, ROW, b"secret").unwrap_err();
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "the error names the file: {error}"
        );
        let file = KeyFile::created_if_missing(path.clone());
        let sealed = seal(&file);
        assert!(!sealed.windows(6).any(|it| it == b"secret"));
        assert_eq!(open(&file, ROW, &sealed).expect("it opens"), b"secret");
        let text = std::fs::read_to_string(&path).expect("it exists");
        assert_eq!(text.len(), 65);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).expect("it exists").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let again = KeyFile::created_if_missing(path);
        assert_eq!(open(&again, ROW, &sealed).expect("it opens"), b"secret");
        let files = std::fs::read_dir(folder.path()).expect("it is a folder").count();
        assert_eq!(files, 1, "no draft is left");
    }

    #[test]
    fn a_secret_opens_for_its_purpose_and_row_only() {
        let folder = tempfile::tempdir().expect("there is space");
        let file = KeyFile::created_if_missing(folder.path().join("key"));
        let sealed = seal(&file);
        for result in [
            open(&file, Uuid::from_u128(8), &sealed),
            file.open(Purpose::WebhookHeaders, ROW, &sealed),
        ] {
            let error = result.expect_err("it is another context").to_string();
            assert!(error.contains("no key in `") && error.contains("key`"), "{error}");
        }
    }

    #[test]
    fn a_key_can_be_rotated_while_the_server_runs() {
        let folder = tempfile::tempdir().expect("there is space");
        let path = folder.path().join("key");
        let (old, new) = ("0a".repeat(32), "0b".repeat(32));
        std::fs::write(&path, format!("# made in 2026\n{old}\n")).expect("there is space");
        let running = KeyFile::existing(path.clone());
        let first = seal(&running);
        std::fs::write(&path, format!("{new}\n\n{old}\n")).expect("there is space");
        let command = KeyFile::existing(path.clone());
        let second = seal(&command);
        for sealed in [&first, &second] {
            assert_eq!(open(&running, ROW, sealed).expect("it opens"), b"secret");
            assert_eq!(open(&command, ROW, sealed).expect("it opens"), b"secret");
        }
        std::fs::write(&path, format!("{new}\n")).expect("there is space");
        let later = KeyFile::existing(path);
        assert!(matches!(
            open(&later, ROW, &first),
            Err(KeyFileError::WrongKey(_))
        ));
        assert_eq!(open(&later, ROW, &second).expect("it opens"), b"secret");
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_the_line() {
        let folder = tempfile::tempdir().expect("there is space");
        let path = folder.path().join("key");
        for (text, expected) in [
            ("", "is empty"),
            (
                "00\n",
                "key`, line 1: expected 64 hexadecimal digits, such as `openssl rand -hex 32` prints",
            ),
        ] {
            std::fs::write(&path, text).expect("there is space");
            let error = KeyFile::existing(path.clone())
                .seal(Purpose::WebhookSecret, ROW, b"secret")
                .expect_err("it has no key");
            assert!(
                error.to_string().contains(expected) && !error.to_string().contains("00\n"),
                "{error}"
            );
        }
        let none = KeyFile::not_named().open(Purpose::WebhookSecret, ROW, b"");
        let error = none.expect_err("there is no file").to_string();
        assert!(error.contains("`--secrets-key-file`"), "{error}");
    }
}
