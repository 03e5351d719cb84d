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
        ("broker --allow-gid video", "getent group"),
        ("broker --segments -1", "1 to 512"),
        ("broker --history 513", "0 to 512"),
        ("broker --history 18446744073709551615", "0 to 512"),
        ("broker --memory-limit 1GBB", "as in 64k, 500M or 2G"),
        ("broker --memory-warn -1", "without a unit is in M"),
        ("broker --socket-buffer 4G", "less than 4G"),
        ("broker --max-clients 0", "1 or more"),
        ("broker --max-clients-per-user 0", "1 or more"),
        ("broker --fps -1", "--fps"),
        ("broker --fps nan", "0 to 1000000"),
        ("broker --fps inf", "0 to 1000000"),
        ("broker --name a/b", "not a stream name"),
        ("broker --frames 0", "--frames"),
        ("broker --evict", "--lease TIME"),
        ("broker --stats-interval 0", "1ms or more"),
        ("broker --stats-interval soon", "without a unit is in s"),
        ("broker --stats-interval inf", "as in 500us, 2ms, 1.5s or 3min"),
        ("broker --shrink-after 2weeks", "without a unit is in s"),
        ("broker --lease 2sec", "without a unit is in ms"),
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

/// Goal: the help tells all that a program which starts the broker must know.
#[test]
fn the_help_tells_signals_exit_statuses_and_variables() {
    let help = parse("broker --help").unwrap_err();
    for part in
        ["SIGTERM", "Exit status: 0", "RUST_LOG", "FRAMEBROKER_SOCKET", "Type=notify", "broker --config cameras.toml"]
    {
        assert!(help.contains(part), "{part}: {help}");
    }
}

/// Goal: the manual page and the completions know the options and what `--help` says behind them.
#[test]
fn the_manual_and_completions_know_every_option() {
    let directory = std::env::temp_dir().join(format!("framebroker-manual-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let said = parse(&format!("broker --manual {}", directory.display())).unwrap_err();
    let page = std::fs::read_to_string(said.trim()).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let completions = parse("broker --completions bash").unwrap_err();
    let command = CommandLine::command();
    for option in command.get_arguments().filter_map(clap::Arg::get_long) {
        assert!(page.contains(&format!("\\-\\-{}", option.replace('-', "\\-"))), "{option} is not in {page}");
        assert!(completions.contains(&format!("--{option}")), "{option} is not in {completions}");
    }
    assert!(page.contains("Exit status: 0"), "{page}");
    let nowhere = parse("broker --manual /nonexistent/directory").unwrap_err();
    assert!(nowhere.contains("directory that exists"), "{nowhere}");
    assert!(parse("broker --completions bash --segments 8").unwrap_err().contains("--completions"));
}

#[test]
fn times_and_sizes_have_units_or_those_of_the_help() {
    let line = "broker --lease 2s --stats-interval 500ms --shrink-after 1.5 --lossless-timeout 20 --memory-limit 1G --memory-warn 500";
    let (stream, broker) = parse(line).unwrap();
    assert_eq!(broker.lease().time, Some(Duration::from_secs(2)));
    assert_eq!(broker.stats_interval, Some(Duration::from_millis(500)));
    assert_eq!(
        (stream.shrink_after, stream.lossless_timeout),
        (Duration::from_millis(1500), Duration::from_millis(20))
    );
    assert_eq!((stream.memory_limit, stream.memory_warn), (Some(1 << 30), Some(500 << 20)));
    let (_, broker) = parse("broker --lease 18446744073709551615 --stats-interval 1e300h").unwrap();
    assert!(broker.lease().time.is_some_and(|time| std::time::Instant::now().checked_add(time).is_some()));
    assert!(broker.stats_interval.is_some_and(|time| std::time::Instant::now().checked_add(time).is_some()));
    let (stream, _) = parse("broker --source aravis --socket-buffer 8M --packet-size 1500").unwrap();
    assert_eq!((stream.socket_buffer, stream.packet_size), (Some(8 << 20), Some(1500)));
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
