//! The options that the binary gives the store.

use clap::Parser;
use scim_server::cli::arguments::Cli;

use super::*;

fn serve_args(arguments: &[&str]) -> ServeArgs {
    Cli::parse_from([&["scim-server"], arguments].concat()).serve
}

#[test]
fn the_store_gets_its_options() {
    let registry = scim_server::registry(&[]).expect("the built-in schemas are valid");
    let usual = store_options(&registry, Pooler::None, &serve_args(&[]));
    assert_eq!((usual.unique_group_names, usual.pooler), (true, Pooler::None));
    assert_eq!(usual.max_scans, StoreOptions::default().max_scans);
    assert_eq!(usual.scan_timeout, Duration::from_secs(10));
    let arguments = ["--group-names", "any", "--max-scans", "3", "--scan-timeout", "7"];
    let options = store_options(&registry, Pooler::Transaction, &serve_args(&arguments));
    assert_eq!(
        (options.unique_group_names, options.pooler),
        (false, Pooler::Transaction)
    );
    assert_eq!(
        (options.max_scans, options.scan_timeout),
        (3, Duration::from_secs(7))
    );
    assert_eq!(options.silence_limit, usual.silence_limit);
    let options = store_options(&registry, Pooler::None, &serve_args(&["--scan-timeout", "25"]));
    assert!(options.silence_limit > options.scan_timeout);
}

#[test]
fn the_store_knows_the_resource_types_of_the_operator() {
    let schema = r#"{"id": "urn:example:Device", "attributes": [{"name": "serial"}]}"#;
    let resource_type = r#"{"name": "Device", "endpoint": "/Devices", "schema": "urn:example:Device"}"#;
    let documents = [("schema.json", schema), ("type.json", resource_type)];
    let documents = documents.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let registry = scim_server::registry(&documents).expect("the documents are valid");
    let options = store_options(&registry, Pooler::None, &serve_args(&[]));
    let names: Vec<&str> = options.resource_types.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["User", "Group", "Device"]);
}
