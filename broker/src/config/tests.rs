use framebroker_protocol::message::Roles;

use super::*;
use crate::factory::HugePage;

fn parse(line: &str) -> Result<(StreamOptions, BrokerOptions), String> {
    let mut config = Config::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
    assert_eq!(config.streams.len(), 1);
    Ok((config.streams.remove(0), config.broker))
}

#[test]
fn the_plain_command_is_complete() {
    let (config, broker) = parse("broker --segments 8").unwrap();
    assert_eq!((broker.max_clients, broker.lease().time), (256, None));
    assert_eq!((config.segments(), config.max_segments, config.history), (8, 64, 4));
    assert_eq!(config.source, SourceChoice::Pattern);
}

#[test]
fn a_ring_that_cannot_grow_begins_larger() {
    assert_eq!(parse("broker --source pylon").unwrap().0.segments(), 16);
    let (config, _) = parse("broker --source pylon=21734321 --segments 8 --load camera.pfs --set Gain=1").unwrap();
    assert_eq!((config.segments(), config.source), (8, SourceChoice::Pylon(Some("21734321".to_owned()))));
}

#[test]
fn wrong_values_are_answered_with_what_would_do() {
    for (line, advice) in [
        ("broker --segments 0", "1 to 512"),
        ("broker --segments 65", "--max-segments"),
        ("broker --source producer=p", "by itself"),
        ("broker --source producer --width 8", "--width"),
        ("broker --source producer --set Gain=1", "for cameras"),
        ("broker --source producer --backing posix", "memfd or hugetlb"),
        ("broker --source webcam", "pattern, aravis[=DEVICE], pylon"),
        ("broker --grab-strategy Newest", "OneByOne, LatestImageOnly, LatestImages, UpcomingImage"),
        ("broker --source pylon=", "name a device"),
        ("broker --source replay", "replay=PATH"),
        ("broker --source replay=x --width 8", "as they were recorded"),
        ("broker --source replay=x --wait", "for cameras"),
        ("broker --replay-loop", "--source replay"),
        ("broker --replay-errors skip", "--source replay"),
        ("broker --grab-priority 100", "1..=99"),
        ("broker --source aravis --load x.pfs", "--source pylon"),
        ("broker --source aravis=", "name a device"),
        ("broker --pixel-format Mono9", "Mono8"),
        ("broker --set Gain", "FEATURE=VALUE"),
        ("broker --set Gain=1", "for cameras"),
        ("broker --allow-uid joe", "id -u"),
        ("broker --allow-uid 7:boss", "producer"),
        ("broker --fps -1", "--fps"),
        ("broker --name a/b", "no stream name"),
        ("broker --frames 0", "--frames"),
        ("broker --evict", "--lease MS"),
        ("broker --stats-interval 0", "0.001"),
        ("broker --stats-interval soon", "0.001"),
        ("broker --backing disk", "memfd, hugetlb[=2M|1G] and posix"),
        ("broker --backing hugetlb=4M", "hugetlb[=2M|1G]"),
        ("broker --align 100", "power of two"),
        ("broker --align 32", "64 to 2M"),
        ("broker --align 4M", "64 to 2M"),
        ("broker --numa-node -1", "--numa-node"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(advice), "{line}: {error}");
    }
}

#[test]
fn memory_is_placed_as_told() {
    let (config, _) = parse("broker").unwrap();
    assert_eq!((config.backing, config.placement()), (BackingChoice::Memfd, Placement::default()));
    let (config, _) = parse("broker --backing hugetlb=1G --align 64K --mlock --numa-node 1").unwrap();
    assert_eq!(config.backing, BackingChoice::HugeTlb(HugePage::Giga1));
    assert_eq!(config.placement(), Placement { align: 65536, lock: true, numa_node: Some(1) });
    for (text, bytes) in [("64", 64), ("2048k", 2 << 20), ("2M", 2 << 20)] {
        assert_eq!(alignment(text), Ok(bytes));
    }
}

#[test]
fn roles_are_added_to_consumer() {
    let user: AllowedUser = "7:control".parse().unwrap();
    assert_eq!(user.roles, Roles::CONSUMER.with(Roles::CONTROL));
}
