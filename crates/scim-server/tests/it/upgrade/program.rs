//! The program of a version, run on a database.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::cli::Shell;
use crate::restart::Binary;

/// The file of the secrets key, in the folder of a [`Shell`].
pub const SECRETS_KEY: &str = "secrets-key";

/// A binary of the server: that of this version, or of an earlier one.
#[derive(Clone)]
pub struct Program(PathBuf);

impl Program {
    /// The program of this version.
    pub fn current() -> Program {
        Program(PathBuf::from(env!("CARGO_BIN_EXE_scim-server")))
    }

    /// The program that an environment variable names.
    pub fn named_by(variable: &str) -> Option<Program> {
        let path = std::env::var_os(variable)?;
        Some(Program(Path::new(&path).canonicalize().unwrap()))
    }

    /// A command on the database of the shell.
    pub fn command(&self, shell: &Shell, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command
            .args(arguments)
            .current_dir(shell.folder.path())
            .env("SCIM_DATABASE_URL", shell.url())
            .env("SCIM_SECRETS_KEY_FILE", shell.folder.path().join(SECRETS_KEY))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    fn output(&self, shell: &Shell, arguments: &[&str]) -> Output {
        self.command(shell, arguments).output().unwrap()
    }

    /// The standard output of a command that succeeds.
    #[track_caller]
    pub fn text(&self, shell: &Shell, arguments: &[&str]) -> String {
        let output = self.output(shell, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The JSON lines that a command prints.
    #[track_caller]
    pub fn lines(&self, shell: &Shell, arguments: &[&str]) -> Vec<Value> {
        let text = self.text(shell, arguments);
        text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    /// The JSON object that a command prints with `--json`.
    #[track_caller]
    pub fn json(&self, shell: &Shell, arguments: &[&str]) -> Value {
        let text = self.text(shell, &[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// The exit code and the error of a command that fails.
    #[track_caller]
    pub fn failure(&self, shell: &Shell, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.output(shell, arguments);
        assert!(!output.status.success(), "{arguments:?}");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Whether the version has a command.
    pub fn has_command(&self, shell: &Shell, name: &str) -> bool {
        self.output(shell, &[name, "--help"]).status.success()
    }

    /// Whether the version has a flag of the server.
    pub fn has_flag(&self, shell: &Shell, flag: &str) -> bool {
        self.text(shell, &["serve", "--help"]).contains(flag)
    }

    /// Starts a server on a free port. The database must have a tenant.
    pub fn serve(&self, shell: &Shell, arguments: &[&str]) -> Binary {
        let listen = ["serve", "--listen", "127.0.0.1:0"];
        Binary::run(self.command(shell, &[&listen, arguments].concat()))
    }
}
