//! Huge pages for a test, where the machine lets it have some.

use std::fs::File;

/// Huge pages set aside; what was set before is set again when this is dropped. Tests that want some wait for each other.
#[derive(Debug)]
pub struct HugePages {
    setting: String,
    before: String,
    _turn: File,
}

impl HugePages {
    /// Sets so many pages of so many KiB aside, more than there are.
    ///
    /// # Errors
    /// Why not: no right to, no such pages, too little memory in one piece.
    pub fn more(kib: usize, pages: usize) -> Result<Self, String> {
        let setting = format!("/sys/kernel/mm/hugepages/hugepages-{kib}kB/nr_hugepages");
        let failed = |error: std::io::Error| format!("{setting}: {error}");
        let turn = File::open(&setting).map_err(failed)?;
        turn.lock().map_err(failed)?;
        let read = || std::fs::read_to_string(&setting).map(|text| text.trim().to_owned()).map_err(failed);
        let before = read()?;
        let wanted = before.parse::<usize>().map_err(|error| error.to_string())? + pages;
        std::fs::write(&setting, wanted.to_string()).map_err(failed)?;
        let found = read()?;
        let guard = Self { setting: setting.clone(), before, _turn: turn };
        if found == wanted.to_string() { Ok(guard) } else { Err(format!("of {wanted} there are {found}")) }
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        // Where it could be raised it can be put back.
        let _kept = std::fs::write(&self.setting, &self.before);
    }
}
