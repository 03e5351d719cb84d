//! What the programs beside the tests share that do what they are told on standard input: one command a line, one line of
//! answer each.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::os::fd::AsFd;
use std::str::FromStr;

use framebroker_protocol::UnknownWord;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Answers commands until nobody gives or reads any more.
pub fn answer_each(mut answer: impl FnMut(&str) -> String) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let answer = answer(&line);
        if writeln!(std::io::stdout(), "{answer}").is_err() {
            return;
        }
    }
}

/// Whether another command waits. The tests send one only when the last was answered, but for those that go on meanwhile.
#[must_use]
pub fn is_told_more() -> bool {
    let stdin = std::io::stdin();
    let mut waiting = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut waiting, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// The words `name=value` of a command.
#[derive(Debug)]
pub struct Options<'a>(HashMap<&'a str, &'a str>);

impl<'a> Options<'a> {
    /// Those among these words.
    #[must_use]
    pub fn of(words: &[&'a str]) -> Self {
        Self(words.iter().filter_map(|word| word.split_once('=')).collect())
    }
}

impl Options<'_> {
    /// A value, if it is given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).copied()
    }

    /// A value that has a word in the protocol.
    ///
    /// # Panics
    /// Where it is no such word.
    #[must_use]
    pub fn word<T: FromStr<Err = UnknownWord>>(&self, name: &str) -> Option<T> {
        self.get(name).map(|word| word.parse().expect("a word of the protocol"))
    }

    /// A value that is a number.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).map(|text| text.parse().expect("a number"))
    }
}
