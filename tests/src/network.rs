//! A network of its own with cameras in it: GigE Vision's control port is fixed, so cameras of other tests would be in the way.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::Process;
use crate::{PATIENCE, binaries};

/// Two loopback addresses that nobody else can see. Dropping it, also by the death of the test, ends the network when its last
/// process ends.
#[derive(Debug)]
pub struct Network(Process);

/// The simulated GigE Vision camera of Debian's package aravis-tools.
const CAMERA: &str = "arv-fake-gv-camera-0.8";

impl Default for Network {
    fn default() -> Self {
        let set_up = "ip link set lo up && ip addr add 127.0.0.2/8 dev lo && echo up && exec cat";
        let mut process = Process::start(Command::new("unshare").args(["--net", "sh", "-c", set_up]));
        let up = process.line(PATIENCE);
        assert_eq!(up.as_deref(), Some("up"), "a network namespace needs root, util-linux and iproute2");
        Self(process)
    }
}

impl Network {
    /// A command that runs inside, as the same process.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.0.pid())).arg("--").arg(program);
        command
    }

    /// The broker with the source aravis, inside.
    #[must_use]
    pub fn broker(&self) -> Command {
        self.command(binaries::camera_broker())
    }

    /// A camera with a serial number at an address.
    ///
    /// # Panics
    /// When it does not begin to listen.
    #[must_use]
    pub fn camera(&self, serial: &str, address: &str, options: &[&str]) -> Process {
        let mut command = self.command(CAMERA);
        let camera = Process::start(command.args(["-s", serial, "-i", address]).args(options).stderr(Stdio::null()));
        self.wait_for_camera(address);
        camera
    }

    /// The camera's control port (3956, hexadecimal 0F74) is bound in the namespace's table of UDP sockets.
    fn wait_for_camera(&self, address: &str) {
        let octets: Vec<u8> = address.split('.').map(|octet| octet.parse().expect("an IPv4 address")).collect();
        let entry: String = octets.iter().rev().map(|octet| format!("{octet:02X}")).collect::<String>() + ":0F74";
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let sockets = std::fs::read_to_string(format!("/proc/{}/net/udp", self.0.pid())).unwrap_or_default();
            if sockets.contains(&entry) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{CAMERA} does not listen at {address}; it is in Debian's package aravis-tools");
    }
}
