//! Provides a throwaway PostgreSQL for tests: finds or downloads one, starts it on a free port, and stops it by its
//! process id however this program ends.
//!
//! An existing cluster is not touched: the throwaway server lives in a temporary folder and listens on a free port of
//! 127.0.0.1.

mod install;

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process;

/// The variable in which tests look for the URL of a PostgreSQL database, such as
/// `postgres://user@127.0.0.1:5433/name`.
pub(crate) const URL_VARIABLE: &str = "SCIM_TEST_POSTGRES_URL";

/// Runs `command` with the URL of a throwaway database in [`URL_VARIABLE`].
///
/// # Errors
/// Fails when no PostgreSQL can be found or started, or when the command fails.
pub(crate) fn run(command: &[String]) -> Result<(), String> {
    let database = provide()?;
    let (program, arguments) = command.split_first().ok_or("name the command after `--`")?;
    process::run(
        Command::new(program)
            .args(arguments)
            .env(URL_VARIABLE, database.url()),
    )
}

/// Returns the database that [`URL_VARIABLE`] names, or starts one that runs as long as the returned value lives.
///
/// # Errors
/// Fails when no PostgreSQL can be found, downloaded or started. The message says what was tried and what to do.
pub(crate) fn provide() -> Result<Database, String> {
    provide_with(&[
        // The data need not survive a power failure, and many small test pools connect at once.
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "max_connections=300",
    ])
}

/// Like [`provide`], with other settings for a server that is started.
///
/// # Errors
/// The errors of [`provide`].
pub(crate) fn provide_with(settings: &[&str]) -> Result<Database, String> {
    if let Ok(url) = std::env::var(URL_VARIABLE) {
        return Ok(Database { url, _server: None });
    }
    let binaries = install::find_or_fetch()?;
    // Another program may take the free port before the server does; then another port is tried.
    let mut outcome = Err(String::new());
    for _ in 0..3 {
        outcome = start(&binaries, settings);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Returns the folder with the programs of PostgreSQL.
///
/// # Errors
/// As for [`provide`].
pub(crate) fn programs() -> Result<PathBuf, String> {
    install::find_or_fetch()
}

/// A database for tests. Dropping it stops the server, if one was started.
#[derive(Debug)]
pub(crate) struct Database {
    url: String,
    /// Held for its `Drop`.
    _server: Option<Server>,
}

impl Database {
    /// The URL in libpq's form.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// A running server, held by a supervisor.
///
/// The supervisor is a shell in a separate process group whose standard input is a pipe from this program. When the
/// pipe closes, because the value is dropped or because this program ends in any way (an error, a panic, ctrl-c,
/// a kill), the supervisor stops the server by its process id and deletes the folder.
#[derive(Debug)]
struct Server {
    supervisor: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        if let Err(error) = self.supervisor.wait() {
            eprintln!("the throwaway PostgreSQL may still run: {error}");
        }
    }
}

/// `$1` is the folder, the rest is the command line of the server. SIGINT is PostgreSQL's "fast" shutdown; a server
/// that still runs after ten seconds gets SIGQUIT, the immediate shutdown.
const SUPERVISOR: &str = r#"
folder=$1
shift
"$@" </dev/null >"$folder/log" 2>&1 &
server=$!
cat >/dev/null
kill -INT "$server" 2>/dev/null
waited=0
while kill -0 "$server" 2>/dev/null && [ "$waited" -lt 100 ]; do
    sleep 0.1
    waited=$((waited + 1))
done
kill -QUIT "$server" 2>/dev/null
wait "$server"
cd / && rm -rf "$folder"
"#;

fn start(binaries: &Path, settings: &[&str]) -> Result<Database, String> {
    let account = Account::choose()?;
    let temporary = temporary_folder(&account)?;
    let folder = temporary.path();
    let binaries = account.reachable(binaries, folder)?;
    let data = folder.join("data");
    initialise(&binaries, &data, &account)?;

    let port = free_port()?;
    let mut command = account.command("sh");
    command.args(["-c", SUPERVISOR, "supervisor"]).arg(folder);
    command
        .arg(binaries.join("postgres"))
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(folder);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    for setting in settings {
        command.args(["-c", setting]);
    }
    command.current_dir(folder).process_group(0);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let supervisor = command
        .spawn()
        .map_err(|error| format!("`sh` could not be started: {error}"))?;
    // The supervisor deletes the folder from now on.
    let folder = temporary.keep();
    let mut server = Server { supervisor };
    wait_until_ready(&mut server, &folder)?;
    let url = format!("postgres://{USER}@127.0.0.1:{port}/postgres");
    println!(
        "$ {} -D {} -p {port}  # {URL_VARIABLE}={url}",
        binaries.join("postgres").display(),
        data.display()
    );
    Ok(Database {
        url,
        _server: Some(server),
    })
}

/// The superuser of the database. Every local user may connect as it, so the server listens on 127.0.0.1 only.
const USER: &str = "scim";

fn initialise(binaries: &Path, data: &Path, account: &Account) -> Result<(), String> {
    // Some systems lack the locale C.UTF-8; C sorts and compares in the same way, by bytes.
    let mut outcome = Ok(());
    for locale in ["C.UTF-8", "C"] {
        let mut initdb = account.command(binaries.join("initdb"));
        initdb
            .arg("-D")
            .arg(data)
            .args(["-U", USER, "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        initdb.arg(format!("--locale={locale}"));
        initdb.current_dir("/").stdin(Stdio::null());
        outcome = process::output(&mut initdb).map(drop);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port on 127.0.0.1: {error}"))
}

/// The server writes its state to the eighth line of `postmaster.pid`, where `pg_ctl` reads it too.
fn wait_until_ready(server: &mut Server, folder: &Path) -> Result<(), String> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        let state = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
        if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
            return Ok(());
        }
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        if log.contains("FATAL:") || log.contains("not found") {
            return Err(format!("PostgreSQL did not start: {}", log.trim()));
        }
        if let Ok(Some(status)) = server.supervisor.try_wait() {
            return Err(format!("the supervisor of PostgreSQL ended early ({status})"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    Err(format!("PostgreSQL was not ready after 60 s: {}", log.trim()))
}

/// The account that the server runs as: PostgreSQL refuses to run as root.
struct Account {
    /// The user and group id to change to; `None` when this program does not run as root.
    switch_to: Option<(u32, u32)>,
}

impl Account {
    fn choose() -> Result<Account, String> {
        let id = process::output(Command::new("id").arg("-u"))?;
        if id.trim() != "0" {
            return Ok(Account { switch_to: None });
        }
        let accounts = std::fs::read_to_string("/etc/passwd")
            .map_err(|error| format!("`/etc/passwd` cannot be read: {error}"))?;
        let switch_to = ["postgres", "nobody"]
            .iter()
            .find_map(|name| ids_of(&accounts, name))
            .ok_or(
                "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`: \
             create one, or run this as another user",
            )?;
        Ok(Account {
            switch_to: Some(switch_to),
        })
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.switch_to {
            command.uid(user).gid(group);
        }
        command
    }

    /// Returns the folder of the binaries, or a copy of their installation if the account cannot read it, as in the
    /// home of root.
    fn reachable(&self, binaries: &Path, folder: &Path) -> Result<PathBuf, String> {
        let probe = |binaries: &Path| {
            process::output(
                self.command(binaries.join("initdb"))
                    .arg("--version")
                    .current_dir("/"),
            )
        };
        if probe(binaries).is_ok() {
            return Ok(binaries.to_owned());
        }
        let installation = install::root_of(binaries);
        let inside = binaries
            .strip_prefix(&installation)
            .map_err(|error| error.to_string())?;
        let copy = folder.join("installation");
        process::output(Command::new("cp").arg("-R").arg(&installation).arg(&copy))?;
        process::output(Command::new("chmod").args(["-R", "a+rX"]).arg(&copy))?;
        if let Some((user, group)) = self.switch_to {
            process::output(
                Command::new("chown")
                    .arg("-R")
                    .arg(format!("{user}:{group}"))
                    .arg(&copy),
            )?;
        }
        let binaries = copy.join(inside);
        probe(&binaries).map(|_| binaries)
    }
}

/// Finds the user and group id of a name in the text of `/etc/passwd`.
fn ids_of(accounts: &str, name: &str) -> Option<(u32, u32)> {
    let fields: Vec<&str> = accounts
        .lines()
        .map(|line| line.split(':').collect())
        .find(|fields: &Vec<&str>| fields[0] == name)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// Creates a folder that the account owns. It is deleted when dropped.
fn temporary_folder(account: &Account) -> Result<TempDir, String> {
    // The path of a unix socket has at most 107 bytes, and every account can enter /tmp.
    let parent = match account.switch_to {
        Some(_) => PathBuf::from("/tmp"),
        None => std::env::temp_dir(),
    };
    let folder = tempfile::Builder::new()
        .prefix("scim-postgres-")
        .tempdir_in(&parent)
        .map_err(|error| format!("`{}` cannot be used: {error}", parent.display()))?;
    if let Some((user, group)) = account.switch_to {
        std::os::unix::fs::chown(folder.path(), Some(user), Some(group))
            .map_err(|error| format!("`{}` cannot be used: {error}", folder.path().display()))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_group_ids_are_found_by_name() {
        let accounts =
            "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533::/nonexistent:/usr/sbin/nologin\n";
        assert_eq!(ids_of(accounts, "nobody"), Some((65534, 65533)));
        assert_eq!(ids_of(accounts, "postgres"), None);
    }
}
