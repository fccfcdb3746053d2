//! `scim-server doctor`, on the storage adapter.

use scim_server::cli::arguments::DoctorArgs;
use scim_server::cli::doctor::{self, DatabaseFiles, DatabaseState, Examined, ListenerCertificate, Reached};
use scim_server::cli::hints::Hints;
use scim_server::cli::{with_sources, with_terminal};
use scim_server::clock;
use scim_server::config::Config;
use scim_server::config::database_url::DatabaseUrl;
use scim_server::config::tls::TlsFiles;
use scim_server::http::tls;
use scim_storage_diesel::maintenance;
use scim_storage_diesel::{DieselStore, OpenError, Pooler};

use crate::failure::Failure;
use crate::migrate::shown;

/// Examines a server.
pub(crate) fn run(
    url: &DatabaseUrl,
    pooler: Pooler,
    arguments: &DoctorArgs,
    hints: &Hints,
) -> Result<(), Failure> {
    let reach = || reach(url.with_password(), pooler).map_err(|error| with_sources(&error));
    with_terminal(hints, |terminal| {
        Ok(doctor::run(url, arguments, reach, certificates, terminal)?)
    })
}

fn certificates(config: &Config) -> Vec<ListenerCertificate> {
    let files = [&config.tls, &config.management_tls].into_iter().flatten();
    let certificate = |files: &TlsFiles| ListenerCertificate {
        flag: files.flags.certificate,
        path: files.certificate.clone(),
        expires: tls::expiry(files).map_err(|it| it.to_string()),
    };
    files.map(certificate).collect()
}

fn reach(url: &str, pooler: Pooler) -> Result<Reached, OpenError> {
    // First, because a connection that is closed empties the log whose size is a finding.
    let state = match maintenance::inspect(url, pooler) {
        Err(OpenError::Missing(_)) => {
            let known = maintenance::migrations(url, pooler)?;
            let state = doctor::missing_database(shown(known));
            return Ok(Reached { state, store: None });
        }
        state => state?,
    };
    let clock_ahead = state.clock.map(|it| it - clock::now());
    let is_usable = state.migrations.pending.is_empty() && state.migrations.unknown.is_empty();
    let store = is_usable.then(|| DieselStore::open_existing(url, pooler));
    let files = state.files.map(|it| DatabaseFiles {
        path: it.path,
        database: it.database,
        log: it.log,
    });
    Ok(Reached {
        state: DatabaseState {
            migrations: shown(state.migrations),
            files,
            clock_ahead,
            unsafe_settings: state.unsafe_settings,
        },
        store: store.transpose()?.map(|it| Box::new(it) as Box<dyn Examined>),
    })
}
