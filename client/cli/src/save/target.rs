//! Files that are there as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::image::{self, Image};

/// Temporary names tried: another file can only have one if an earlier process of the same number was killed.
const TEMPORARY_NAMES: u32 = 64;

/// Where frames go.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    is_numbered: bool,
}

impl Target {
    /// Checks, before any frame is taken, what can be checked.
    pub fn new(path: &Path, count: u64) -> Result<Self, Failure> {
        let refuse = |reason| Err(Failure::Target { path: path.to_owned(), reason });
        if path.file_name().is_none() || path.is_dir() {
            return refuse("that is a directory; name a file in it, such as frame.png");
        }
        let is_numbered = count > 1;
        // To replace a device by a file is never what is wanted, and root could.
        if !is_numbered && fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return refuse("what is there is no file; choose another name");
        }
        if path == Path::new("-") {
            return refuse("images do not go to standard output; give a file name, such as frame.png");
        }
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
            return refuse("images are PNG files; give a name that ends in .png, such as frame.png");
        }
        if !folder(path).is_dir() {
            return refuse("there is no such directory; create it first");
        }
        Ok(Self { path: path.to_owned(), is_numbered })
    }

    /// The file of a frame.
    pub fn path(&self, sequence: u64) -> PathBuf {
        if !self.is_numbered {
            return self.path.clone();
        }
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{sequence:06}"));
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        self.path.with_file_name(name)
    }
}

/// Writes an image under another name and moves it into place once it is complete.
pub fn write(path: &Path, image: &Image) -> Result<(), Failure> {
    write_to_temporary(path, image)
        .and_then(|temporary| temporary.move_to(path))
        .map_err(|source| Failure::Write { path: path.to_owned(), source })
}

fn write_to_temporary(path: &Path, image: &Image) -> io::Result<Temporary> {
    let (temporary, file) = Temporary::create(path)?;
    let mut writer = BufWriter::new(file);
    image::write(image, &mut writer).map_err(|error| match error {
        png::EncodingError::IoError(error) => error,
        error => io::Error::other(error),
    })?;
    writer.flush()?;
    Ok(temporary)
}

/// A file that is removed unless it is moved into place.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Temporary {
    /// Beside the file it is to become, since only within a file system is moving atomic. Never follows a link.
    fn create(path: &Path) -> io::Result<(Self, File)> {
        let mut number = 0;
        loop {
            let temporary = temporary_name(path, number);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => return Ok((Self(Some(temporary)), file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && number < TEMPORARY_NAMES => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn move_to(mut self, path: &Path) -> io::Result<()> {
        if let Some(temporary) = &self.0 {
            fs::rename(temporary, path)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(temporary) = &self.0 {
            // The error that led here is the one to tell.
            let _left_behind = fs::remove_file(temporary);
        }
    }
}

/// `.NAME.PID-NUMBER.part` in the same folder.
fn temporary_name(path: &Path, number: u32) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{number}.part", std::process::id()));
    path.with_file_name(name)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::pixels::Colour;
    use crate::image::samples::Depth;

    /// A folder of its own for each test, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("framectl-{test}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn image(bytes: Vec<u8>) -> Image {
        Image { width: 2, height: 1, colour: Colour::Grey, depth: Depth::Eight, bytes }
    }

    #[test]
    fn several_frames_get_their_sequence() {
        let one = Target { path: "/x/a.b.png".into(), is_numbered: false };
        assert_eq!(one.path(42), Path::new("/x/a.b.png"));
        let several = |path: &str| Target { path: path.into(), is_numbered: true }.path(42);
        assert_eq!(several("/x/a.b.png"), Path::new("/x/a.b-000042.png"));
        assert_eq!(several("frame.PNG"), Path::new("frame-000042.PNG"));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = Folder::new("replace");
        let path = folder.0.join("frame.png");
        fs::write(&path, "old").unwrap();
        write(&path, &image(vec![1, 2])).unwrap();
        assert!(fs::read(&path).unwrap().starts_with(b"\x89PNG"));
        assert_eq!(folder.names(), ["frame.png"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = Folder::new("failure");
        let path = folder.0.join("frame.png");
        fs::write(&path, "old").unwrap();
        let error = write(&path, &image(vec![1])).unwrap_err();
        assert!(error.to_string().contains("frame.png"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(folder.names(), ["frame.png"]);
    }

    #[test]
    fn what_cannot_become_a_file_is_refused_at_once() {
        let folder = Folder::new("refuse");
        for (path, advice) in [
            (folder.0.clone(), "directory"),
            (folder.0.join(".."), "directory"),
            (folder.0.join("none/frame.png"), "create it"),
            (PathBuf::from("/dev/null"), "no file"),
            (PathBuf::from("-"), "file name"),
            (folder.0.join("frame.jpg"), "ends in .png"),
            (folder.0.join("frame"), "ends in .png"),
            (folder.0.join(".png"), "such as frame.png"),
        ] {
            let error = Target::new(&path, 1).unwrap_err();
            assert!(error.to_string().contains(advice), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert!(Target::new(&folder.0.join("new.png"), 1).is_ok());
        assert!(Target::new(Path::new("new.png"), 3).is_ok());
    }

    #[test]
    fn an_abandoned_temporary_file_is_no_obstacle() {
        let folder = Folder::new("abandoned");
        let path = folder.0.join("frame.png");
        fs::write(temporary_name(&path, 0), "left behind").unwrap();
        write(&path, &image(vec![1, 2])).unwrap();
        assert!(path.exists());
    }
}
