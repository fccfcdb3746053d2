//! The database file: created for its owner only, locked by one server, and watched while it is in use.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use scim_model::store::StoreError;

use crate::error::unavailable;
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

/// The file of an open database, which somebody may delete, move or replace.
///
/// The system keeps a deleted file for as long as it is open, so SQLite goes on without an error, and everything that it
/// writes is lost when the process ends.
#[derive(Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    metadata: Metadata,
    is_lost: AtomicBool,
}

impl OpenFile {
    pub(super) fn at(path: &Path) -> std::io::Result<OpenFile> {
        Ok(OpenFile {
            path: path.to_owned(),
            metadata: path.metadata()?,
            is_lost: AtomicBool::new(false),
        })
    }

    /// Looks for the file under its name, and remembers the result for [`OpenFile::check`].
    pub(super) fn look(&self) {
        let is_lost = !self
            .path
            .metadata()
            .is_ok_and(|it| is_same_file(&it, &self.metadata));
        if self.is_lost.swap(is_lost, Ordering::Relaxed) == is_lost {
            return;
        }
        if is_lost {
            log::error!("{}: until then all requests are refused", self.lost());
        } else {
            log::warn!("the database file `{}` is back in its place", self.path.display());
        }
    }

    /// # Errors
    /// `Unavailable` if the file was not in its place when [`OpenFile::look`] was called last.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.is_lost.load(Ordering::Relaxed) {
            true => Err(unavailable(self.lost())),
            false => Ok(()),
        }
    }

    fn lost(&self) -> String {
        format!(
            "the database file `{}` has been deleted, moved or replaced: put it back, or restart the server",
            self.path.display()
        )
    }
}

#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Other systems do not let an open file be deleted or replaced.
#[cfg(not(unix))]
fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    true
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
