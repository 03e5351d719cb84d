//! The files in `vectors/`: arrays of JSON objects, one object a line, so that they can be compared and searched by line.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

/// One line of a file: an object whose members stand in the order they are added.
#[derive(Default)]
pub struct Line(String);

impl Line {
    pub fn with(mut self, key: &str, value: &impl serde::Serialize) -> Self {
        let separator = if self.0.is_empty() { "" } else { ", " };
        let value = serde_json::to_string(value).unwrap();
        write!(self.0, "{separator}\"{key}\": {value}").unwrap();
        self
    }
}

/// Compares the file with what it should be; with `UPDATE_VECTORS=1` writes it instead.
pub fn check(file: &str, lines: &[Line]) {
    let lines: Vec<String> = lines.iter().map(|line| format!("  {{{}}}", line.0)).collect();
    let expected = format!("[\n{}\n]\n", lines.join(",\n"));
    if is_updating() {
        std::fs::write(path(file), expected).unwrap();
        return;
    }
    let found = text(file);
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "vectors/{file}, line {}", number + 1);
    }
    assert!(found == expected, "vectors/{file} has another number of lines than it should, or another last one");
}

/// Whether the files are to be written anew; what they say is then tested by the next run.
pub fn is_updating() -> bool {
    std::env::var_os("UPDATE_VECTORS").is_some_and(|value| value == "1")
}

/// The objects of a file.
pub fn read(file: &str) -> Vec<Value> {
    serde_json::from_str(&text(file)).unwrap()
}

pub fn text_of<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} of {vector}"))
}

pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn from_hex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn text(file: &str) -> String {
    let path = path(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "vectors", file].iter().collect()
}
