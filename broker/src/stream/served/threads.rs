//! The threads of a stream, as the session thread has hold of them.

use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use framebroker_protocol::StreamName;
use tracing::warn;

use crate::stream::command::Command;
use crate::stream::device::DeviceThread;

/// The threads of a stream.
#[derive(Debug)]
pub(super) struct Threads {
    commands: Sender<Command>,
    grab: Option<JoinHandle<()>>,
    device: Option<DeviceThread>,
}

impl Threads {
    pub fn new(commands: Sender<Command>) -> Self {
        Self { commands, grab: None, device: None }
    }

    pub fn set_grab(&mut self, thread: JoinHandle<()>) {
        self.grab = Some(thread);
    }

    pub fn set_device(&mut self, thread: DeviceThread) {
        self.device = Some(thread);
    }

    pub fn device(&mut self) -> Option<&mut DeviceThread> {
        self.device.as_mut()
    }

    /// Asks the grab thread for something. Where it has ended, nothing is filled or refilled any more, the stream is closed next,
    /// and there is nothing left to be asked.
    pub fn tell_grab(&self, command: Command) {
        let _ended = self.commands.send(command);
    }

    /// Has the page say that the stream has ended, and waits for both.
    pub fn close(&mut self, stream: &StreamName) {
        self.tell_grab(Command::Close);
        if let Some(thread) = self.grab.take()
            && thread.join().is_err()
        {
            warn!(%stream, "the grab thread panicked; please report this");
        }
        if let Some(device) = self.device.take() {
            device.end();
        }
        // Readers that wait have been woken; they see the state before their sockets close.
        std::thread::yield_now();
    }
}
