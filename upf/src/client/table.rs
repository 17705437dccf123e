//! Columns for people.

/// Rows with a head, each column as wide as it has to be; numbers stand to the right.
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, row: impl Into<Vec<String>>) {
        self.rows.push(row.into());
    }

    pub(super) fn render(&self) -> String {
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let width = |(column, name): (usize, &&str)| {
            let widest = cells(column).map(|cell| cell.chars().count()).max();
            widest.unwrap_or(0).max(name.len())
        };
        let widths: Vec<usize> = self.head.iter().enumerate().map(width).collect();
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        let right: Vec<bool> = (0..self.head.len())
            .map(|column| cells(column).all(|cell| is_number(cell)))
            .collect();
        let line = |cells: Vec<&str>| {
            let shown = cells.iter().zip(&widths).zip(&right);
            let shown = shown.map(|((cell, &width), right)| match right {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            let line = shown.collect::<Vec<_>>().join("  ");
            format!("{}\n", line.trim_end())
        };
        let mut out = line(self.head.clone());
        for row in &self.rows {
            out.push_str(&line(row.iter().map(String::as_str).collect()));
        }
        out
    }
}

/// A count in as few digits as say enough.
pub(super) fn octets(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut scale = 1_u64;
    let mut unit = 0;
    while count / scale >= 1_000 && unit + 1 < UNITS.len() {
        scale *= 1_000;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    let tenths = u128::from(count) * 10 / u128::from(scale);
    match unit {
        0 => format!("{count} {name}"),
        _ => format!("{}.{} {name}", tenths / 10, tenths % 10),
    }
}

/// What is there, or a dash.
pub(super) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let mut table = Table::new(&["NAME", "COUNT"]);
        table.row(["ran".to_owned(), "7".to_owned()]);
        table.row(["a-long-name".to_owned(), "1234567".to_owned()]);
        assert_eq!(
            table.render(),
            "NAME           COUNT\nran                7\na-long-name  1234567\n"
        );
    }

    #[test]
    fn octets_are_short() {
        let shown = [0, 999, 1_000, 1_550_000, u64::MAX].map(octets);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.5 MB", "18446.7 PB"]);
    }
}
