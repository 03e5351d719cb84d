//! A decoder that knows nothing but the tables of PROTOCOL.md: what it reads from golden messages must be what was
//! written, or the pages do not suffice.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::document::{Row, Table};

pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Variants met, as `Enumeration::Variant`.
    pub met: BTreeSet<String>,
}

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, met: BTreeSet::new() }
    }

    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// A message by the table below `heading`; its number is called `number`.
    pub fn message(&mut self, heading: &str, number: &str) -> Value {
        let table = Table::below(heading);
        let rows: Vec<Row<'_>> = table.rows().collect();
        let id = self.integer(4);
        let variant = self.integer(4);
        let begin = rows.iter().position(|row| row.cell("offset") == format!("**{variant}**"));
        let begin = begin.unwrap_or_else(|| panic!("no message {variant} below {heading}"));
        let name = rows[begin].cell("field").trim_matches('*');
        self.met.insert(format!("{heading}::{name}"));
        let fields: Vec<_> = rows[begin + 1..].iter().take_while(|row| !row.cell("offset").starts_with('*')).collect();
        let body = if fields.is_empty() { json!(name) } else { json!({ name: self.fields(0, fields.into_iter()) }) };
        json!({ number: id, "body": body })
    }

    /// A value of a type as the tables name them.
    pub fn value(&mut self, kind: &str) -> Value {
        match kind {
            "u16" => json!(self.integer(2)),
            "u32" => json!(self.integer(4)),
            "u64" => json!(self.integer(8)),
            "i64" => json!(self.integer(8).cast_signed()),
            "f64" => json!(f64::from_bits(self.integer(8))),
            "bool" => json!(self.take(1) == [1]),
            "string" => {
                let len = usize::try_from(self.integer(8)).unwrap();
                json!(std::str::from_utf8(self.take(len)).unwrap())
            }
            _ => match kind.strip_prefix("list of ") {
                Some(item) => (0..self.integer(8)).map(|_| self.value(item)).collect(),
                None => self.composite(kind),
            },
        }
    }

    fn composite(&mut self, kind: &str) -> Value {
        let table = Table::below(kind);
        if !table.has("carries") {
            return self.fields(self.at, table.rows().collect::<Vec<_>>().iter());
        }
        let number = usize::try_from(self.integer(4)).unwrap();
        let row = table.rows().find(|row| row.number("number") == number);
        let row = row.unwrap_or_else(|| panic!("no variant {number} of {kind}"));
        let (name, carries) = (row.cell("variant"), row.cell("carries"));
        self.met.insert(format!("{kind}::{name}"));
        if carries.is_empty() { json!(name) } else { json!({ name: self.value(carries) }) }
    }

    /// Fields one after the other; their offsets count from `base`.
    fn fields<'r>(&mut self, base: usize, rows: impl Iterator<Item = &'r Row<'r>>) -> Value {
        let mut fields = Map::new();
        for row in rows {
            let (field, began) = (row.cell("field"), self.at);
            if row.cell("offset") != "…" {
                assert_eq!(row.number("offset"), began - base, "offset of {field}");
            }
            fields.insert(field.to_owned(), self.value(row.cell("type")));
            if let Ok(size) = row.cell("size").parse::<usize>() {
                assert_eq!(size, self.at - began, "size of {field}");
            }
        }
        fields.into()
    }

    fn integer(&mut self, bytes: usize) -> u64 {
        self.take(bytes).iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let taken = self.bytes.get(self.at..self.at + bytes);
        self.at += bytes;
        taken.unwrap_or_else(|| panic!("the message ends before byte {}", self.at))
    }
}
