//! The database file: created for its owner only, locked by one server, and watched while it is in use.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use scim_model::store::StoreError;

use crate::error::unavailable;
use crate::open_error::OpenError;
use crate::options::Opening;

/// Finds or creates the file. Returns its real path, so that a symbolic link leads to the same database. For a
/// server, also returns the lock to hold while it runs.
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
    let may_be_new = [Opening::Server, Opening::Directory].contains(&opening);
    if may_be_new {
        create_private(path).map_err(|error| OpenError::file(path, error))?;
    } else if !path.exists() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    let path = path
        .canonicalize()
        .map_err(|error| OpenError::file(path, error))?;
    refuse_hard_links(&path)?;
    let is_alone = [Opening::Server, Opening::Offline].contains(&opening);
    let lock = is_alone.then(|| lock_file(&path)).transpose()?;
    Ok((path, lock))
}

/// The files of an open database. They may be deleted, moved or replaced while it is in use.
///
/// The system keeps a deleted file for as long as it is open, so SQLite goes on without an error, and everything that it
/// writes is lost when the process ends.
#[derive(Debug)]
pub(super) struct OpenFiles {
    /// The database, and its write-ahead log with the last writes.
    files: Vec<(PathBuf, Metadata)>,
    is_lost: AtomicBool,
}

impl OpenFiles {
    /// The files of a database that is open for writing.
    pub(super) fn of(path: &Path) -> std::io::Result<OpenFiles> {
        let mut files = vec![(path.to_owned(), path.metadata()?)];
        let log = with_suffix(path, "-wal");
        if let Ok(metadata) = log.metadata() {
            files.push((log, metadata));
        }
        Ok(OpenFiles {
            files,
            is_lost: AtomicBool::new(false),
        })
    }

    /// Checks that the files are still in their places, and stores the result for [`OpenFiles::check`].
    pub(super) fn refresh(&self) {
        let is_there = |(path, before): &(PathBuf, Metadata)| {
            path.metadata().is_ok_and(|now| is_same_file(&now, before))
        };
        let is_lost = !self.files.iter().all(is_there);
        if self.is_lost.swap(is_lost, Ordering::Relaxed) == is_lost {
            return;
        }
        if is_lost {
            log::error!("{}: until then all requests are refused", self.lost());
        } else {
            log::warn!(
                "the database file `{}` is back in its place",
                self.path().display()
            );
        }
    }

    /// # Errors
    /// `Unavailable` if a file was not in its place at the last [`OpenFiles::refresh`].
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.is_lost.load(Ordering::Relaxed) {
            true => Err(unavailable(self.lost())),
            false => Ok(()),
        }
    }

    fn path(&self) -> &Path {
        &self.files[0].0
    }

    fn lost(&self) -> String {
        format!(
            "the database file `{}` or its `-wal` file has been deleted, moved or replaced: put it back, or restart the \
             server",
            self.path().display()
        )
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
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
    let lock_path = with_suffix(path, ".lock");
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

/// Waits until the name of a file is on disk. Systems other than Unix do not offer this.
pub(crate) fn sync_folder(file: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Creates an empty file that only its owner may read, if it does not exist. SQLite gives its other files the same
/// permissions.
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
