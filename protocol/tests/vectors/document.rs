//! The tables of PROTOCOL.md.

const PAGES: &str = include_str!("../../PROTOCOL.md");

/// A table: the first below a heading.
pub struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<&'static str>>,
}

/// A row whose cells are found by the name of their column.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    columns: &'a [&'static str],
    cells: &'a [&'static str],
}

impl Table {
    /// The table below the heading of this text, of any level.
    pub fn below(heading: &str) -> Self {
        Self::find(heading).unwrap_or_else(|| panic!("PROTOCOL.md has no table below a heading {heading:?}"))
    }

    pub fn find(heading: &str) -> Option<Self> {
        let is_heading = |line: &&str| line.starts_with('#') && line.trim_start_matches('#').trim() == heading;
        let mut section = PAGES.lines().skip_while(|line| !is_heading(line)).skip(1);
        let mut lines =
            section.by_ref().take_while(|line| !line.starts_with('#')).skip_while(|line| !line.starts_with('|'));
        let columns = cells(lines.next()?);
        let rows = lines.take_while(|line| line.starts_with('|')).skip(1).map(cells).collect();
        Some(Self { columns, rows })
    }

    pub fn has(&self, column: &str) -> bool {
        self.columns.contains(&column)
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { columns: &self.columns, cells })
    }
}

impl Row<'_> {
    pub fn cell(&self, column: &str) -> &'static str {
        let at = self.columns.iter().position(|name| *name == column);
        let at = at.unwrap_or_else(|| panic!("no column {column:?} in {:?}", self.columns));
        self.cells.get(at).copied().unwrap_or_else(|| panic!("no cell {column:?} in {:?}", self.cells))
    }

    pub fn number(&self, column: &str) -> usize {
        self.cell(column).parse().unwrap_or_else(|error| panic!("{column} of {:?}: {error}", self.cells))
    }
}

fn cells(line: &'static str) -> Vec<&'static str> {
    let line = line.trim().trim_start_matches('|');
    let ends: Vec<usize> =
        line.match_indices('|').map(|(at, _)| at).filter(|at| !line[..*at].ends_with('\\')).collect();
    let begins = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
    begins.zip(&ends).map(|(begin, end)| line[begin..*end].trim().trim_matches('`')).collect()
}
