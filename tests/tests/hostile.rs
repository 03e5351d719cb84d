//! Clients that break the rules: each gets an error that names what it did, and nobody beside it notices.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use framebroker_protocol::codec::encode;
use framebroker_protocol::limits::MESSAGE_BYTES;
use framebroker_protocol::message::{
    Ask, AskedPolicy, Delivery, ErrorCode, Policy, Request, Roles, Start, StatsOf, Tell,
};
use framebroker_protocol::{BrokerId, ClientName, ContextId, FrameRef, PROTOCOL_VERSION, SegmentIndex, Sequence};
use framebroker_tests::broker::run;
use framebroker_tests::raw::Heard;
use framebroker_tests::{Actor, Beside, Broker, PATIENCE, Raw, binaries, wait_for};

const SMALL: &str = "--segments 8 --fps 200 --width 64 --height 64";

fn frame_ref(context: ContextId) -> FrameRef {
    FrameRef { broker: BrokerId(1), stream: "cam0".parse().unwrap(), context }
}

fn hello(version: u32, roles: Roles) -> Ask {
    Ask::Hello { version, name: ClientName::cut("hostile"), roles }
}

/// Goal: each breach of the protocol is answered with an error that names it, then the connection is closed.
#[test]
fn breaches_are_named_and_end_the_session() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    type Breach = fn(&mut Raw);
    let breaches: [(&str, ErrorCode, &str, Breach); 9] = [
        ("another version", ErrorCode::WrongVersion, "99", |raw| {
            raw.send(hello(99, Roles::CONSUMER));
        }),
        ("no hello first", ErrorCode::NoHello, "Hello", |raw| {
            raw.send(Ask::Ping);
        }),
        ("hello twice", ErrorCode::Malformed, "only once", |raw| {
            raw.hello();
            raw.send(hello(PROTOCOL_VERSION, Roles::CONSUMER));
        }),
        ("random bytes", ErrorCode::Malformed, "no message", |raw| {
            raw.hello();
            raw.channel().send(&[0xA5; 300]).unwrap();
        }),
        ("a byte too many", ErrorCode::Malformed, "too many", |raw| {
            let mut bytes = encode(&Request { id: 1, body: hello(PROTOCOL_VERSION, Roles::CONSUMER) }).unwrap();
            bytes.push(0);
            raw.channel().send(&bytes).unwrap();
        }),
        ("a segment that cannot be", ErrorCode::Malformed, "context ID", |raw| {
            raw.hello();
            let subscription = framebroker_protocol::SubscriptionId(1);
            let context = ContextId::new(Sequence(1), SegmentIndex::new(0).unwrap());
            let mut bytes =
                encode(&Request { id: 1, body: Ask::Acquire { subscription, frame: frame_ref(context) } }).unwrap();
            let at = bytes.len() - 8;
            bytes[at..].copy_from_slice(&(1u64 << 16 | 0xffff).to_le_bytes());
            raw.channel().send(&bytes).unwrap();
        }),
        ("too long a message", ErrorCode::Malformed, "longer", |raw| {
            raw.hello();
            raw.channel().send(&vec![0; MESSAGE_BYTES + 1]).unwrap();
        }),
        ("a descriptor", ErrorCode::Malformed, "descriptors", |raw| {
            raw.hello();
            let bytes = encode(&Request { id: 1, body: Ask::Ping }).unwrap();
            raw.channel().try_send(&bytes, &[std::io::stdin().as_fd()]).unwrap();
        }),
        ("mapped what was not sent", ErrorCode::Malformed, "Mapped", |raw| {
            raw.hello();
            raw.send(Ask::Mapped);
        }),
    ];
    for (name, code, word, breach) in breaches {
        let mut raw = broker.raw();
        breach(&mut raw);
        let (found, text) = raw.error();
        assert_eq!(found, code, "{name}: {text}");
        assert!(text.contains(word), "{name}: {text}");
        raw.must_end();
    }
    beside.noticed_nothing();
    broker.end_clean();
}

/// Goal: requests that cannot be granted are refused by name and the session goes on.
#[test]
fn refusals_leave_the_session_open() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    let mut raw = broker.raw();
    raw.hello();
    let subscribe = |stream: &str, max_held| Ask::Subscribe {
        stream: stream.parse().unwrap(),
        policy: AskedPolicy::Sequential,
        delivery: Delivery::Shared,
        max_held,
        start: Start::Next,
    };
    let subscription = framebroker_protocol::SubscriptionId(77);
    let context = ContextId::new(Sequence(1), SegmentIndex::new(0).unwrap());
    for (ask, code, word) in [
        (subscribe("cam7", 2), ErrorCode::UnknownStream, "cam0"),
        (subscribe("cam0", 0), ErrorCode::Invalid, "1 to 64"),
        (subscribe("cam0", 65), ErrorCode::Invalid, "1 to 64"),
        (subscribe("cam0", 63), ErrorCode::NotAdmitted, "--segments 67"),
        (Ask::Release { subscription, context }, ErrorCode::UnknownSubscription, "77"),
        (Ask::Acquire { subscription, frame: frame_ref(context) }, ErrorCode::UnknownSubscription, "77"),
        (Ask::Unsubscribe { subscription }, ErrorCode::UnknownSubscription, "77"),
    ] {
        raw.send(ask);
        let (found, text) = raw.error();
        assert_eq!(found, code, "{text}");
        assert!(text.contains(word), "{text}");
    }
    raw.send(Ask::Ping);
    assert!(matches!(raw.answer(), (Tell::Pong, _)));
    beside.noticed_nothing();
    broker.end_clean();
}

/// Goal: who says nothing is told so and dropped; who does not read what it is sent is disconnected.
#[test]
fn silent_and_deaf_clients_are_dropped() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    let mut silent = broker.raw();
    let (code, text) = silent.error();
    assert_eq!(code, ErrorCode::NoHello, "{text}");
    silent.must_end();

    let mut deaf = broker.raw();
    deaf.hello();
    // Unread answers fill the socket, then the broker's patience; it never blocks.
    let bytes = encode(&Request { id: 9, body: Ask::Stats { of: StatsOf::Streams, from: 0 } }).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while deaf.channel().try_send(&bytes, &[]).is_ok() && Instant::now() < deadline {}
    let broker_still_answers = broker.connect().ping().unwrap();
    assert!(broker_still_answers < Duration::from_secs(1));
    wait_for("the broker to lose patience", Duration::from_secs(20), || broker.log().contains("TooSlow").then_some(()));
    let last = wait_for("the reason", Duration::from_secs(5), || match deaf.hear() {
        Heard::Message(reply, _) => matches!(reply.body, Tell::Error { .. }).then_some(reply.body),
        Heard::End => panic!("closed without a word"),
    });
    assert!(matches!(&last, Tell::Error { code: ErrorCode::TooSlow, .. }), "{last:?}");
    beside.noticed_nothing();
    drop((silent, deaf));
    broker.end_clean();
}

/// Goal: more clients than allowed are told so; when one leaves another may come.
#[test]
fn too_many_clients_are_told() {
    let broker = Broker::start(&format!("{SMALL} --max-clients 3"));
    let beside = Beside::start(&broker);
    let mut second = broker.raw();
    second.hello();
    let mut third = broker.raw();
    third.hello();
    let mut one_too_many = broker.raw();
    let (code, text) = one_too_many.error();
    assert_eq!(code, ErrorCode::TooManyClients);
    assert!(text.contains("--max-clients"), "{text}");
    one_too_many.must_end();
    drop(third);
    wait_for("a free place", Duration::from_secs(5), || {
        let mut raw = broker.raw();
        raw.send(hello(PROTOCOL_VERSION, Roles::CONSUMER));
        matches!(raw.hear(), Heard::Message(reply, _) if matches!(reply.body, Tell::Welcome { .. })).then_some(())
    });
    beside.noticed_nothing();
    drop(second);
    broker.end_clean();
}

/// Goal: ordinary and odd ends of subscriptions leave the session thread asleep and no descriptor open. Method: processes that
/// hold frames, unsubscribe, drop, hang up, die; messages with more descriptors than allowed.
#[test]
fn nothing_is_left_of_clients_that_are_gone() {
    let broker = Broker::start(SMALL);
    let holds_left = || broker.connect().streams().unwrap()[0].holds_left;
    let (before, granted) = (broker.open_files(), holds_left());
    for delivery in ["shared", "socket"] {
        for _ in 0..5 {
            let mut actor = broker.actor();
            actor.must(&format!("subscribe delivery={delivery}"));
            assert!(actor.take() > 0);
            actor.must("drop");
            assert!(actor.ask("check").starts_with("good"));
            actor.kill();
        }
    }
    let null = std::fs::File::open("/dev/null").unwrap();
    for _ in 0..20 {
        let mut raw = broker.raw();
        raw.hello();
        let (subscribed, _) = raw.subscribe(Policy::Sequential, Delivery::Socket, 2);
        raw.send(Ask::Mapped);
        wait_for("a frame", Duration::from_secs(5), || match raw.hear() {
            Heard::Message(reply, _) => matches!(reply.body, Tell::Frame { .. }).then_some(()),
            Heard::End => panic!("closed"),
        });
        raw.send(Ask::Unsubscribe { subscription: subscribed.subscription });
        let bytes = encode(&Request { id: 1, body: Ask::Ping }).unwrap();
        raw.channel().try_send(&bytes, &[null.as_fd(); 100]).unwrap();
        assert_eq!(wait_for_error(&mut raw), ErrorCode::Malformed);
    }
    wait_for("descriptors to be closed", Duration::from_secs(10), || (broker.open_files() <= before + 4).then_some(()));
    assert_eq!(holds_left(), granted, "what was granted has come back");
    broker.must_be_idle();
    broker.end_clean();
}

fn wait_for_error(raw: &mut Raw) -> ErrorCode {
    wait_for("an error", Duration::from_secs(5), || match raw.hear() {
        Heard::Message(reply, _) => match reply.body {
            Tell::Error { code, .. } => Some(code),
            _ => None,
        },
        Heard::End => panic!("closed without a word"),
    })
}

/// Goal: a flood of connections that fail keeps nobody else out.
#[test]
fn a_flood_of_bad_connections_keeps_nobody_out() {
    let broker = Broker::start(SMALL);
    let flood: Vec<Raw> = (0..300)
        .map(|_| {
            let raw = broker.raw();
            raw.channel().send(b"x").unwrap();
            raw
        })
        .collect();
    let mut honest = broker.actor();
    honest.must("subscribe");
    assert!(honest.take() > 0);
    drop(flood);
    drop(honest);
    broker.must_be_idle();
    broker.end_clean();
}

/// Goal: another user is refused by name unless allowed, and may only be what it was allowed to be. Method: this process
/// changes into a user of its own for a connection each.
#[test]
fn other_users_need_to_be_allowed() {
    assert!(nix::unistd::geteuid().is_root(), "this test changes its user and so must run as root");
    const STRANGER: u32 = 31_007;
    let socket_of = |broker: &Broker| broker.socket().to_owned();
    let as_stranger = |broker: &Broker, roles: Roles| {
        let socket = socket_of(broker);
        open_directory(&socket);
        // Credentials of a connection are the thread's: the rest of the test stays root.
        std::thread::spawn(move || {
            become_user(STRANGER);
            let mut raw = Raw::connect(&socket);
            raw.send(hello(PROTOCOL_VERSION, roles));
            match raw.hear() {
                Heard::Message(reply, _) => reply.body,
                Heard::End => panic!("closed without a word"),
            }
        })
        .join()
        .unwrap()
    };
    let closed = Broker::start(&format!("{SMALL} --allow-uid 31008"));
    let beside = Beside::start(&closed);
    let answer = as_stranger(&closed, Roles::CONSUMER);
    assert!(
        matches!(&answer, Tell::Error { code: ErrorCode::Forbidden, text } if text.to_string().contains("--allow-uid 31007")),
        "{answer:?}"
    );
    let said = framectl_as(STRANGER, closed.socket());
    assert!(said.contains("--allow-uid 31007"), "{said}");
    beside.noticed_nothing();
    closed.end_clean();

    let open = Broker::start(&format!("{SMALL} --allow-uid 31007"));
    let answer = as_stranger(&open, Roles::CONSUMER);
    assert!(matches!(answer, Tell::Welcome { .. }), "{answer:?}");
    let said = framectl_as(STRANGER, open.socket());
    assert!(said.contains("cam0"), "{said}");
    for roles in [Roles::CONSUMER.with(Roles::CONTROL), Roles::PRODUCER] {
        let answer = as_stranger(&open, roles);
        assert!(matches!(answer, Tell::Error { code: ErrorCode::Forbidden, .. }), "{answer:?}");
    }
    open.end_clean();
    let trusting = Broker::start("--source producer --allow-uid 31007:producer");
    let answer = as_stranger(&trusting, Roles::PRODUCER);
    assert!(matches!(answer, Tell::Welcome { .. }), "{answer:?}");
    trusting.end_clean();
}

/// Goal: a group lets in everyone who is in it, for whom it is rarely the first. Method: a user's programs with and without it.
#[test]
fn a_group_lets_in_its_members() {
    assert!(nix::unistd::geteuid().is_root(), "this test changes its user and so must run as root");
    let broker = Broker::start(&format!("{SMALL} --allow-gid 31044"));
    open_directory(broker.socket());
    let list = |groups: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        framectl_by(command.args(groups).args(["--reuid=31009", "--regid=31009"]), broker.socket())
    };
    assert!(list(&["--groups=5,31044,6"]).contains("cam0"));
    let many: Vec<String> = (31_044..31_244).map(|group| group.to_string()).collect();
    assert!(list(&[&format!("--groups={}", many.join(","))]).contains("cam0"), "as many as a user may be in");
    for others in ["--clear-groups", "--groups=5,6,31045"] {
        let said = list(&[others]);
        assert!(said.contains("user 31009 may not use this broker"), "{said}");
    }
    broker.end_clean();
}

/// Goal: descriptors that come with a message are closed where only some of them can be opened, in the broker and in clients.
/// Method: both may hardly open files, and get many, again and again.
#[test]
fn descriptors_that_do_not_all_fit_are_closed() {
    let limited = |limit: u64, program: std::path::PathBuf| {
        let mut command = std::process::Command::new("prlimit");
        command.arg(format!("--nofile={limit}:{limit}")).arg(program);
        command
    };
    let broker = Broker::start_program(&mut limited(64, binaries::broker()), SMALL);
    let before = broker.open_files();
    let file = std::fs::File::open("/dev/null").unwrap();
    for _ in 0..5 {
        let mut raw = broker.raw();
        raw.hello();
        raw.channel().try_send(&[1], &[file.as_fd(); 250]).unwrap();
        assert_eq!(raw.error().0, ErrorCode::Malformed);
    }
    wait_for("the broker to close all", PATIENCE, || (broker.open_files() <= before).then_some(()));
    broker.end_clean();

    let broker = Broker::start("--segments 40 --fps 200 --width 64 --height 64");
    let mut actor = Actor::start_program(&mut limited(32, binaries::actor()), broker.socket());
    let mut open = Vec::new();
    for _ in 0..5 {
        let answer = actor.ask("subscribe max_held=2");
        assert!(answer.contains("ulimit -n"), "{answer}");
        open.push(std::fs::read_dir(format!("/proc/{}/fd", actor.pid())).unwrap().count());
    }
    assert_eq!(open.first(), open.last(), "{open:?}");
    broker.end_clean();
}

/// What `framectl list` says to another user.
fn framectl_as(uid: u32, socket: &std::path::Path) -> String {
    let mut command = std::process::Command::new("setpriv");
    framectl_by(command.args(["--clear-groups", &format!("--reuid={uid}"), &format!("--regid={uid}")]), socket)
}

/// What `framectl list` says where it is started by this command.
fn framectl_by(command: &mut std::process::Command, socket: &std::path::Path) -> String {
    // A copy: the build's own directory may be closed to others.
    let program = socket.with_file_name("framectl");
    if !program.exists() {
        std::fs::copy(binaries::framectl(), &program).unwrap();
    }
    let (_, said, errors) = run(command.arg(program).arg("--socket").arg(socket).args(["--server-uid=0", "list"]));
    format!("{said}{errors}")
}

/// Lets every user reach the socket: the scratch directory is the test's own.
fn open_directory(socket: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    let directory = socket.parent().unwrap();
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[expect(unsafe_code, reason = "setting the user of one thread has no safe interface")]
fn become_user(uid: u32) {
    // SAFETY: plain numbers; the raw call changes this thread only, unlike libc's function.
    let groups = unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) };
    // SAFETY: as above.
    let group = unsafe { libc::syscall(libc::SYS_setresgid, uid, uid, uid) };
    // SAFETY: as above.
    let user = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
    assert_eq!((groups, group, user), (0, 0, 0));
}
