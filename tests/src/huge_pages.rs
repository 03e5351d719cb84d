//! Huge pages of 2 MiB for a test, where the machine lets it have some.

use std::fs::File;

/// Huge pages set aside; what was set before is set again when this is dropped. Tests that want some wait for each other.
#[derive(Debug)]
pub struct HugePages {
    before: String,
    _turn: File,
}

impl HugePages {
    const SETTING: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

    /// Sets so many aside, more than there are.
    ///
    /// # Errors
    /// Why not: no right to, no such pages, too little memory in one piece.
    pub fn more(pages: usize) -> Result<Self, String> {
        let setting = Self::SETTING;
        let failed = |error: std::io::Error| format!("{setting}: {error}");
        let turn = File::open(setting).map_err(failed)?;
        turn.lock().map_err(failed)?;
        let read = || std::fs::read_to_string(setting).map(|text| text.trim().to_owned()).map_err(failed);
        let before = read()?;
        let wanted = before.parse::<usize>().map_err(|error| error.to_string())? + pages;
        let guard = Self { before, _turn: turn };
        std::fs::write(setting, wanted.to_string()).map_err(failed)?;
        let found = read()?;
        if found == wanted.to_string() { Ok(guard) } else { Err(format!("of {wanted} there are {found}")) }
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        // Where it could be raised it can be put back.
        let _kept = std::fs::write(Self::SETTING, &self.before);
    }
}
