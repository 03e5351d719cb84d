//! A broker process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use framebroker_client as client;
use framebroker_client::stats::{ClientStats, StreamStats, SubscriptionStats};
use nix::sys::signal::Signal;

use crate::process::Process;
use crate::{Actor, PATIENCE, Raw, Scratch, binaries, wait_for};

/// A broker on a socket of its own. Dropping it kills it.
#[derive(Debug)]
pub struct Broker {
    process: Process,
    socket: PathBuf,
    ready: String,
    scratch: Scratch,
}

impl Broker {
    /// Starts `broker` with these words and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready; shows what it says.
    #[must_use]
    pub fn start(words: &str) -> Self {
        Self::start_program(&mut Command::new(binaries::broker()), words)
    }

    /// As [`Self::start`], for another program or with another environment.
    ///
    /// # Panics
    /// When it does not get ready; shows what it says.
    pub fn start_program(command: &mut Command, words: &str) -> Self {
        let scratch = Scratch::default();
        let socket = scratch.file("s");
        Self::start_at(command, words, socket, scratch)
    }

    /// The same again on the same socket, after the first is gone.
    ///
    /// # Panics
    /// When it does not get ready; shows what it says.
    #[must_use]
    pub fn start_again(self, words: &str) -> Self {
        self.start_program_again(&mut Command::new(binaries::broker()), words)
    }

    /// As [`Self::start_again`], for another program or with another environment.
    ///
    /// # Panics
    /// When it does not get ready; shows what it says.
    #[must_use]
    pub fn start_program_again(mut self, command: &mut Command, words: &str) -> Self {
        self.process.kill();
        let Self { socket, scratch, .. } = self;
        Self::start_at(command, words, socket, scratch)
    }

    fn start_at(command: &mut Command, words: &str, socket: PathBuf, scratch: Scratch) -> Self {
        let log = scratch.file("log");
        let stderr = File::create(&log).expect("a log file");
        command.arg("--socket").arg(&socket).args(words.split_whitespace()).stderr(stderr);
        let mut process = Process::start(command);
        let ready = process.line(PATIENCE);
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let ready = ready.unwrap_or_else(|| panic!("broker {words}: not ready: {}", said()));
        assert!(ready.starts_with("ready "), "{ready}");
        Self { process, socket, ready, scratch }
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its ready line.
    #[must_use]
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// The next line it prints, as those that follow the ready line of a broker with several streams.
    ///
    /// # Panics
    /// When there is none.
    pub fn line(&mut self) -> String {
        self.process.line(PATIENCE).expect("another line")
    }

    /// Its process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.file("log")).unwrap_or_default()
    }

    /// Waits until it has logged these words, which a thread of its own writes: what is logged may be seen later than what comes
    /// after it.
    ///
    /// # Panics
    /// When it does not; shows what it has logged.
    pub fn must_log(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "not logged: {words}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Connects to it.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn connect(&self) -> client::Broker {
        client::Broker::builder().socket(&self.socket).name("test").connect().expect("a connection to the broker")
    }

    /// Figures of a stream.
    ///
    /// # Panics
    /// When there is no such stream.
    #[must_use]
    pub fn stats_of(&self, name: &str) -> StreamStats {
        let streams = self.connect().stats().expect("statistics");
        streams.into_iter().find(|stream| stream.name.as_str() == name).expect("a stream of this name")
    }

    /// Figures of its only stream.
    ///
    /// # Panics
    /// When it does not tell.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        let streams = self.connect().stats().expect("statistics");
        streams.into_iter().next().expect("one stream")
    }

    /// Figures of the client in a process, once it is there.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn client(&self, pid: u32) -> Option<ClientStats> {
        let clients = self.connect().clients().expect("statistics");
        clients.into_iter().find(|client| client.pid == pid && !client.subscriptions.is_empty())
    }

    /// Figures of the only subscription of a process.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn subscription(&self, pid: u32) -> SubscriptionStats {
        let client = self.client(pid).unwrap_or_else(|| panic!("process {pid} has no subscription"));
        client.subscriptions.into_iter().next().expect("a subscription")
    }

    /// Waits until a process has no session any more.
    ///
    /// # Panics
    /// When it still has one after `time`.
    pub fn wait_until_gone(&self, pid: u32, time: Duration) {
        let broker = self.connect();
        wait_for("the end of a session", time, || {
            let clients = broker.clients().expect("statistics");
            clients.iter().all(|client| client.pid != pid).then_some(())
        });
    }

    /// Starts a scripted consumer.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::start(&self.socket)
    }

    /// Starts a scripted producer.
    #[must_use]
    pub fn producer(&self) -> Actor {
        Actor::start_producer(&self.socket)
    }

    /// Connects without the client library.
    #[must_use]
    pub fn raw(&self) -> Raw {
        Raw::connect(&self.socket)
    }

    /// Descriptors it has open.
    ///
    /// # Panics
    /// When it is gone.
    #[must_use]
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the broker's descriptors").count()
    }

    /// Checks that its session thread sleeps when nobody wants anything: that it is on a processor for less than a quarter
    /// of a second.
    ///
    /// # Panics
    /// When it does not.
    pub fn must_be_idle(&self) {
        let time = || {
            let schedule =
                std::fs::read_to_string(format!("/proc/{0}/task/{0}/schedstat", self.pid())).expect("its times");
            schedule.split(' ').next().and_then(|text| text.parse::<u64>().ok()).expect("nanoseconds")
        };
        let before = time();
        std::thread::sleep(Duration::from_secs(1));
        let busy = Duration::from_nanos(time() - before);
        assert!(busy < Duration::from_millis(250), "the session thread was busy for {busy:?} of a second");
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits for its end; returns its status and what it printed after the ready line.
    ///
    /// # Panics
    /// When it does not end.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let said = self.process.rest(PATIENCE).join("\n");
        (self.process.ended(PATIENCE), said)
    }

    /// Ends it in order; returns its status and what it printed after the ready line.
    pub fn end(&mut self) -> (ExitStatus, String) {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Ends it, in order but for the drivers of these streams, which may be waited for longer than it does: libaravis tries
    /// for longer to reach a camera that is gone.
    ///
    /// # Panics
    /// When something else was wrong on its side.
    pub fn end_without(mut self, silent: &[&str]) {
        let (status, said) = self.end();
        let log = self.log();
        let given_up =
            log.lines().find_map(|line| line.split_once("the driver of ")?.1.split_once(" had not returned"));
        let given_up: Vec<&str> = given_up.map_or_else(Vec::new, |(streams, _)| streams.split(", ").collect());
        assert_eq!(status.success(), given_up.is_empty(), "{status}: {said}\n{log}");
        assert!(given_up.iter().all(|stream| silent.contains(stream)) && !log.contains("panicked"), "{log}");
    }

    /// Ends it in order and checks that nothing was wrong on its side: no error in the log, no leak.
    ///
    /// # Panics
    /// When something was.
    pub fn end_clean(mut self) -> String {
        let (status, said) = self.end();
        assert!(status.success(), "{status}: {said}\n{}", self.log());
        assert!(!said.contains("WARNING"), "{said}");
        assert!(!self.log().contains("panicked"), "{}", self.log());
        said
    }
}

/// Runs `broker` with these words until it ends by itself; returns its status, standard output and standard error.
///
/// # Panics
/// When it cannot be started or does not end.
#[must_use]
pub fn run_broker(words: &str) -> (ExitStatus, String, String) {
    run(Command::new(binaries::broker()).args(words.split_whitespace()))
}

/// Runs a program until it ends by itself; returns its status, standard output and standard error.
///
/// # Panics
/// When it cannot be started or does not end.
pub fn run(command: &mut Command) -> (ExitStatus, String, String) {
    let scratch = Scratch::default();
    let errors = scratch.file("stderr");
    let mut process = Process::start(command.stderr(Stdio::from(File::create(&errors).expect("a file"))));
    let output = process.rest(PATIENCE).join("\n");
    (process.ended(PATIENCE), output, std::fs::read_to_string(&errors).expect("what the program said"))
}
