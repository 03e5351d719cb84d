use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Options, String> {
    Options::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
}

fn watch(line: &str) -> WatchOptions {
    match parse(line).unwrap().command {
        Command::Watch(watch) => watch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Options::command().debug_assert();
}

#[test]
fn global_options_stand_anywhere() {
    for line in ["framectl --json --socket /x list", "framectl list --json --socket /x"] {
        let options = parse(line).unwrap();
        assert!(options.global.json, "{line}");
        assert_eq!(options.global.socket, Some(PathBuf::from("/x")), "{line}");
    }
}

#[test]
fn a_plain_watch_leaves_the_choice_to_the_broker_and_blocks() {
    let watch = watch("framectl watch cam0");
    assert!(watch.policy.is_none(), "the stream's");
    assert!(watch.delivery.is_none(), "the fastest that the broker grants");
    assert_eq!(watch.start, Start::Next);
    assert_eq!((watch.wait_mode, watch.max_held), (WaitMode::Block, 1));
    assert_eq!((watch.count, watch.timeout), (None, None));
}

#[test]
fn values_may_be_negative() {
    let Command::Set(set) = parse("framectl set cam0 BlackLevel -5").unwrap().command else { panic!("no set") };
    assert_eq!(set.assignments().unwrap(), [("BlackLevel", "-5")]);
}

#[test]
fn several_features_are_set_by_assignments() {
    let assignments = |line: &str| {
        let Command::Set(set) = parse(&format!("framectl set cam0 {line}")).unwrap().command else { panic!("no set") };
        let all = set.assignments().map_err(|failure| failure.to_string())?;
        Ok::<_, String>(all.into_iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(" "))
    };
    for (line, meant) in [
        ("Gain 1", "Gain:1"),
        ("Gain=1", "Gain:1"),
        ("Gain=-1 Width=640 Height=480 --json", "Gain:-1 Width:640 Height:480"),
        ("DeviceUserID a=b", "DeviceUserID:a=b"),
        ("DeviceUserID=a=b", "DeviceUserID:a=b"),
        ("DeviceUserID=", "DeviceUserID:"),
    ] {
        assert_eq!(assignments(line).unwrap(), meant, "{line}");
    }
    for (line, word) in
        [("Gain", "Gain"), ("Gain 1 Width", "Gain"), ("Gain=1 Width", "Width"), ("Gain=1 Width 5", "Width")]
    {
        let error = assignments(line).unwrap_err();
        assert!(error.starts_with(&format!("{word:?} is no FEATURE=VALUE")), "{line}: {error}");
    }
}

#[test]
fn statistics_are_shown_again_every_second_or_as_told() {
    let every = |line: &str| match parse(line).unwrap().command {
        Command::Stats(stats) => (stats.watch, stats.stream),
        other => panic!("{other:?}"),
    };
    assert_eq!(every("framectl stats cam0").0, None);
    let stream = Some("cam0".to_owned());
    assert_eq!(every("framectl stats --watch cam0"), (Some(Duration::from_secs(1)), stream.clone()));
    assert_eq!(every("framectl stats cam0 -w"), (Some(Duration::from_secs(1)), stream.clone()));
    assert_eq!(every("framectl stats --watch=500ms cam0"), (Some(Duration::from_millis(500)), stream));
}

#[test]
fn times_have_units_and_the_usual_options_are_short() {
    for line in [
        "framectl watch cam0 --timeout 2 --count 5",
        "framectl watch cam0 -t 2s -n 5",
        "framectl watch cam0 -t2000ms -n5",
    ] {
        let watch = watch(line);
        assert_eq!((watch.timeout, watch.count), (Some(Duration::from_secs(2)), Some(5)), "{line}");
    }
}

#[test]
fn wait_modes() {
    let mode = |text: &str| watch(&format!("framectl watch cam0 --wait-mode {text}")).wait_mode;
    assert_eq!(mode("spin"), WaitMode::Spin);
    assert_eq!(mode("spin-then-block"), WaitMode::SpinThenBlock(DEFAULT_SPIN));
    assert_eq!(mode("spin-then-block=7"), WaitMode::SpinThenBlock(Duration::from_micros(7)));
    assert_eq!(mode("spin-then-block=1ms"), WaitMode::SpinThenBlock(Duration::from_millis(1)));
    assert_eq!(mode("predictive"), WaitMode::Predictive(Predictive::default()));
}

#[test]
fn wrong_values_are_answered_with_what_would_do() {
    for (line, advice) in [
        ("framectl", "Usage"),
        ("framectl watch", "<STREAM>"),
        ("framectl watch cam0 --wait-mode sleep", "spin-then-block"),
        ("framectl watch cam0 --wait-mode spin=3", "spin-then-block[=TIME]"),
        ("framectl watch cam0 --wait-mode spin-then-block=-1", "as in 500us"),
        ("framectl watch cam0 --policy newest", "latest"),
        ("framectl watch cam0 --max-held 0", "1..=64"),
        ("framectl watch cam0 --max-held 65", "1..=64"),
        ("framectl watch cam0 --count 0", "a number above 0"),
        ("framectl save cam0 frame.png --count -1", "unexpected argument"),
        ("framectl save cam0 frame.png --count=-1", "a number above 0"),
        ("framectl watch cam0 --timeout 0", "above 0"),
        ("framectl watch cam0 cam1", "--sync"),
        ("framectl watch cam0 --sync 2ms", "STREAM"),
        ("framectl watch cam0 cam1 --sync 2", "as in 500us"),
        ("framectl watch cam0 cam1 --sync xms", "camera:2ms"),
        ("framectl watch cam0 cam1 --sync 2ms --verify", "cannot be used with"),
        ("framectl watch cam0 --timeout nan", "without a unit is in s"),
        ("framectl save cam0", "<FILE.png>"),
        ("framectl get", "<STREAM>"),
        ("framectl set cam0", "<FEATURE=VALUE>"),
        ("framectl stats --watch=0", "above 0"),
        ("framectl control", "<STREAM>"),
        ("framectl exec cam0", "<COMMAND>"),
        ("framectl list --server-uid root", "id -u"),
        ("framectl completions basic", "bash"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(advice), "{line}: {error}");
    }
}

#[test]
fn streams_are_matched_as_told() {
    for (text, by) in [
        ("2ms", SyncBy::Arrival(Duration::from_millis(2))),
        ("500us", SyncBy::Arrival(Duration::from_micros(500))),
        ("0.5s", SyncBy::Arrival(Duration::from_millis(500))),
        ("camera:1ms", SyncBy::CameraTime(Duration::from_millis(1))),
        ("block-id", SyncBy::BlockId),
    ] {
        let Command::Watch(watch) = parse(&format!("framectl watch a b c --sync {text}")).unwrap().command else {
            panic!("another command")
        };
        assert_eq!((watch.sync, watch.others.len()), (Some(by), 2), "{text}");
    }
}

#[test]
fn options_of_all_commands_have_a_heading_of_their_own() {
    let help = parse("framectl watch --help").unwrap_err();
    let (own, of_all) = help.split_once(OF_ALL).unwrap();
    for option in ["--socket", "--json", "--server-uid"] {
        let line = format!("\n      {option}");
        assert!(!own.contains(&line) && of_all.contains(&line), "{option}: {help}");
    }
}

/// Goal: --help shows every default. Method: each option's help names one, or a list of values does.
#[test]
fn help_shows_every_default() {
    let mut command = Options::command();
    command.build();
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        for argument in sub.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let name = argument.get_id().as_str();
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let shows = !argument.get_default_values().is_empty() || help.contains("[default: ");
            assert!(shows || matches!(name, "help" | "version"), "{} --{name}: {help}", sub.get_name());
        }
    }
}
