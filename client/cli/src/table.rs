//! Tables for people.

use std::fmt;

/// Rows of text under titles; columns are as wide as their widest cell.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// A column's title and on which side its cells stand.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    is_right: bool,
}

/// A column of words.
pub const fn words(title: &'static str) -> Column {
    Column { title, is_right: false }
}

/// A column of numbers.
pub const fn numbers(title: &'static str) -> Column {
    Column { title, is_right: true }
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, a cell per column; empty and missing cells are shown as `-`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let missing = std::iter::repeat_with(String::new);
        let cells = cells.into_iter().chain(missing).take(self.columns.len());
        self.rows.push(cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }).collect());
    }

    fn widths(&self) -> Vec<usize> {
        let cells = |at: usize| self.rows.iter().filter_map(move |row| row.get(at));
        let widest = |at: usize| cells(at).map(|cell| cell.chars().count()).max().unwrap_or(0);
        self.columns.iter().enumerate().map(|(at, column)| widest(at).max(column.title.chars().count())).collect()
    }

    fn line<'a>(&self, widths: &[usize], cells: impl Iterator<Item = &'a str>) -> String {
        let mut line = String::new();
        for ((column, width), cell) in self.columns.iter().zip(widths).zip(cells) {
            line += &if column.is_right { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
        }
        line.trim_end().to_owned()
    }
}

/// A line for the titles and one per row.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        writeln!(f, "{}", self.line(&widths, self.columns.iter().map(|column| column.title)))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", self.line(&widths, row.iter().map(String::as_str))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let mut table = Table::new(&[words("NAME"), numbers("MAX"), words("WHO")]);
        table.row(["cam0".into(), "60 µs".into()]);
        table.row(["left-cam".into(), "1.2 ms".into(), "pid 7".into()]);
        assert_eq!(table.to_string(), "NAME         MAX  WHO\ncam0       60 µs  -\nleft-cam  1.2 ms  pid 7\n");
    }
}
