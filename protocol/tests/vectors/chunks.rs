//! Chunk lists: what a camera sends with an image, as names and values.

use framebroker_protocol::chunks::{ChunkWriter, Chunks, Value};
use serde_json::json;

use crate::document::Table;
use crate::golden::{Line, check, from_hex, is_updating, read, text_of, to_hex};

/// Name, then the chunks.
type Sample = (&'static str, Vec<(&'static str, Value<'static>)>);

fn samples() -> Vec<Sample> {
    vec![
        ("empty", vec![]),
        (
            "every type",
            vec![
                ("ChunkTimestamp", Value::Integer(1_234_567_890_123)),
                ("ChunkCounterValue", Value::Integer(-1)),
                ("ChunkExposureTime", Value::Float(1500.5)),
                ("ChunkSyncLocked", Value::Boolean(true)),
                ("ChunkPixelFormat", Value::Text("BayerRG12p")),
                ("ChunkUserData", Value::Bytes(&[0, 1, 254, 255])),
            ],
        ),
        ("empty text", vec![("ChunkSequencer", Value::Text("")), ("ChunkÄ", Value::Boolean(false))]),
    ]
}

fn encode(chunks: &[(&str, Value<'_>)]) -> Vec<u8> {
    let mut room = [0; 512];
    let mut writer = ChunkWriter::new(&mut room).unwrap();
    chunks.iter().for_each(|(name, value)| writer.push(name, *value).unwrap());
    let used = writer.finish();
    room[..used].to_vec()
}

/// Type and value as the pages write them.
fn json_of(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Integer(value) => json!({ "type": 0, "value": value }),
        Value::Float(value) => json!({ "type": 1, "value": value }),
        Value::Boolean(value) => json!({ "type": 2, "value": value }),
        Value::Text(value) => json!({ "type": 3, "value": value }),
        Value::Bytes(value) => json!({ "type": 4, "value": to_hex(value) }),
        other => panic!("{other:?} has no line in the pages"),
    }
}

/// Goal: lists stay what they are, and read as they were written. Method: compare with the golden ones.
#[test]
fn chunk_lists_are_as_listed() {
    let line = |(name, chunks): &Sample| {
        let bytes = encode(chunks);
        let read = Chunks::parse(&bytes).unwrap();
        assert!(read.map(|chunk| (chunk.name, chunk.value)).eq(chunks.iter().copied()), "{name}");
        let listed: Vec<_> = chunks.iter().map(|(name, value)| (name, json_of(*value))).collect();
        Line::default().with("name", name).with("hex", &to_hex(&bytes)).with("chunks", &listed)
    };
    check("chunks.json", &samples().iter().map(line).collect::<Vec<_>>());
}

/// Goal: the golden lists can be read by the tables of the pages alone. Method: a reader that knows the offsets from there.
#[test]
fn chunk_lists_decode_by_the_pages_alone() {
    if is_updating() {
        return;
    }
    let head = Table::below("Chunk data");
    let field = |table: &Table, name: &str| {
        let row = table.rows().find(|row| row.cell("field") == name).unwrap_or_else(|| panic!("no field {name}"));
        (row.cell("offset").parse().ok(), row.cell("size").parse().ok())
    };
    let number = |bytes: &[u8], at: usize, (offset, size): (Option<usize>, Option<usize>)| {
        let bytes = &bytes[at + offset.unwrap()..][..size.unwrap()];
        bytes.iter().rev().fold(0_usize, |value, byte| value << 8 | usize::from(*byte))
    };
    let chunk = Table::below("A chunk");
    for vector in read("chunks.json") {
        let bytes = from_hex(text_of(&vector, "hex"));
        assert_eq!(&bytes[..8], b"FBCHUNK1");
        let expected = vector["chunks"].as_array().unwrap();
        assert_eq!(number(&bytes, 0, field(&head, "count")), expected.len());
        let mut at = 12;
        for pair in expected {
            let kind = number(&bytes, at, field(&chunk, "type"));
            let name_bytes = number(&bytes, at, field(&chunk, "name_bytes"));
            let value_bytes = number(&bytes, at, field(&chunk, "value_bytes"));
            let name = &bytes[at + 4..][..name_bytes];
            let value = &bytes[at + 4 + name_bytes..][..value_bytes];
            assert_eq!(std::str::from_utf8(name).unwrap(), pair[0].as_str().unwrap());
            assert_eq!(kind as u64, pair[1]["type"].as_u64().unwrap());
            let told = &pair[1]["value"];
            let is_right = match kind {
                0 => i64::from_le_bytes(value.try_into().unwrap()) == told.as_i64().unwrap(),
                1 => f64::from_le_bytes(value.try_into().unwrap()).to_bits() == told.as_f64().unwrap().to_bits(),
                2 => value == [u8::from(told.as_bool().unwrap())],
                3 => value == told.as_str().unwrap().as_bytes(),
                _ => to_hex(value) == told.as_str().unwrap(),
            };
            assert!(is_right, "{pair}: {value:?}");
            at += 4 + name_bytes + value_bytes;
        }
        assert_eq!(at, bytes.len());
    }
    let types: Vec<usize> = Table::below("Types of chunks").rows().map(|row| row.number("type")).collect();
    assert_eq!(types, [0, 1, 2, 3, 4]);
}
