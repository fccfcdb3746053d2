//! The modules of scim-server and the dependencies that each may have. They are not separate crates, because
//! scim-server would be the only user.

use std::collections::BTreeSet;

const SOURCES: &str = "crates/scim-server/src/";

/// A module and its permitted dependencies.
struct Module {
    /// The path of its file without `.rs`, for example `http/scim`. The files in its folder belong to it too, unless they
    /// belong to a longer name.
    name: &'static str,
    may_use: &'static [&'static str],
}

/// The modules with their borders. One of them does not exist yet: `http/console`.
const MODULES: &[Module] = &[
    // Composes the library. The binary in `bin/` may use everything.
    Module {
        name: "lib",
        may_use: &[],
    },
    Module {
        name: "clock",
        may_use: &[],
    },
    Module {
        name: "logging",
        may_use: &["clock"],
    },
    Module {
        name: "private_file",
        may_use: &[],
    },
    // Encryption of values that leave the process.
    Module {
        name: "sealing",
        may_use: &["clock", "private_file"],
    },
    Module {
        name: "service",
        may_use: &["clock", "sealing"],
    },
    // Outgoing requests. It knows no HTTP server.
    Module {
        name: "egress",
        may_use: &[],
    },
    // Signatures and their keys.
    Module {
        name: "jose",
        may_use: &[],
    },
    // OAuth client authentication. It knows no HTTP server.
    Module {
        name: "oauth",
        may_use: &["clock", "egress", "jose", "token"],
    },
    Module {
        name: "delivery",
        may_use: &["clock", "egress", "jose", "sealing", "service", "token"],
    },
    Module {
        name: "management",
        may_use: &[
            "clock", "delivery", "egress", "oauth", "sealing", "service", "token",
        ],
    },
    Module {
        name: "token",
        may_use: &[],
    },
    // Traces of requests. It knows no HTTP server.
    Module {
        name: "telemetry",
        may_use: &["egress"],
    },
    Module {
        name: "signals",
        may_use: &[],
    },
    // Messages to the service manager.
    Module {
        name: "systemd",
        may_use: &[],
    },
    Module {
        name: "config",
        may_use: &["egress", "jose", "oauth", "service"],
    },
    Module {
        name: "upkeep",
        may_use: &["clock", "config", "delivery", "management"],
    },
    Module {
        name: "cli",
        may_use: &[
            "clock",
            "config",
            "delivery",
            "egress",
            "jose",
            "lib",
            "management",
            "oauth",
            "private_file",
            "sealing",
            "service",
            "signals",
            "telemetry",
            "token",
        ],
    },
    // The shared part of all surfaces, and the state of the service.
    Module {
        name: "http",
        may_use: &[
            "clock",
            "config",
            "delivery",
            "http/console",
            "http/management",
            "http/middleware",
            "http/oauth",
            "http/scim",
            "logging",
            "oauth",
            "service",
            "signals",
            "telemetry",
            "token",
            // The expiry of credentials, for the metrics.
            "upkeep",
        ],
    },
    Module {
        name: "http/middleware",
        may_use: &["http", "telemetry"],
    },
    // The surfaces do not use each other.
    Module {
        name: "http/scim",
        may_use: &["delivery", "http", "http/middleware", "service"],
    },
    Module {
        name: "http/oauth",
        may_use: &["http", "http/middleware", "management", "oauth", "token"],
    },
    Module {
        name: "http/management",
        may_use: &[
            "clock",
            "delivery",
            "http",
            "http/middleware",
            "management",
            "service",
            "token",
        ],
    },
    Module {
        name: "http/console",
        may_use: &["delivery", "http", "http/middleware", "management"],
    },
];

/// Crates that only these modules may name. The binary may name all.
const CRATES: &[(&str, &[&str])] = &[
    ("scim_storage_diesel", &[]),
    (
        "actix_web",
        &[
            "http",
            "http/console",
            "http/management",
            "http/middleware",
            "http/oauth",
            "http/scim",
            // Waits for signals with the runtime of actix-web.
            "signals",
        ],
    ),
    ("actix_http", &["http"]),
    ("actix_server", &["http"]),
    ("actix_service", &["http"]),
    ("governor", &["http"]),
    ("prometheus_client", &["http"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("toml", &["config"]),
    ("argon2", &["service"]),
    ("jsonwebtoken", &["jose"]),
    ("ureq", &["egress"]),
    ("rustls", &["egress", "http"]),
    ("tokio_rustls", &["http"]),
    ("x509_parser", &["http"]),
    ("sd_notify", &["systemd"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_http", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("ipnet", &["cli", "config", "egress", "http/oauth"]),
    ("url", &["egress", "oauth"]),
    ("chacha20poly1305", &["sealing"]),
    // Signs webhooks and tokens. egress and oauth use it through their libraries, and as the provider of rustls.
    ("aws_lc_rs", &["delivery", "jose"]),
];

/// Returns a finding for each use that crosses a border: of a file by a file, or of a crate by a file.
pub(crate) fn check(uses: &BTreeSet<(String, String)>) -> Vec<String> {
    uses.iter().filter_map(|(from, to)| check_use(from, to)).collect()
}

fn check_use(from: &str, to: &str) -> Option<String> {
    let Some(module) = module(from)? else {
        return Some(format!(
            "`{from}` belongs to no module: add it to MODULES in `xtask/src/layers/modules.rs`"
        ));
    };
    let is_allowed = match module_of_used(to) {
        Some(used) => used == module.name || module.may_use.contains(&used),
        None => CRATES
            .iter()
            .all(|(name, users)| *name != to || users.contains(&module.name)),
    };
    (!is_allowed).then(|| {
        format!(
            "`{from}` may not use `{to}`: the borders of `{}` are in `xtask/src/layers/modules.rs`; move the code to \
             a module that may, or pass a value instead",
            module.name
        )
    })
}

/// Returns the module that a file of the library of scim-server belongs to: `None` for a file outside the library,
/// and `Some(None)` for a file that belongs to no module.
fn module(file: &str) -> Option<Option<&'static Module>> {
    let path = file.strip_prefix(SOURCES)?.strip_suffix(".rs")?;
    if path.starts_with("bin/") {
        return None;
    }
    let is_inside = |it: &&Module| path == it.name || path.starts_with(&format!("{}/", it.name));
    Some(MODULES.iter().filter(is_inside).max_by_key(|it| it.name.len()))
}

fn module_of_used(file: &str) -> Option<&'static str> {
    module(file)?.map(|it| it.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::cycles;
    use crate::tidy::source::Source;

    /// Returns the findings for scim-server with one more line in a file of a module.
    fn findings(module: &str, line: &str) -> Vec<String> {
        let file = |name: &str| format!("{SOURCES}{name}.rs");
        let with_line = file(&format!("{module}/x"));
        let mut files = vec![(with_line.as_str(), line)];
        let parents: Vec<String> = MODULES.iter().map(|it| file(it.name)).collect();
        files.extend(parents.iter().map(|it| (it.as_str(), "pub fn f() {}")));
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(path, text).expect("the test writes Rust"))
            .collect();
        check(&cycles::uses(&sources))
    }

    #[test]
    fn a_module_may_use_the_modules_of_its_list_only() {
        for from in MODULES.iter().filter(|it| it.name != "lib") {
            for to in MODULES.iter().filter(|it| it.name != "lib") {
                let path = to.name.replace('/', "::");
                let found = findings(from.name, &format!("use crate::{path}::f;"));
                let is_allowed = from.name == to.name || from.may_use.contains(&to.name);
                assert_eq!(
                    found.is_empty(),
                    is_allowed,
                    "{} -> {}: {found:?}",
                    from.name,
                    to.name
                );
            }
        }
    }

    #[test]
    fn a_use_across_a_border_is_found() {
        for (module, line, to) in [
            ("service", "use crate::http::error::Failure;", "http.rs"),
            ("service", "fn f() { crate::http::f() }", "http.rs"),
            ("service", "use super::super::cli::f;", "cli.rs"),
            ("delivery", "use crate::http::f;", "http.rs"),
            ("management", "use crate::http::f;", "http.rs"),
            ("config", "use crate::cli::f;", "cli.rs"),
            ("cli", "use crate::http::f;", "http.rs"),
            ("http/middleware", "use crate::http::scim::f;", "http/scim.rs"),
            ("http/oauth", "use crate::http::scim::f;", "http/scim.rs"),
        ] {
            let found = findings(module, line);
            assert_eq!(found.len(), 1, "{module}: {line}: {found:?}");
            let expected =
                format!("`{SOURCES}{module}/x.rs` may not use `{SOURCES}{to}`: the borders of `{module}`");
            assert!(found[0].starts_with(&expected), "{}", found[0]);
        }
    }

    #[test]
    fn a_crate_is_used_by_its_modules_only() {
        for (module, line, found) in [
            ("service", "use actix_web::web;", 1),
            ("delivery", "fn f(_: actix_web::HttpRequest) {}", 1),
            ("management", "use actix_web::http::Method;", 1),
            ("http", "use actix_web::web;", 0),
            ("http/console", "use actix_web::web;", 0),
            ("http", "use scim_storage_diesel::DieselStore;", 1),
            ("cli", "use scim_storage_diesel::DieselStore;", 1),
            ("cli", "use clap::Parser;", 0),
            ("config", "use clap::Parser;", 1),
            ("service", "use serde_json::Value;", 0),
        ] {
            assert_eq!(findings(module, line).len(), found, "{module}: {line}");
        }
    }

    #[test]
    fn a_new_module_needs_a_border_and_other_crates_have_none() {
        let uses = |from: &str| BTreeSet::from([(from.to_owned(), "std".to_owned())]);
        let found = check(&uses("crates/scim-server/src/servicex/a.rs"));
        assert!(found[0].contains("belongs to no module"), "{found:?}");
        assert_eq!(check(&uses("crates/scim-model/src/http.rs")), [""; 0]);
        let binary = "crates/scim-server/src/bin/scim-server/serve.rs";
        let store = BTreeSet::from([(binary.to_owned(), "scim_storage_diesel".to_owned())]);
        assert_eq!(check(&store), [""; 0]);
        assert_eq!(check(&uses("crates/scim-server/src/http/new.rs")), [""; 0]);
    }
}
