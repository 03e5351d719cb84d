//! Help beside `--help`: manual pages, and completions for shells.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::console;
use crate::failure::Failure;
use crate::options::Options;

/// Prints what makes the shell complete `framectl`.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Options::command(), "framectl", &mut script);
    console::print(&String::from_utf8_lossy(&script))
}

/// Writes a page for `framectl` and one for each of its commands.
pub fn manual(directory: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(Options::command(), directory)
        .map_err(|source| Failure::Write { path: directory.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each command has a manual page with all its options. Method: they are written as `framectl manual` does.
    #[test]
    fn every_command_has_a_manual_page() {
        let directory = std::env::temp_dir().join(format!("framectl-manual-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        manual(&directory).unwrap();
        let page = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
        assert!(page("framectl.1").contains("Exit status: 0"));
        let command = Options::command();
        for sub in command.get_subcommands() {
            let page = page(&format!("framectl-{}.1", sub.get_name()));
            for option in sub.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(page.contains(&format!("\\-\\-{}", option.replace('-', "\\-"))), "{option} is not in {page}");
            }
        }
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(matches!(manual(&directory), Err(Failure::Write { .. })), "it is gone");
    }
}
