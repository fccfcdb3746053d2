//! The commands that read or write resources, on the storage adapter: `export`, `import`, `history` and `undo`.

use std::io;
use std::sync::Arc;

use scim_model::SchemaRegistry;
use scim_server::cli::arguments::{
    ExportArgs, GroupNames, HistoryArgs, ImportArgs, StoredFormArgs, UndoArgs,
};
use scim_server::cli::exit::Exit;
use scim_server::cli::hints::Hints;
use scim_server::cli::originator::originator;
use scim_server::cli::{Terminal, export, history, import, undo, with_terminal};
use scim_server::clock;
use scim_storage_diesel::{DieselStore, Pooler, StoreOptions};

use crate::failure::Failure;

/// Exports a tenant to the standard output.
pub(crate) fn export(
    url: &str,
    pooler: Pooler,
    arguments: &ExportArgs,
    hints: &Hints,
) -> Result<(), Failure> {
    let (store, _) = open(url, pooler, &arguments.form, hints)?;
    Ok(export::run(&store, arguments, io::stdout().lock(), clock::now())?)
}

/// Imports a tenant from the standard input.
pub(crate) fn import(
    url: &str,
    pooler: Pooler,
    arguments: &ImportArgs,
    hints: &Hints,
) -> Result<(), Failure> {
    let (store, registry) = open(url, pooler, &arguments.form, hints)?;
    let mut input = io::BufReader::with_capacity(1 << 20, io::stdin());
    let mut no_answers: &[u8] = &[];
    let mut output = io::stdout();
    let mut questions = io::stderr();
    let mut terminal = Terminal {
        input: &mut no_answers,
        questions: &mut questions,
        output: &mut output,
        hints,
        now: clock::now(),
    };
    Ok(import::run(
        &store,
        registry,
        arguments,
        &mut input,
        &mut terminal,
    )?)
}

/// Prints the history of a resource.
pub(crate) fn history(
    url: &str,
    pooler: Pooler,
    arguments: &HistoryArgs,
    hints: &Hints,
) -> Result<(), Failure> {
    let (store, registry) = open(url, pooler, &arguments.form, hints)?;
    with_terminal(hints, |terminal| {
        Ok(history::run(&store, &registry, arguments, terminal)?)
    })
}

/// Undoes changes, or says what undoing them would do.
pub(crate) fn undo(url: &str, pooler: Pooler, arguments: &UndoArgs, hints: &Hints) -> Result<(), Failure> {
    let (store, registry) = open(url, pooler, &arguments.form, hints)?;
    let actor = originator();
    with_terminal(hints, |terminal| {
        Ok(undo::run(&store, &registry, arguments, actor, terminal)?)
    })
}

fn open(
    url: &str,
    pooler: Pooler,
    form: &StoredFormArgs,
    hints: &Hints,
) -> Result<(DieselStore, Arc<SchemaRegistry>), Failure> {
    let registry = form.registry().map_err(|it| Failure::new(Exit::Usage, it))?;
    let options = StoreOptions {
        resource_types: registry.resource_types.clone(),
        unique_group_names: form.group_names == GroupNames::Unique,
        readers: 1,
        connections: 2,
        pooler,
        ..StoreOptions::default()
    };
    let store =
        DieselStore::open_for_transfer(url, &options).map_err(|it| Failure::with_advice(it, hints))?;
    Ok((store, registry))
}
