//! The command without a broker: its help, and what it says when nobody is there.
#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]

use std::process::{Command, Output, Stdio};

fn framectl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framectl"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    framectl(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_command_has_help_with_the_options_of_all() {
    for command in ["list", "stats", "watch", "save"] {
        let output = run(&[command, "--help"]);
        let help = text(&output.stdout);
        assert!(output.status.success(), "{command}");
        for option in ["--socket", "--json"] {
            assert!(help.contains(option), "{command} {option}: {help}");
        }
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [&["look"][..], &["watch"], &["watch", "cam0", "--policy", "all"], &["save", "cam0"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("Usage") || text(&output.stderr).contains("possible values"));
    }
}

/// Goal: whoever has no broker is told where one was looked for and how to start one. Method: paths nobody listens on.
#[test]
fn without_a_broker_every_path_is_named() {
    for command in [&["list"][..], &["stats"], &["watch", "cam0"], &["save", "cam0", "frame.png"], &["list", "--json"]]
    {
        let output = framectl(command)
            .env_remove("FRAMEBROKER_SOCKET")
            .env("XDG_RUNTIME_DIR", "/nonexistent/runtime")
            .args(["--socket", "/nonexistent/broker.sock"])
            .output()
            .unwrap();
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {complaint}");
        assert_eq!(text(&output.stdout), "");
        assert!(complaint.starts_with("framectl: no broker found"), "{complaint}");
        for part in ["/nonexistent/broker.sock: no such socket", "broker --segments 8", "--socket"] {
            assert!(complaint.contains(part), "{part} is missing in: {complaint}");
        }
    }
}

/// Goal: a reader that goes away is no failure. Method: standard output is closed before anything is printed.
#[test]
fn nobody_reads_the_help() {
    let mut child = framectl(&["--help"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(!text(&child.wait_with_output().unwrap().stderr).contains("panicked"));
}
