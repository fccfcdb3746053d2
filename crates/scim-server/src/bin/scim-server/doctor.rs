//! `scim-server doctor`, on the storage adapter.

use scim_server::cli::arguments::DoctorArgs;
use scim_server::cli::doctor::{self, DatabaseFiles, DatabaseState, Examined, Reached};
use scim_server::cli::hints::Hints;
use scim_server::cli::{with_sources, with_terminal};
use scim_server::clock;
use scim_server::config::database_url::DatabaseUrl;
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
        Ok(doctor::run(url, arguments, reach, terminal)?)
    })
}

fn reach(url: &str, pooler: Pooler) -> Result<Reached, OpenError> {
    let known = maintenance::migrations(url, pooler)?;
    if !known.exists {
        return Ok(Reached {
            state: doctor::missing_database(shown(known)),
            store: None,
        });
    }
    let state = maintenance::inspect(url, pooler)?;
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
