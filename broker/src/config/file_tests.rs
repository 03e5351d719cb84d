use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::CommandFactory;

use super::super::SourceChoice;
use super::*;

/// Reads a file of this text, beside these words on the command line.
fn read_beside(text: &str, words: &str) -> Result<Config, String> {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let name = format!("fb-config-{}-{}.toml", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).unwrap();
    let all = format!("broker --config {} {words}", path.display());
    let read = Config::try_parse_from(all.split_whitespace());
    std::fs::remove_file(&path).unwrap();
    read.map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
}

fn read_text(text: &str) -> Result<Config, String> {
    read_beside(text, "")
}

#[test]
fn every_stream_has_its_table_and_the_defaults_above() {
    let config = read_text(
        "socket = '/run/x.sock'\nlease = 2_000\nallow-uid = ['7:control', 8]\nfps = 12.5\nmlock = true\n\
         [[stream]]\nname = 'left'\nsource = 'aravis=GV01'\nset = ['Gain=1', 'ExposureTime=5000']\n\
         [[stream]]\nname = 'right'\nfps = 0x10\nmlock = false\nmemory-limit = 100\n",
    )
    .unwrap();
    assert_eq!(config.broker.socket.as_deref(), Some(Path::new("/run/x.sock")));
    assert_eq!(config.broker.lease().time, Some(Duration::from_secs(2)));
    assert_eq!(config.broker.allow_uid.iter().map(|user| user.uid).collect::<Vec<_>>(), [7, 8]);
    let [left, right] = &config.streams[..] else { panic!("{config:?}") };
    assert_eq!((left.name.as_str(), left.fps, left.mlock), ("left", Some(12.5), true));
    assert_eq!(left.source, SourceChoice::Aravis(Some("GV01".to_owned())));
    let features: Vec<&str> = left.set.iter().map(|set| set.feature.as_str()).collect();
    assert_eq!(features, ["Gain", "ExposureTime"], "they are set in this order");
    assert_eq!((right.name.as_str(), right.fps, right.mlock), ("right", Some(16.0), false));
    assert_eq!(right.memory_limit, Some(100 << 20));
}

/// Goal: defaults of all streams may stand above a stream that cannot take them; what stands in its own table must fit.
#[test]
fn defaults_concern_only_streams_that_can_take_them() {
    let text = "width = 64\nfps = 50\nset = 'Gain=1'\nlease = '2s'\n[[stream]]\nname = 'camera'\nsource = 'aravis'\n\
                [[stream]]\nname = 'own'\nsource = 'producer'\n[[stream]]\nname = 'pattern'\n";
    let config = read_text(text).unwrap();
    let said: Vec<_> = config.streams.iter().map(|stream| (stream.width, stream.fps, stream.set.len())).collect();
    assert_eq!(said, [(Some(64), Some(50.0), 1), (None, None, 0), (Some(64), Some(50.0), 0)]);
    assert_eq!(config.broker.lease().time, Some(Duration::from_secs(2)));
    let error = read_text(&format!("{text}width = 64\n[[stream]]\nname = 'own2'\nsource = 'producer'\nwidth = 64\n"));
    assert!(error.unwrap_err().contains("--width is set by the producer"));
}

#[test]
fn a_file_without_tables_describes_one_stream() {
    let config = read_text("name = 'only'\nsegments = 12\nevict = true\nlease = 5\n").unwrap();
    assert_eq!((config.streams.len(), config.streams[0].segments()), (1, 12));
    assert_eq!((config.streams[0].name.as_str(), config.broker.evict), ("only", true));
    assert_eq!(read_text("").unwrap().streams[0].segments(), 8, "an empty file has the defaults");
}

/// Goal: whatever can be said on the command line can be said in a file. Method: each option with a value it takes.
#[test]
fn every_option_is_a_key() {
    let value = |option: &Arg| match option.get_long().unwrap() {
        _ if matches!(option.get_action(), ArgAction::SetTrue) => "true",
        "name" => "'a'",
        "source" => "'pattern'",
        "set" => "['Gain=1']",
        "pixel-format" => "'Mono8'",
        "fill" => "'none'",
        "replay-errors" => "'skip'",
        "backing" => "'memfd'",
        "align" => "'64K'",
        "socket" => "'/s'",
        "allow-uid" | "allow-gid" => "[5]",
        "segments" => "8",
        "grab-strategy" => "'LatestImages'",
        _ => "50",
    };
    let mut keys = 0;
    for options in [options::<BrokerOptions>(), options::<StreamOptions>()] {
        for option in options.get_arguments() {
            let text = format!("{} = {}\n", option.get_long().unwrap(), value(option));
            let file = DeTable::parse(&text).unwrap().into_inner();
            let (key, value) = in_order(&file).next().unwrap();
            let setting = setting(&options, find(&options, key.get_ref()).unwrap(), value);
            assert_eq!(setting.map(|setting| setting.words.len()).map_err(|fault| fault.reason), Ok(1), "{text}");
            keys += 1;
        }
    }
    assert!(keys > 30, "{keys}");
    // Whoever adds one in another place adds it here, with the reason why a file has no use for it.
    let everything = super::super::CommandLine::command();
    let both = everything.get_arguments().filter_map(Arg::get_long).filter(|long| {
        find(&options::<BrokerOptions>(), long).is_none() && find(&options::<StreamOptions>(), long).is_none()
    });
    let others = ["config", "list", "completions", "manual"];
    assert_eq!(both.collect::<Vec<_>>(), others, "an option of the command line that is no key of a file");
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, line, advice) in [
        ("segments = 8\nsegmets = 9\n", 2, "no option segmets: did you mean segments?"),
        (
            "[[stream]]\nname = 'a'\npixelformat = 'Mono8'\n",
            3,
            "stream a: there is no option pixelformat: did you mean pixel-format?",
        ),
        ("[[stream]]\nname = 'a'\n[[stream]]\nfps = -1\n", 4, "stream number 2: fps: "),
        ("[[stream]]\nname = 'no name'\n", 2, "stream no name: name: "),
        ("# nothing like it\nqqq = 1\n", 2, "`broker --help`"),
        ("[[stream]]\nlease = 5\n", 2, "lease is about the whole broker: write it above"),
        ("config = 'x'\n", 1, "there is no option config"),
        ("list = true\n", 1, "there is no option list"),
        ("\n\nfps = 'soon'\n", 3, "0 to 1000000"),
        ("[[stream]]\nsegments = 0\n", 2, "1 to 512"),
        ("mlock = 1\n", 1, "mlock is true or false"),
        ("fps = [1, 2]\n", 1, "one value, no list"),
        ("fps = true\n", 1, "a text or a number, no boolean"),
        ("set = [['a']]\n", 1, "a text or a number, no array"),
        ("source = 'webcam'\n", 1, "pattern, aravis[=DEVICE]"),
        ("stream = 5\n", 1, "[[stream]]"),
        ("stream = [5]\n", 1, "[[stream]]"),
        ("fps = 5\nfps = 6\n", 2, "not valid TOML"),
        ("fps = \n", 1, "not valid TOML"),
        ("[camera]\nfps = 5\n", 1, "there is no option camera"),
    ] {
        let error = read_text(text).unwrap_err();
        assert!(error.starts_with(&format!("FILE:{line}: ")) && error.contains(advice), "{text:?}: {error}");
    }
}

#[test]
fn options_that_do_not_fit_together_name_the_stream() {
    for (text, place, advice) in [
        ("[[stream]]\n[[stream]]\n", "FILE:2: ", "two streams have the name cam0"),
        ("[[stream]]\nname='a'\n[[stream]]\nname='b'\nsegments = 70\n", "FILE:3: ", "stream b: --segments 70 is above"),
        ("segments = 70\n\n[[stream]]\nname='a'\n", "FILE:3: ", "--segments 70 is above"),
        ("[[stream]]\nname='a'\nset = ['Gain=1']\n", "FILE:1: ", "--set is for cameras"),
        ("evict = true\n", "FILE: ", "give --lease"),
    ] {
        let error = read_text(text).unwrap_err();
        assert!(error.starts_with(place) && error.contains(advice), "{text:?}: {error}");
    }
    let error = Config::try_parse_from(["broker", "--config", "/nowhere/x.toml"]).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/x.toml: cannot read it"), "{error}");
}

#[test]
fn the_command_line_has_the_last_word_on_the_broker_and_none_on_streams() {
    let file = "socket = '/a'\nmax-clients = 5\nevict = true\nlease = 9\nallow-uid = [7]\n";
    let config = read_beside(file, "--socket /b --allow-uid 8 --allow-uid 9 --lease 10").unwrap();
    assert_eq!(config.broker.socket.as_deref(), Some(Path::new("/b")));
    assert_eq!(
        (config.broker.max_clients, config.broker.lease, config.broker.evict),
        (5, Duration::from_millis(10), true)
    );
    assert_eq!(config.broker.allow_uid.iter().map(|user| user.uid).collect::<Vec<_>>(), [8, 9]);
    for words in ["--fps 5", "--mlock", "--name x", "--source pattern"] {
        let error = read_beside(file, words).unwrap_err();
        let option = words.split(' ').next().unwrap();
        assert!(error.contains(&format!("{option} is about a stream")), "{words}: {error}");
    }
    assert!(read_beside(file, "--list").unwrap_err().contains("--list takes a --source"));
}
