//! The strategy: a segment is a file in a directory, mapped and written like any other memory.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use framebroker::factory::{BufferFactory, FactoryError, Memory, Registry, Request, Sharing};
use framebroker_protocol::StreamName;
use framebroker_protocol::shm::SharedObject;

/// Segments in files: as large as the disk, and what was seen last can be looked at with any tool.
#[derive(Debug)]
pub struct Files {
    registry: Registry,
    directory: PathBuf,
    stream: StreamName,
}

impl Files {
    /// A factory with this registry that makes a stream's files in this directory, an absolute path.
    pub fn new(registry: Registry, directory: PathBuf, stream: StreamName) -> Self {
        Self { registry, directory, stream }
    }
}

/// Removes its file when the segment goes.
struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        // Whoever removed it before did this one's work.
        let _gone = std::fs::remove_file(&self.0);
    }
}

impl BufferFactory for Files {
    fn name(&self) -> &str {
        "file"
    }

    fn sharing(&self) -> Sharing {
        // A file cannot be sealed, so consumers get its path.
        Sharing::Named
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn create(&self, request: &Request) -> Result<Memory, FactoryError> {
        let (context, backing) = (request.index.buffer_context(), request.backing.0);
        let path = self.directory.join(format!("{}-segment-{context}-{backing}", self.stream));
        let failed = |error: std::io::Error| FactoryError::Named { path: path.clone(), reason: error.to_string() };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        let remove = Remove(path.clone());
        file.set_len(request.bytes as u64).map_err(failed)?;
        let object = SharedObject::unsealed(file.into(), request.bytes)?;
        Memory::named(&path, &object, request.align, remove)
    }
}
