//! `broker` with a fault: its buffer factory keeps one segment for ever. So it can be seen that a leak is found.

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use framebroker::config::{Config, StreamOptions};
use framebroker::factory::{
    BufferFactory, FactoryError, Memfd, Memory, Registry, Request, Segment, Sharing, WritableSegment,
};
use framebroker::run::{prepare_process, run_with};
use framebroker_protocol::{Backing, SegmentIndex};

/// Keeps the third segment.
const KEPT: usize = 2;

#[derive(Debug)]
struct Leaky {
    sound: Memfd,
    kept: Mutex<Vec<Arc<Segment>>>,
}

impl BufferFactory for Leaky {
    fn name(&self) -> &str {
        "leaky"
    }

    fn sharing(&self) -> Sharing {
        self.sound.sharing()
    }

    fn registry(&self) -> &Registry {
        self.sound.registry()
    }

    fn create(&self, request: &Request) -> Result<Memory, FactoryError> {
        self.sound.create(request)
    }

    fn allocate_at(
        &self,
        index: SegmentIndex,
        backing: Backing,
        bytes: usize,
    ) -> Result<(Arc<Segment>, WritableSegment), FactoryError> {
        let allocated = self.sound.allocate_at(index, backing, bytes)?;
        if index.as_usize() == KEPT
            && let Ok(mut kept) = self.kept.lock()
        {
            kept.push(Arc::clone(&allocated.0));
        }
        Ok(allocated)
    }
}

fn main() -> ExitCode {
    let leaky = |_: &StreamOptions, _, placement| {
        Arc::new(Leaky { sound: Memfd::new(Registry::new(placement)), kept: Mutex::default() })
            as Arc<dyn BufferFactory>
    };
    let ended = prepare_process().and_then(|()| run_with(&Config::parse(), leaky));
    match ended {
        Ok(report) => {
            print!("{report}");
            report.exit_code()
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
