//! Messages and frame headers against their golden bytes, and against the tables of PROTOCOL.md.

use std::collections::BTreeSet;

use framebroker_protocol::FrameHeader;
use framebroker_protocol::codec::{decode, encode};
use framebroker_protocol::message::{Ask, Reply, Request, Tell};
use serde::Serialize;

use crate::decoder::Decoder;
use crate::golden::{Line, check, from_hex, is_updating, read, text_of, to_hex};
use crate::numbers::{ENUMERATIONS, MESSAGES};
use crate::samples::{headers, replies, requests};

const TO_BROKER: &str = "client to broker";
const TO_CLIENT: &str = "broker to client";

fn line(name: &str, direction: &str, message: &impl Serialize) -> Line {
    let bytes = encode(message).unwrap();
    Line::default()
        .with("name", &name)
        .with("direction", &direction)
        .with("hex", &to_hex(&bytes))
        .with("message", message)
}

/// Goal: the bytes on the wire stay what they are. Method: encode every sample and compare with the golden bytes.
#[test]
fn messages_encode_to_their_golden_bytes() {
    let requests = requests().into_iter().map(|(name, request)| line(name, TO_BROKER, &request));
    let replies = replies().into_iter().map(|(name, reply)| line(&name, TO_CLIENT, &reply));
    check("messages.json", &requests.chain(replies).collect::<Vec<_>>());
}

/// Goal: golden bytes are read as what they stand for. Method: decode them, compare with the samples and with the fields
/// in the file.
#[test]
fn golden_messages_decode_to_their_values() {
    if is_updating() {
        return;
    }
    let vectors = read("messages.json");
    let mut requests = requests().into_iter();
    let mut replies = replies().into_iter();
    for vector in &vectors {
        let bytes = from_hex(text_of(vector, "hex"));
        let (name, fields) = match text_of(vector, "direction") {
            TO_BROKER => {
                let (name, request) = requests.next().expect("no more requests than samples");
                assert_eq!(decode::<Request>(&bytes).unwrap(), request);
                (name.to_owned(), serde_json::to_value(request).unwrap())
            }
            _ => {
                let (name, reply) = replies.next().expect("no more replies than samples");
                assert_eq!(decode::<Reply>(&bytes).unwrap(), reply);
                (name, serde_json::to_value(reply).unwrap())
            }
        };
        assert_eq!((text_of(vector, "name"), &vector["message"]), (name.as_str(), &fields));
    }
    assert!(requests.next().is_none() && replies.next().is_none(), "every sample has golden bytes");
}

/// Goal: the pages suffice to read every message, and every variant has a golden message. Method: decode the golden bytes
/// by the pages' tables alone, compare with the fields in the file, and note which variants were met.
#[test]
fn golden_messages_decode_by_the_pages_alone() {
    if is_updating() {
        return;
    }
    let mut met = BTreeSet::new();
    for vector in read("messages.json") {
        let bytes = from_hex(text_of(&vector, "hex"));
        let mut decoder = Decoder::new(&bytes);
        let message = match text_of(&vector, "direction") {
            TO_BROKER => decoder.message("Client to broker", "id"),
            _ => decoder.message("Broker to client", "request"),
        };
        assert_eq!(message, vector["message"], "{}", vector["name"]);
        assert_eq!(decoder.left(), 0, "{}", vector["name"]);
        met.append(&mut decoder.met);
    }
    let all = ENUMERATIONS.iter().chain(&MESSAGES);
    let all = all.flat_map(|(of, variants)| variants.iter().map(move |variant| format!("{of}::{variant}")));
    assert_eq!(met, all.collect(), "variants with golden messages, and all there are");
}

/// Goal: messages that break the rules are refused. Method: decode each; what can be decoded must have a fault.
#[test]
fn bad_messages_are_refused() {
    let bad_requests = bad_requests();
    let bad_replies = bad_replies();
    for (why, bytes) in &bad_requests {
        let refused = decode::<Request>(bytes).map_or(true, |request| request.body.fault().is_some());
        assert!(refused, "{why}");
    }
    for (why, bytes) in &bad_replies {
        assert!(decode::<Reply>(bytes).is_err(), "{why}");
    }
    let line = |direction: &'static str| {
        move |(why, bytes): &(&str, Vec<u8>)| {
            let code = if direction == TO_BROKER && decode::<Request>(bytes).is_ok() { "Invalid" } else { "Malformed" };
            Line::default()
                .with("why", why)
                .with("direction", &direction)
                .with("hex", &to_hex(bytes))
                .with("code", &code)
        }
    };
    let lines = bad_requests.iter().map(line(TO_BROKER)).chain(bad_replies.iter().map(line(TO_CLIENT)));
    check("refused.json", &lines.collect::<Vec<_>>());
}

/// Goal: a frame header has the same 128 bytes in messages and in memory, in the pages' order. Method: compare words,
/// encoding and golden bytes, and decode by the pages.
#[test]
fn frame_headers_have_their_golden_bytes() {
    let mut lines = Vec::new();
    for (name, header) in headers() {
        let in_memory: Vec<u8> = header.to_words().iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(encode(&header).unwrap(), in_memory, "{name}");
        assert_eq!(decode::<FrameHeader>(&in_memory).unwrap(), header, "{name}");
        assert_eq!(Decoder::new(&in_memory).value("FrameHeader"), serde_json::to_value(header).unwrap(), "{name}");
        lines.push(Line::default().with("name", &name).with("hex", &to_hex(&in_memory)).with("header", &header));
    }
    check("headers.json", &lines);
}

fn bad_requests() -> Vec<(&'static str, Vec<u8>)> {
    let hello = |name: &[u8], roles: u32| {
        let fields: [&[u8]; 4] = [&1u32.to_le_bytes(), &(name.len() as u64).to_le_bytes(), name, &roles.to_le_bytes()];
        message(0, &fields.concat())
    };
    let subscribe = |stream: &[u8], numbers: [u32; 4]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        message(2, &[&(stream.len() as u64).to_le_bytes(), stream, &numbers].concat())
    };
    let feature = |variant: u32, name: &[u8], rest: &[u8]| {
        let len = (name.len() as u64).to_le_bytes();
        message(variant, &[&4u64.to_le_bytes()[..], b"cam0", &len, name, rest].concat())
    };
    let release = |context: u64| message(4, &[&1u32.to_le_bytes()[..], &context.to_le_bytes()].concat());
    let produce = |payload_bytes: u64, min_queued: u32, fixed_pool: u8| {
        // Then: it cannot pause, width, height, format and rate 0, no texts.
        let fields: [&[u8]; 6] = [
            &4u64.to_le_bytes(),
            b"cam0",
            &payload_bytes.to_le_bytes(),
            &min_queued.to_le_bytes(),
            &[fixed_pool],
            &[0; 37],
        ];
        message(9, &fields.concat())
    };
    let good = hello(b"x", 1);
    let ping = encode(&Request { id: 1, body: Ask::Ping }).unwrap();
    vec![
        ("an id and nothing else", ping[..4].to_vec()),
        ("the last byte is missing", good[..good.len() - 1].to_vec()),
        ("a byte too many", [&ping[..], &[0]].concat()),
        ("no such variant", message(u32::MAX, &[])),
        ("a name of 2^64-1 bytes", [&good[..12], &[0xff; 8], &good[20..]].concat()),
        ("a name longer than the message", [&good[..12], &6u64.to_le_bytes(), &good[20..]].concat()),
        ("a name that is no UTF-8", hello(&[0xc3, 0x28], 1)),
        ("an empty name", hello(b"", 1)),
        ("a name with a control character", hello(b"a\nb", 1)),
        ("a name of 64 bytes", hello(&[b'n'; 64], 1)),
        ("no role", hello(b"x", 0)),
        ("an unknown role", hello(b"x", 8)),
        ("a stream name with a slash", subscribe(b"cam/0", [0, 0, 2, 0])),
        ("a stream name of 64 bytes", subscribe(&[b's'; 64], [0, 0, 2, 0])),
        ("no such policy", subscribe(b"cam0", [5, 0, 2, 0])),
        ("no such delivery", subscribe(b"cam0", [0, 2, 2, 0])),
        ("no such start", subscribe(b"cam0", [0, 0, 2, 2])),
        ("no frame to hold", subscribe(b"cam0", [0, 0, 0, 0])),
        ("too many frames to hold", subscribe(b"cam0", [0, 0, 65, 0])),
        ("a feature without a name", feature(11, b"", &[])),
        ("a feature's name with a control character", feature(11, b"Ga\tin", &[])),
        ("a feature's name of 128 bytes", feature(11, &[b'f'; 128], &[])),
        ("no such kind of value", feature(12, b"Gain", &[5, 0, 0, 0])),
        ("a boolean of 2", feature(12, b"Gain", &[3, 0, 0, 0, 2])),
        ("a feature set to no value", feature(12, b"Gain", &[0, 0, 0, 0])),
        (
            "a feature set to infinity",
            feature(12, b"Gain", &[&[2, 0, 0, 0][..], &f64::INFINITY.to_le_bytes()].concat()),
        ),
        (
            "a feature set to what is no number",
            feature(12, b"Gain", &[&[2, 0, 0, 0][..], &f64::NAN.to_le_bytes()].concat()),
        ),
        ("a release of sequence 0", release(0x0003)),
        ("a release in segment 1024", release(0x0001_0400)),
        ("segments of no bytes", produce(0, 1, 0)),
        ("segments of more than 2^40 bytes", produce((1 << 40) + 1, 1, 0)),
        ("no segment at all times", produce(1, 0, 0)),
        ("513 segments at all times", produce(1, 513, 0)),
        ("a pool that is neither fixed nor not", produce(1, 1, 2)),
        ("statistics of nothing", message(7, &[3, 0, 0, 0, 0, 0, 0, 0])),
    ]
}

fn bad_replies() -> Vec<(&'static str, Vec<u8>)> {
    let pong = encode(&Reply { request: 1, body: Tell::Pong }).unwrap();
    let no_streams = encode(&Reply { request: 1, body: Tell::Streams { streams: Vec::new(), more: false } }).unwrap();
    let error = |code: u32, text: &[u8]| {
        let fields: [&[u8]; 3] = [&code.to_le_bytes(), &(text.len() as u64).to_le_bytes(), text];
        message(13, &fields.concat())
    };
    vec![
        ("a request and nothing else", pong[..4].to_vec()),
        ("a byte too many", [&pong[..], &[0]].concat()),
        ("no such variant", message(u32::MAX, &[])),
        ("a bool of 2", [&no_streams[..16], &[2]].concat()),
        ("a list of 2^64-1 streams", [&no_streams[..8], &[0xff; 8], &no_streams[16..]].concat()),
        ("no such error", error(21, b"x")),
        ("a text of 2049 bytes", error(0, &[b't'; 2049])),
    ]
}

fn message(variant: u32, fields: &[u8]) -> Vec<u8> {
    [&1u32.to_le_bytes(), &variant.to_le_bytes(), fields].concat()
}
