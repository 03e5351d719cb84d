//! Cameras of the stand-in for the pylon SDK: each is a file, which a test writes, changes and removes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{Scratch, binaries};

/// The cameras that are plugged in.
#[derive(Debug, Default)]
pub struct Cameras(Scratch);

/// A buffer that the SDK took from the factory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// What the factory called it.
    pub context: u64,
    /// Where it lies in the broker.
    pub address: usize,
    /// Its size.
    pub bytes: usize,
}

impl Cameras {
    /// Plugs in a camera, or another one of that serial number: lines of `key=value`.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn plug(&self, serial: &str, settings: &str) {
        // Another file under its name, at once: a camera that changes its mind was away.
        let new = self.0.file(&format!("{serial}.new"));
        fs::write(&new, settings.replace(' ', "\n") + "\n").expect("a camera's file");
        fs::rename(new, self.file(serial)).expect("a camera's file");
    }

    /// Writes other settings for a camera that stays plugged in: the stand-in looks at some of them while it runs.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn tell(&self, serial: &str, settings: &str) {
        fs::write(self.file(serial), settings.replace(' ', "\n") + "\n").expect("a camera's file");
    }

    /// Unplugs a camera.
    ///
    /// # Panics
    /// When it is not there.
    pub fn unplug(&self, serial: &str) {
        fs::remove_file(self.file(serial)).expect("a camera's file");
    }

    /// The broker with the source pylon, which sees these cameras.
    #[must_use]
    pub fn broker(&self) -> Command {
        let mut command = Command::new(binaries::camera_broker());
        self.show(&mut command);
        command
    }

    /// Lets another command see these cameras.
    pub fn show(&self, command: &mut Command) {
        command.env("PYLON_STANDIN", self.0.path());
    }

    /// A path beside the cameras.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.file(name)
    }

    /// What the SDK has noted of a camera.
    #[must_use]
    pub fn notes(&self, serial: &str) -> Vec<String> {
        let notes = fs::read_to_string(self.0.file(&format!("{serial}.log"))).unwrap_or_default();
        notes.lines().map(str::to_owned).collect()
    }

    /// The buffers that the SDK has taken (`allocate`) or given back (`free`), in their order.
    ///
    /// # Panics
    /// When a note cannot be read.
    #[must_use]
    pub fn buffers(&self, serial: &str, what: &str) -> Vec<Buffer> {
        self.notes(serial).iter().filter(|note| note.starts_with(what)).map(|note| buffer(note)).collect()
    }

    /// Checks that the SDK has given back every buffer that it took for a camera.
    ///
    /// # Panics
    /// When it has not.
    pub fn must_have_given_back(&self, serial: &str) {
        let (taken, given) = (self.buffers(serial, "allocate"), self.buffers(serial, "free"));
        assert!(!taken.is_empty() && taken.len() == given.len(), "{:?}", self.notes(serial));
        assert!(given.iter().all(|buffer| taken.contains(buffer)), "{:?}", self.notes(serial));
    }

    fn file(&self, serial: &str) -> PathBuf {
        self.0.file(&format!("{serial}.cam"))
    }
}

fn buffer(note: &str) -> Buffer {
    let value = |name: &str| {
        let word = note.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        word.unwrap_or_else(|| panic!("no {name} in {note:?}"))
    };
    let address = value("address").trim_start_matches("0x");
    Buffer {
        context: value("context").parse().expect("a number"),
        address: usize::from_str_radix(address, 16).expect("an address"),
        bytes: value("bytes").parse().expect("a number"),
    }
}
