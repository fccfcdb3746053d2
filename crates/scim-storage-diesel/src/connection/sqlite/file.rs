//! The database file: created for its owner only, and locked by one server.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::open_error::OpenError;
use crate::options::Opening;

/// Finds or creates the file. Returns its real path, so that a symbolic link leads to the same database, and for a
/// server the lock to hold while it runs.
pub(super) fn claim(path: &Path, opening: Opening) -> Result<(PathBuf, Option<File>), OpenError> {
    if path.is_dir() {
        return Err(OpenError::Folder(path.to_owned()));
    }
    if let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
        && !folder.exists()
    {
        return Err(OpenError::NoFolder(folder.to_owned()));
    }
    if opening != Opening::Existing {
        create_private(path).map_err(|error| OpenError::file(path, error))?;
    } else if !path.exists() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    let path = path
        .canonicalize()
        .map_err(|error| OpenError::file(path, error))?;
    refuse_hard_links(&path)?;
    let is_server = opening == Opening::Server;
    let lock = is_server.then(|| lock_file(&path)).transpose()?;
    Ok((path, lock))
}

/// A second server on the same file would not see the queue of the first one. The system releases the lock when the
/// process ends, however it ends.
fn lock_file(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    create_private(&lock_path).map_err(|it| OpenError::file(&lock_path, it))?;
    let file = OpenOptions::new()
        .write(true)
        .open(&lock_path)
        .map_err(|it| OpenError::file(&lock_path, it))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::file(&lock_path, error)),
    }
}

/// The lock and SQLite's other files are found by name: a process that opens the file by another name sees neither, and
/// corrupts the database.
#[cfg(unix)]
fn refuse_hard_links(path: &Path) -> Result<(), OpenError> {
    let metadata = path.metadata().map_err(|it| OpenError::file(path, it))?;
    match std::os::unix::fs::MetadataExt::nlink(&metadata) {
        0 | 1 => Ok(()),
        _ => Err(OpenError::HardLinked(path.to_owned())),
    }
}

#[cfg(not(unix))]
fn refuse_hard_links(_: &Path) -> Result<(), OpenError> {
    Ok(())
}

/// Creates an empty file that only its owner may read, if it does not exist. SQLite gives its other files the same
/// permissions.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
