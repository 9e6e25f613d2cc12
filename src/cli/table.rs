//! Columns for people: each as wide as its widest entry.

/// Lines of cells, the first of which may be a heading, as text.
pub(super) fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            row.push_str(cell);
            row.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_entry_counted_in_letters() {
        let lines = [["12", "Иван", "x"], ["1", "Bo", ""], ["", "", "y"]];
        let lines: Vec<Vec<String>> =
            lines.iter().map(|line| line.iter().map(|cell| (*cell).into()).collect()).collect();
        assert_eq!(table(&lines), "12  Иван  x\n1   Bo\n          y\n");
        assert_eq!(table(&[]), "");
    }
}
