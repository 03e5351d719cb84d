//! The C library as a user installs it, and C programs built against it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::broker::run;
use crate::{Scratch, binaries};

/// Where an installation goes by its own account; for tests it lies below another root.
const PREFIX: &str = "/opt/framebroker";

/// The C library, installed below a directory.
#[derive(Debug)]
pub struct CLibrary {
    root: PathBuf,
}

/// How a program is linked with the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linking {
    /// With libframebroker.so.
    Shared,
    /// With libframebroker.a.
    Static,
}

impl CLibrary {
    /// The library of this checkout, installed once for all tests of a program.
    #[must_use]
    pub fn of_the_tests() -> &'static Self {
        static INSTALLED: OnceLock<CLibrary> = OnceLock::new();
        INSTALLED.get_or_init(|| Self::install(binaries::target().join(binaries::profile()).join("c-library")))
    }

    /// Installs it below a directory: `make install`.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn install(root: PathBuf) -> Self {
        let library = Self { root };
        library.make("install");
        library
    }

    /// Removes it: `make uninstall`.
    ///
    /// # Panics
    /// When that fails.
    pub fn uninstall(&self) {
        self.make("uninstall");
    }

    fn make(&self, what: &str) {
        let profile = binaries::profile();
        must(
            Command::new("make")
                .args(["--silent", what])
                .arg("--directory")
                .arg(package())
                .arg(format!("PREFIX={PREFIX}"))
                .arg(format!("DESTDIR={}", self.root.display()))
                .arg(format!("PROFILE={}", if profile == "debug" { "dev" } else { &profile }))
                .arg(format!("CARGO={}", binaries::cargo().display()))
                .env("CARGO_TARGET_DIR", binaries::target()),
        );
    }

    /// The directory of the libraries.
    #[must_use]
    pub fn libraries(&self) -> PathBuf {
        self.installed("lib")
    }

    /// The directory of the header.
    #[must_use]
    pub fn headers(&self) -> PathBuf {
        self.installed("include")
    }

    fn installed(&self, name: &str) -> PathBuf {
        self.root.join(PREFIX.trim_start_matches('/')).join(name)
    }

    /// What pkg-config says of the library.
    ///
    /// # Panics
    /// When it does not know it.
    #[must_use]
    pub fn pkg_config(&self, options: &[&str]) -> Vec<String> {
        let mut command = Command::new("pkg-config");
        command.args(options).arg("framebroker");
        command.env("PKG_CONFIG_LIBDIR", self.libraries().join("pkgconfig")).env("PKG_CONFIG_SYSROOT_DIR", &self.root);
        let words = must(&mut command);
        words.split_whitespace().map(ToOwned::to_owned).collect()
    }

    /// Compiles a source (C11, or C++17 for `.cpp`) without a warning, and links it as pkg-config says.
    ///
    /// # Panics
    /// When that fails.
    pub fn compile(&self, source: &Path, linking: Linking, more: &[&str], program: &Path) {
        let is_cpp = source.extension().is_some_and(|extension| extension == "cpp");
        let mut command = Command::new(if is_cpp { "g++" } else { "gcc" });
        command.arg(if is_cpp { "-std=c++17" } else { "-std=c11" });
        command.args(["-D_GNU_SOURCE", "-pthread", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]);
        command.arg(source).arg("-o").arg(program);
        match linking {
            Linking::Shared => command.args(self.pkg_config(&["--cflags", "--libs"])),
            Linking::Static => {
                let words = self.pkg_config(&["--static", "--cflags", "--libs"]);
                // The linker takes a shared library where it finds both.
                let chosen = |word: String| if word == "-lframebroker" { "-l:libframebroker.a".into() } else { word };
                command.args(words.into_iter().map(chosen))
            }
        };
        must(command.args(more).args(sanitizing()));
    }

    /// Prepares a program that is linked with the shared library.
    #[must_use]
    pub fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.libraries());
        command
    }

    /// Prepares a program to run under valgrind: any misuse of memory and any leak is exit status 99. A program that looks
    /// for that itself, as `scripts/sanitizers.sh` builds it, runs as it is.
    #[must_use]
    pub fn valgrind(&self, program: &Path) -> Command {
        if !sanitizing().is_empty() {
            return self.program(program);
        }
        let mut command = self.program(Path::new("valgrind"));
        command.args(["--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible"]);
        command.arg("--error-exitcode=99").arg(program);
        command
    }
}

/// Builds a program of the tests (`tests/c`).
///
/// # Panics
/// When that fails.
#[must_use]
pub fn test_program(name: &str, scratch: &Scratch) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name);
    build(&source, &["-pedantic"], scratch)
}

/// Builds an example of the C library.
///
/// # Panics
/// When that fails.
#[must_use]
pub fn example(name: &str, more: &[&str], scratch: &Scratch) -> PathBuf {
    build(&package().join("examples").join(name), more, scratch)
}

/// Builds a program against the shared library, with these options.
///
/// # Panics
/// When that fails.
#[must_use]
pub fn build(source: &Path, more: &[&str], scratch: &Scratch) -> PathBuf {
    let program = scratch.file(source.file_stem().and_then(|stem| stem.to_str()).expect("the name of a source"));
    CLibrary::of_the_tests().compile(source, Linking::Shared, more, &program);
    program
}

/// Prepares a program that was built.
#[must_use]
pub fn program(program: &Path) -> Command {
    CLibrary::of_the_tests().program(program)
}

/// Prepares it to run under valgrind: see [`CLibrary::valgrind`].
#[must_use]
pub fn valgrind(program: &Path) -> Command {
    CLibrary::of_the_tests().valgrind(program)
}

/// Runs a program; returns what it printed.
///
/// # Panics
/// When it does not succeed.
pub fn succeed(command: &mut Command) -> String {
    let (status, output, errors) = run(command);
    assert!(status.success(), "{command:?}: {status}\n{output}\n{errors}");
    output
}

/// The folder of the C library.
#[must_use]
pub fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/c")
}

/// Runs a tool that must succeed; returns its standard output.
fn must(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; see scripts/setup.sh"));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {}\n{errors}", done.status);
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// What the compiler is told where the library was built with a sanitizer.
fn sanitizing() -> Vec<String> {
    let flags = std::env::var("CFLAGS").unwrap_or_default();
    flags.split_whitespace().filter(|flag| flag.starts_with("-fsanitize=")).map(ToOwned::to_owned).collect()
}
