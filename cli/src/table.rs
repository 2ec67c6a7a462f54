//! Aligned columns for people, safe to show on a terminal.

use std::time::Duration;

/// A table with a heading; columns are as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self {
            rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()],
        }
    }

    /// Adds a row. What comes from outside loses its control characters here.
    pub(crate) fn row(&mut self, cells: &[&str]) {
        self.rows
            .push(cells.iter().map(|cell| plain(cell)).collect());
    }

    /// The lines, each ending with a newline and without blanks at the end.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| width(cell))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, wide) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(
                    ' ',
                    wide.saturating_sub(width(cell)) + 2,
                ));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A text from outside without what a terminal would obey: a caller's name must not move the cursor.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|character| {
            if is_plain(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .collect()
}

fn is_plain(character: char) -> bool {
    // Besides control characters: marks that turn the direction of writing around.
    !character.is_control()
        && !matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        (_, _, _) => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_alphabet() {
        let mut table = Table::new(&["CALL", "NAME", "STATE"]);
        table.row(&["1", "Jürgen", "active"]);
        table.row(&["long-id", "x", "ringing"]);
        assert_eq!(
            table.render(),
            "CALL     NAME    STATE\n1        Jürgen  active\nlong-id  x       ringing\n"
        );
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let mut table = Table::new(&["NAME"]);
        table.row(&["\u{1b}[2Jevil\r\n\u{202e}"]);
        assert_eq!(
            table.render(),
            "NAME\n\u{fffd}[2Jevil\u{fffd}\u{fffd}\u{fffd}\n"
        );
    }

    #[test]
    fn spans_have_at_most_two_units() {
        let span = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(span(4), "4 s");
        assert_eq!(span(200), "3 min 20 s");
        assert_eq!(span(7500), "2 h 5 min");
        assert_eq!(span(273_600), "3 d 4 h");
    }
}
