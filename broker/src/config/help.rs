//! Help: what `--help` says besides the options, the manual page and completions for shells.

use std::path::PathBuf;

use clap::{Arg, Args, Command};
use clap_complete::Shell;

use super::ConfigError;

/// Behind the options.
pub(super) const AFTER: &str = "\
Examples:
  broker --segments 8                           test pattern, as stream cam0
  broker --source aravis --list                 GigE Vision and USB3 Vision cameras
  broker --source aravis=GV01 --set Gain=2      one of them
  broker --source replay=images/ --replay-loop  recorded images
  broker --config cameras.toml                  several cameras

Standard output: a line \"ready socket=PATH …\" when programs can connect, and the buffers' statistics at the end. All else is \
logged on standard error. A service manager is told when it is ready (systemd: Type=notify).

Signals: SIGINT and SIGTERM end the broker in order. A driver that does not return is waited for 5 s, or until one more signal \
comes, a second later.

Exit status: 0 if it ended as asked (by a signal, --frames, the end of a replay) and every buffer was freed; 1 if something \
failed or a buffer was not freed; 2 if an option or the file of --config is wrong.

Environment:
  FRAMEBROKER_SOCKET  the socket, unless --socket names it
  RUST_LOG            what is logged: error, warn, info, debug or trace [default: info]
  PYLON_CAMEMU        with pylon, how many cameras it emulates";

/// Lets a value begin with a minus sign: what is said of it is then what would do, not that `-1` is no option.
pub(super) fn take_negative(option: Arg) -> Arg {
    if option.get_action().takes_values() { option.allow_negative_numbers(true) } else { option }
}

/// Help that the command line can ask for, in place of a broker.
#[derive(Debug, Clone, Args)]
pub(super) struct HelpOptions {
    /// Print the completion script for this shell, and end
    #[arg(long, value_name = "SHELL", exclusive = true)]
    completions: Option<Shell>,
    /// Write the manual page broker.1 into this directory, and end
    #[arg(long, value_name = "DIRECTORY", exclusive = true)]
    manual: Option<PathBuf>,
}

impl HelpOptions {
    /// The help that was asked for, if any was.
    pub(super) fn answer(self, mut command: Command) -> Option<ConfigError> {
        if let Some(shell) = self.completions {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "broker", &mut script);
            return Some(ConfigError::Answer(String::from_utf8_lossy(&script).into_owned()));
        }
        let directory = self.manual?;
        Some(match clap_mangen::generate_to(command, &directory) {
            Ok(()) => ConfigError::Answer(format!("{}\n", directory.join("broker.1").display())),
            Err(source) => ConfigError::Manual { directory, source },
        })
    }
}
