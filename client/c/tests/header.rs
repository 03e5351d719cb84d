//! Goal: include/framebroker.h says what the library does. Method: it is written anew from the sources and compared.
//!
//! After a change that is meant, write it with `UPDATE_HEADER=1 cargo test -p framebroker-c --test header`, and look at what
//! changed: a structure or function that changes breaks programs that are built already.
#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]

use std::fmt::Write as _;
use std::path::Path;

#[test]
fn the_header_is_current() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(package.join("cbindgen.toml")).unwrap();
    config.after_includes = Some(version() + config.after_includes.as_deref().unwrap_or_default());
    let mut written = Vec::new();
    cbindgen::generate_with_config(package, config).unwrap().write(&mut written);
    let written = String::from_utf8(written).unwrap();

    let header = package.join("include/framebroker.h");
    if std::env::var_os("UPDATE_HEADER").is_some_and(|value| value == "1") {
        std::fs::write(header, written).unwrap();
        return;
    }
    let found = std::fs::read_to_string(header).unwrap();
    for (at, (found, written)) in found.lines().zip(written.lines()).enumerate() {
        assert_eq!(found, written, "include/framebroker.h, line {}", at + 1);
    }
    assert!(found == written, "include/framebroker.h has another number of lines than it should, or another last one");
}

/// The version of the package, for the preprocessor.
fn version() -> String {
    let mut lines = String::from("\n");
    for (name, value) in [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
        ("", concat!("\"", env!("CARGO_PKG_VERSION"), "\"")),
    ] {
        let separator = if name.is_empty() { "" } else { "_" };
        writeln!(lines, "#define FB_VERSION{separator}{name} {value}").unwrap();
    }
    lines
}
