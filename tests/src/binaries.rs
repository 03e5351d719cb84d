//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The broker of the default build.
#[must_use]
pub fn broker() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("framebroker", &[], target()).join("broker")).clone()
}

/// The broker with the sources aravis and pylon, the latter against the stand-in for its SDK, in a target directory of its own
/// beside the default build's.
///
/// # Panics
/// When the stand-in cannot be built.
#[must_use]
pub fn camera_broker() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let root = target().join("pylon-sdk");
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pylon-sdk/build.sh");
            let built = Command::new(script).arg(&root).status().expect("the script can be started");
            assert!(built.success(), "the stand-in cannot be built");
            let options = ["--bins", "--features", "aravis,pylon"];
            build_in("framebroker", &options, &target().join("cameras"), &[("PYLON_ROOT", &root)]).join("broker")
        })
        .clone()
}

/// The command line tool.
#[must_use]
pub fn framectl() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("framectl", &[], target()).join("framectl")).clone()
}

/// The scripted consumer of these tests.
#[must_use]
pub fn actor() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("framebroker-tests", &[], target()).join("actor")).clone()
}

/// The scripted producer of these tests.
#[must_use]
pub fn producer() -> PathBuf {
    actor().with_file_name("producer")
}

/// A broker that never frees one of its segments.
#[must_use]
pub fn leaky_broker() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("framebroker-tests", &[], target()).join("leaky_broker")).clone()
}

/// An example of the broker's package.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    build_with("framebroker", &["--example", name], target()).join("examples").join(name)
}

/// Builds what is not up to date of a package, with the profile of this test; returns the directory of its programs.
fn build(package: &str, options: &[&str], target: &Path) -> PathBuf {
    build_with(package, &[&["--bins"], options].concat(), target)
}

fn build_with(package: &str, options: &[&str], target: &Path) -> PathBuf {
    build_in(package, options, target, &[])
}

fn build_in(package: &str, options: &[&str], target: &Path, environment: &[(&str, &Path)]) -> PathBuf {
    let release: &[&str] = if profile() == "release" { &["--release"] } else { &[] };
    let built = Command::new(cargo())
        .args(["build", "--quiet", "--package", package])
        .args(options)
        .args(release)
        .env("CARGO_TARGET_DIR", target)
        .envs(environment.iter().copied())
        .status()
        .expect("cargo can be started");
    assert!(built.success(), "{package} cannot be built");
    target.join(profile())
}

/// The cargo that runs this test.
#[must_use]
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// The target directory.
#[must_use]
pub fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| built().parent().expect("a target directory").to_owned())
}

/// The name of this program's profile: `debug` or `release`.
///
/// # Panics
/// When this program lies where cargo builds none.
#[must_use]
pub fn profile() -> String {
    built().file_name().expect("the directory of a profile").to_string_lossy().into_owned()
}

/// Where this program was built: a program is `TARGET/PROFILE/program`, a test `TARGET/PROFILE/deps/test`.
fn built() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this program");
    let directory = this.parent().expect("a program lies in a directory");
    let is_test = directory.file_name().is_some_and(|name| name == "deps");
    if is_test { directory.parent().expect("deps lies in a profile's directory") } else { directory }.to_owned()
}
