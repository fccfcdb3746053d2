//! The locales in which the messages of PostgreSQL are understood.

use super::*;

#[test]
fn languages_are_recognised_by_their_locale() {
    for locale in [
        "",
        "C",
        "POSIX",
        "C.UTF-8",
        "en_US.UTF-8",
        "English_United States.1252",
    ] {
        assert!(is_english(locale), "{locale}");
    }
    for locale in ["de_DE.UTF-8", "Cs", "ca_ES", "German_Germany.1252"] {
        assert!(!is_english(locale), "{locale}");
    }
}
