//! What can go wrong with shared memory.

use std::path::PathBuf;

use nix::errno::Errno;

/// A shared-memory object could not be made, sealed, mapped or filled with pages.
#[derive(Debug, thiserror::Error)]
pub enum ShmError {
    /// No object.
    #[error("cannot create a shared-memory object of {bytes} bytes: {source}{}", hint(*.source))]
    Create {
        /// Its size.
        bytes: usize,
        /// The kernel's error.
        source: Errno,
    },
    /// Not sealed.
    #[error("cannot seal shared memory: {source}; memfd seals need Linux 5.14 or newer")]
    Seal {
        /// The kernel's error.
        source: Errno,
    },
    /// Some route to write the object is still open.
    #[error("shared memory is not sealed as it must be (seals {found:#x}, needed {needed:#x})")]
    Unsealed {
        /// Seals found.
        found: i32,
        /// Seals needed.
        needed: i32,
    },
    /// Not mapped.
    #[error("cannot map {bytes} bytes of shared memory: {source}")]
    Map {
        /// Its size.
        bytes: usize,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The object is smaller than the mapping asked for.
    #[error("a shared-memory object has {found} bytes, {needed} are needed; broker and client disagree")]
    Short {
        /// Its size.
        found: u64,
        /// The size needed.
        needed: usize,
    },
    /// What a broker named cannot be opened.
    #[error("cannot open the shared memory {}: {source}; broker and client must see one /dev/shm and be one user", path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// No memory behind the mapping.
    #[error("cannot fill {bytes} bytes of shared memory with pages: {}{}", populate_cause(.source), populate_hint(.source))]
    Populate {
        /// Bytes of the mapping.
        bytes: usize,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The page is of another layout.
    #[error(transparent)]
    Layout(#[from] crate::LayoutError),
}

fn hint(errno: Errno) -> &'static str {
    match errno {
        Errno::EMFILE | Errno::ENFILE => "; raise the limit on open files (ulimit -n)",
        Errno::ENOMEM | Errno::ENOSPC => "; use fewer or smaller segments, or free memory",
        _ => "",
    }
}

/// The kernel says "bad address" of a file system that is full.
fn populate_cause(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EFAULT) => "there is no room left (a full /dev/shm, or a memory limit)".to_owned(),
        _ => error.to_string(),
    }
}

fn populate_hint(error: &std::io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EINVAL) => "; MADV_POPULATE needs Linux 5.14 or newer",
        Some(libc::ENOMEM | libc::EFAULT) => "; use fewer or smaller segments, or free memory",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_system_is_named() {
        let error = ShmError::Populate { bytes: 4096, source: std::io::Error::from_raw_os_error(libc::EFAULT) };
        let text = error.to_string();
        assert!(
            text.contains("a full /dev/shm") && text.contains("use fewer") && !text.contains("ad address"),
            "{text}"
        );
    }
}
