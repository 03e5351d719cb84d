//! Segments in named objects under `/dev/shm`, for languages that cannot receive descriptors: the weak mode.
//!
//! Whoever may open the file may write it, so that nothing protects a frame but mode 0600. An object is in use while its
//! broker has it locked (`flock`): the kernel takes the lock away whatever way the broker ends. What nobody locks is the
//! leftover of a dead broker and is removed by the next that starts.

use std::fs::{File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use framebroker_protocol::shm::SharedObject;
use framebroker_protocol::{BrokerId, StreamName};
use nix::fcntl::{Flock, FlockArg};
use shared_memory::{Shmem, ShmemConf, ShmemError};

use super::{BufferFactory, FactoryError, Memory, Registry, Request, Sharing};

/// Where named objects lie on Linux.
const DIRECTORY: &str = "/dev/shm";
const PREFIX: &str = "framebroker-";
/// How often an object is made anew that was taken for a leftover before it was locked.
const ATTEMPTS: usize = 8;

/// Named objects, `framebroker-BROKER-STREAM-BACKING-SEGMENT`.
#[derive(Debug)]
pub struct Posix {
    registry: Registry,
    broker: BrokerId,
    stream: StreamName,
}

/// A named object of this process: its name goes with this value.
struct Named {
    // Unlinked before it is unlocked: nobody ever sees it unlocked.
    _object: Object,
    _lock: Flock<File>,
}

struct Object(#[expect(dead_code, reason = "kept for what its drop does")] Shmem);

// SAFETY: `Shmem` is bound to a thread only by its raw pointer to the mapping it made, which nothing here ever follows.
// What is left is its drop (munmap, shm_unlink, close), which any thread may do.
#[expect(unsafe_code, reason = "see the line above")]
unsafe impl Send for Object {}
// SAFETY: as above; the field is never read.
#[expect(unsafe_code, reason = "see the line above")]
unsafe impl Sync for Object {}

impl Posix {
    /// A factory with this registry, for a stream of a broker.
    #[must_use]
    pub fn new(registry: Registry, broker: BrokerId, stream: StreamName) -> Self {
        Self { registry, broker, stream }
    }
}

impl BufferFactory for Posix {
    fn name(&self) -> &'static str {
        "posix"
    }

    fn sharing(&self) -> Sharing {
        Sharing::Named
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn create(&self, request: &Request) -> Result<Memory, FactoryError> {
        let Self { broker, stream, .. } = self;
        let name = format!("{PREFIX}{:016x}-{stream}-{}-{}", broker.0, request.backing.0, request.index);
        let path = Path::new(DIRECTORY).join(&name);
        let failed = |reason: String| FactoryError::Named { path: path.clone(), reason };
        for _ in 0..ATTEMPTS {
            let object = ShmemConf::new().os_id(&name).size(request.bytes).create();
            let object = Object(object.map_err(|error| failed(advice(&error)))?);
            let file = match open(&path, true) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error.to_string())),
            };
            file.set_permissions(Permissions::from_mode(0o600)).map_err(|error| failed(error.to_string()))?;
            // Waits for a broker that takes it for a leftover to remove it.
            let lock = Flock::lock(file, FlockArg::LockShared).map_err(|(_, errno)| failed(errno.to_string()))?;
            let found = lock.metadata().map_err(|error| failed(error.to_string()))?;
            if found.nlink() == 0 {
                continue;
            }
            let fd: OwnedFd = lock.try_clone().map_err(|error| failed(error.to_string()))?.into();
            let unsealed = SharedObject::unsealed(fd, request.bytes)?;
            return Memory::named(&path, &unsealed, request.align, Named { _object: object, _lock: lock });
        }
        Err(failed("something removes it again and again".to_owned()))
    }
}

fn advice(error: &ShmemError) -> String {
    let hint = match error {
        ShmemError::MappingIdExists => "; another program uses the names of framebroker",
        ShmemError::UnknownOsError(_) | ShmemError::MapCreateFailed(_) => {
            "; is /dev/shm mounted, large enough and writable (a container's --shm-size)?"
        }
        _ => "",
    };
    format!("{error}{hint}")
}

fn open(path: &Path, write: bool) -> std::io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new().read(true).write(write).custom_flags(flags).open(path)
}

/// Removes the named objects that brokers of this user left behind when they were killed; returns their names. Those of a
/// living broker stay.
#[must_use]
pub fn remove_leftovers() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(DIRECTORY) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| is_ours(name) && remove_if_left(&Path::new(DIRECTORY).join(name))).collect()
}

/// Whether a name has the form that [`Posix`] gives.
fn is_ours(name: &str) -> bool {
    let parts = || {
        let (broker, rest) = name.strip_prefix(PREFIX)?.split_once('-')?;
        let (rest, segment) = rest.rsplit_once('-')?;
        let (stream, backing) = rest.rsplit_once('-')?;
        Some((broker, stream, backing, segment))
    };
    parts().is_some_and(|(broker, stream, backing, segment)| {
        broker.len() == 16
            && u64::from_str_radix(broker, 16).is_ok()
            && stream.parse::<StreamName>().is_ok()
            && backing.parse::<u32>().is_ok()
            && segment.parse::<u16>().is_ok()
    })
}

/// True if it was a leftover and is gone.
fn remove_if_left(path: &Path) -> bool {
    let Ok(file) = open(path, false) else { return false };
    let own = file.metadata().is_ok_and(|found| found.is_file() && found.uid() == nix::unistd::geteuid().as_raw());
    // Exclusive: not while its broker lives, nor while one is just making it and has locked it already.
    own && Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok_and(|_lock| std::fs::remove_file(path).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_form_are_ours() {
        assert!(is_ours("framebroker-0123456789abcdef-cam0-1-7"));
        assert!(is_ours("framebroker-0123456789abcdef-a-b-c-12-1023"));
        for other in [
            "framebroker-0123456789abcdef-cam0-1",
            "framebroker-0123456789abcde-cam0-1-7",
            "framebroker-0123456789abcdefg-cam0-1-7",
            "framebroker-0123456789abcdef--1-7",
            "framebroker-0123456789abcdef-cam0-x-7",
            "framebroker-notes",
            "psm_1234",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
