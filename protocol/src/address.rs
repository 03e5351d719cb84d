//! Where a broker listens.

use std::path::{Path, PathBuf};

/// Names the socket for broker and clients.
pub const SOCKET_VARIABLE: &str = "FRAMEBROKER_SOCKET";
/// The socket of a broker that serves a whole machine.
pub const SYSTEM_SOCKET: &str = "/run/framebroker/broker.sock";

/// The paths at which a client looks for a broker, best first. An explicit one, given or in [`SOCKET_VARIABLE`], is the
/// only one.
#[must_use]
pub fn candidates(given: Option<&Path>) -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = given.map(Path::to_owned).or_else(|| variable(SOCKET_VARIABLE)) {
        return vec![path];
    }
    let runtime = variable("XDG_RUNTIME_DIR").map(|directory| directory.join("framebroker.sock"));
    let own = private_directory().join("broker.sock");
    runtime.into_iter().chain([PathBuf::from(SYSTEM_SOCKET), own]).collect()
}

/// The directory of a user's own broker where nothing better is set.
#[must_use]
pub fn private_directory() -> PathBuf {
    PathBuf::from(format!("/tmp/framebroker-{}", nix::unistd::geteuid()))
}
