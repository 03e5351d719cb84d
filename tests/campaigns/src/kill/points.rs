//! The stop points of the product, and whose they are.

/// Of every reader.
pub const READER: &[&str] = &[
    "attach.connected",
    "attach.granted",
    "attach.mapped",
    "attach.acknowledged",
    "hold.begun",
    "release.begun",
    "growth.received",
    "growth.mapped",
    "growth.acknowledged",
    "shrink.unmapped",
];

/// Of a reader of shared memory.
pub const SHARED: &[&str] =
    &["wait.said", "acquire.written", "acquire.seen", "acquire.counted", "release.cleared", "leave.told"];

/// Of a reader that is sent its frames.
pub const SOCKET: &[&str] = &["release.sent"];

/// Of a reader that has held for too long.
pub const EVICTED: &[&str] = &["eviction.heard"];

pub const PRODUCER: &[&str] = &[
    "produce.granted",
    "produce.mapped",
    "produce.started",
    "lend.received",
    "lend.mapped",
    "lend.acknowledged",
    "lend.taken",
    "fill.begun",
    "fill.recorded",
    "fill.told",
    "change.begun",
];

/// Of the broker; those of the ring's reader are passed in it for readers that are sent their frames.
pub const BROKER: &[&str] = &[
    "attach.accepted",
    "attach.greeted",
    "attach.entered",
    "attach.announced",
    "attach.sealing",
    "acquire.written",
    "acquire.seen",
    "acquire.counted",
    "deliver.taken",
    "release.cleared",
    "publish.described",
    "publish.slot_set",
    "publish.head_moved",
    "publish.bell_rung",
    "retire.cleared",
    "retire.batch_cleared",
    "retire.left",
    "growth.ordered",
    "growth.allocated",
    "growth.installed",
    "growth.announced",
    "shrink.vacated",
    "size.lent",
    "size.set",
    "size.awaited",
    "size.started",
    "lend.offered",
    "lend.sealing",
    "lend.told",
    "lend.collected",
    "produce.ending",
    "eviction.revoked",
    "eviction.done",
    "eviction.vacated",
    "end.left",
];

/// How often a broker may pass a point of its own before it is ready.
pub fn passes_at_start(point: &str) -> u64 {
    match point {
        "growth.installed" => 8,
        "size.started" => 1,
        _ if point.starts_with("publish.") || point.starts_with("retire.") => 40,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Goal: no stop point of the product is forgotten, and none is attacked that is not there. Method: the sources are read.
    #[test]
    fn they_are_those_of_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = BTreeSet::new();
        ["protocol/src", "client/src", "broker/src"]
            .into_iter()
            .for_each(|folder| look(&root.join(folder), &mut found));
        let known = [READER, SHARED, SOCKET, EVICTED, PRODUCER, BROKER].concat();
        assert_eq!(found, known.into_iter().map(str::to_owned).collect());
    }

    fn look(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                look(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for call in text.split("stop_point(").skip(1).map(|rest| rest.split(");").next().unwrap_or_default()) {
                let names = call.split('"').skip(1).step_by(2).filter(|name| name.contains('.'));
                found.extend(names.map(str::to_owned));
            }
        }
    }
}
