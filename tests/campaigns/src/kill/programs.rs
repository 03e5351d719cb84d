//! The programs that are killed, built with stop points, in a target directory of their own beside the default build's.

use std::path::{Path, PathBuf};
use std::process::Command;

use framebroker_tests::binaries;

/// The programs.
#[derive(Debug)]
pub struct Programs {
    /// The directory of the build.
    built: PathBuf,
}

impl Programs {
    pub fn build() -> Self {
        let target = binaries::target().join("stop-points");
        let packages =
            ["framebroker", "framebroker-tests", "framebroker-c", "framebroker-python", "framebroker-protocol"];
        let mut cargo = Command::new(binaries::cargo());
        cargo.args([
            "build",
            "--quiet",
            "--locked",
            "--lib",
            "--bins",
            "--features",
            "framebroker-protocol/stop-points",
        ]);
        for package in packages {
            cargo.args(["--package", package]);
        }
        // The package is imported by an interpreter, and linked with none.
        must(cargo.env("CARGO_TARGET_DIR", &target).env("PYO3_BUILD_EXTENSION_MODULE", "1"));
        let programs = Self { built: target.join("debug") };
        programs.compile("reader");
        programs.compile("producer");
        programs.install_python();
        programs
    }

    /// The broker.
    pub fn broker(&self) -> Command {
        Command::new(self.built.join("broker"))
    }

    /// The scripted consumer.
    pub fn actor(&self) -> Command {
        Command::new(self.built.join("actor"))
    }

    /// The scripted producer.
    pub fn producer(&self) -> Command {
        Command::new(self.built.join("producer"))
    }

    /// A victim in C: `reader` or `producer`.
    pub fn of_c(&self, name: &str) -> Command {
        Command::new(self.built.join(format!("{name}-c")))
    }

    /// A victim in Python.
    pub fn of_python(&self, name: &str) -> Command {
        let mut python = Command::new("python3");
        python.arg("-B").arg(victim(&format!("{name}.py"))).env("PYTHONPATH", self.python());
        python
    }

    fn python(&self) -> PathBuf {
        self.built.join("python-package")
    }

    /// With the static library: the shared one would be looked for where it is installed.
    fn compile(&self, name: &str) {
        let [headers, checks] = ["client/c/include", "tests/tests/c"].map(|folder| root().join(folder));
        let mut gcc = Command::new("gcc");
        gcc.args(["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]);
        gcc.arg("-I").arg(headers).arg("-I").arg(checks).arg(victim(&format!("{name}.c")));
        gcc.arg(self.built.join("libframebroker_c.a")).args(["-lgcc_s", "-lm", "-ldl"]);
        replace(&self.built.join(format!("{name}-c")), |program| must(gcc.arg("-o").arg(program)));
    }

    fn install_python(&self) {
        let folder = self.python();
        let sources = root().join("client/python/python/framebroker");
        must(Command::new("mkdir").arg("--parents").arg(&folder));
        must(Command::new("cp").arg("--recursive").arg("--update").arg(sources).arg(&folder));
        let module = folder.join("framebroker/_framebroker.abi3.so");
        let library = self.built.join("lib_framebroker.so");
        replace(&module, |module| must(Command::new("cp").arg(library).arg(module)));
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn victim(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kill/victims").join(name)
}

/// Has a file made, and puts it into its place at once: another campaign may be using the one that is there.
fn replace(place: &Path, make: impl FnOnce(&Path)) {
    let made = place.with_extension(std::process::id().to_string());
    make(&made);
    std::fs::rename(&made, place).unwrap_or_else(|error| panic!("cannot rename {}: {error}", made.display()));
}

fn must(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}; see scripts/setup.sh"));
    assert!(status.success(), "{command:?}: {status}");
}
