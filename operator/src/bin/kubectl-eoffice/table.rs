//! Text for a terminal of 80 columns: tables that are cut rather than wrapped, and prose that is wrapped.

use jiff::Timestamp;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a terminal that nothing is known of.
pub const WIDTH: usize = 80;
/// Between two columns of a table.
const GAP: usize = 2;
/// No column is cut below this, nor below its title.
const NARROWEST: usize = 6;

/// What colour a text has, where there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// None of its own.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// To be looked at.
    Warn,
    /// Wrong.
    Bad,
    /// A heading.
    Bold,
    /// Of less interest.
    Dim,
}

impl Paint {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Warn => Some("33"),
            Self::Bad => Some("31"),
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
        }
    }
}

/// How wide, and whether in colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether escape sequences may be written.
    pub colours: bool,
}

impl Style {
    /// A text in its colour.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        match paint.code().filter(|_| self.colours && !text.is_empty()) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.into(),
        }
    }
}

/// One field of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A text in a colour.
    pub fn new(text: impl AsRef<str>, paint: Paint) -> Self {
        Self {
            text: harmless(text.as_ref()),
            paint,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Paint::Plain)
    }
}

/// Rows under titles.
#[derive(Clone, Debug, Default)]
pub struct Table {
    titles: Vec<&'static str>,
    /// Cut before all others, and after all others.
    first: Option<&'static str>,
    last: Option<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table of these columns, without rows.
    pub fn new(titles: &[&'static str]) -> Self {
        Self {
            titles: titles.into(),
            first: None,
            last: None,
            rows: Vec::new(),
        }
    }

    /// The same table, in which `first` is cut before all other columns, and `last` only where nothing else is left
    /// to cut: what is in it, people copy.
    pub fn cutting(self, first: &'static str, last: &'static str) -> Self {
        Self {
            first: Some(first),
            last: Some(last),
            ..self
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as lines, none of them wider than the style allows. The widest columns are cut first.
    pub fn render(&self, style: Style) -> String {
        let widths = self.widths(style.width);
        let titles: Vec<Cell> = self
            .titles
            .iter()
            .map(|title| Cell::new(title, Paint::Bold))
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            line(&mut text, row, &widths, style);
        }
        text
    }

    /// The higher, the sooner it is cut.
    fn rank(&self, column: usize) -> u8 {
        match Some(self.titles[column]) {
            title if title == self.first => 2,
            title if title == self.last => 0,
            _ => 1,
        }
    }

    fn widths(&self, whole: usize) -> Vec<usize> {
        let least: Vec<usize> = self
            .titles
            .iter()
            .map(|title| title.width().max(NARROWEST))
            .collect();
        let mut widths: Vec<usize> = self.titles.iter().map(|title| title.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        let room = whole.saturating_sub(GAP * widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let widest = (0..widths.len())
                .filter(|&column| widths[column] > least[column])
                .max_by_key(|&column| (self.rank(column), widths[column]));
            match widest {
                Some(column) => widths[column] -= 1,
                None => break,
            }
        }
        widths
    }
}

fn line(text: &mut String, row: &[Cell], widths: &[usize], style: Style) {
    let last = row.len().saturating_sub(1);
    for (at, (cell, &width)) in row.iter().zip(widths).enumerate() {
        let shown = cut(&cell.text, width);
        text.push_str(&style.paint(cell.paint, &shown));
        if at < last {
            let blanks = (width + GAP).saturating_sub(shown.width());
            text.extend(std::iter::repeat_n(' ', blanks));
        }
    }
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

/// What a terminal could take for a command is shown as a blank.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The text within so many columns, with `…` where something is left out.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.into();
    }
    let mut shown = String::new();
    let mut room = width.saturating_sub(1);
    for c in text.chars() {
        // Marks without a width of their own stay with their letter.
        let needed = c.width().unwrap_or_default();
        if needed > room {
            break;
        }
        room -= needed;
        shown.push(c);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

/// Prose within the width: the first line after `head`, the others indented as far.
pub fn wrap(head: &str, prose: &str, style: Style) -> String {
    let indent = head.width();
    let mut text = head.to_owned();
    let mut column = indent;
    for word in harmless(prose).split_whitespace() {
        if column > indent && column + 1 + word.width() > style.width {
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            text.push(' ');
            column += 1;
        }
        // A word wider than a whole line is broken, so that it can still be read to its end.
        for c in word.chars() {
            let needed = c.width().unwrap_or_default();
            if column + needed > style.width && column > indent {
                let _ = write!(text, "\n{:indent$}", "");
                column = indent;
            }
            column += needed;
            text.push(c);
        }
    }
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
    text
}

/// How long ago, in the largest unit that is at least two of it, as kubectl has it.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `1 tenant`, `2 tenants`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        width: WIDTH,
        colours: false,
    };

    fn widest(text: &str) -> usize {
        text.lines()
            .map(UnicodeWidthStr::width)
            .max()
            .unwrap_or_default()
    }

    #[test]
    fn a_table_is_as_wide_as_it_needs_and_never_wider_than_the_terminal() {
        let mut table = Table::new(&["NAME", "AGENCY", "STATE"]);
        table.row(["tao-a".into(), "เทศบาลเมืองปากช่อง".into(), "Active".into()]);
        assert_eq!(
            table.render(PLAIN),
            "NAME   AGENCY            STATE\ntao-a  เทศบาลเมืองปากช่อง  Active\n"
        );
        table.row([
            "x".repeat(70).into(),
            "ก".repeat(40).into(),
            "y".repeat(30).into(),
        ]);
        let text = table.render(PLAIN);
        assert_eq!(widest(&text), WIDTH, "{text}");
        assert_eq!(text.matches('…').count(), 3, "{text}");
    }

    #[test]
    fn columns_are_cut_in_their_order() {
        let mut table = Table::new(&["NAME", "AGENCY", "OPEN"]).cutting("AGENCY", "NAME");
        let row = |name, open: usize| {
            [
                "n".repeat(name).into(),
                "a".repeat(20).into(),
                "o".repeat(open).into(),
            ]
        };
        table.row(row(40, 25));
        let text = table.render(PLAIN);
        assert!(
            text.contains(&"n".repeat(40)) && text.contains(&"o".repeat(25)),
            "{text}"
        );
        table.row(row(40, 35));
        let text = table.render(PLAIN);
        assert!(
            text.contains(&"n".repeat(40)) && text.contains("o…"),
            "{text}"
        );
        table.row(row(90, 35));
        let text = table.render(PLAIN);
        assert!(text.contains("n…") && widest(&text) == WIDTH, "{text}");
    }

    #[test]
    fn marks_without_width_count_nothing_and_stay_with_their_letter() {
        assert_eq!("ที่นี่".width(), 2);
        assert_eq!(cut("ที่นี่ที่นี่", 3), "ที่นี่…");
        assert_eq!(cut("ที่นี่", 2), "ที่นี่");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn prose_is_wrapped_under_its_head() {
        let style = Style {
            width: 20,
            colours: false,
        };
        assert_eq!(
            wrap("Ready: ", "the server is not reachable", style),
            "Ready: the server is\n       not reachable\n"
        );
        assert_eq!(widest(&wrap("  ", &"z".repeat(90), style)), 20);
    }

    #[test]
    fn nothing_of_a_text_is_taken_for_a_command_of_the_terminal() {
        let mut table = Table::new(&["A"]);
        table.row(["x\x1b[31m\ny".into()]);
        assert_eq!(table.render(PLAIN), "A\nx [31m y\n");
    }

    #[test]
    fn colours_do_not_widen_a_column() {
        let style = Style {
            width: WIDTH,
            colours: true,
        };
        let mut table = Table::new(&["A", "B"]);
        table.row([Cell::new("ok", Paint::Good), "b".into()]);
        assert_eq!(
            table.render(style),
            "\x1b[1mA\x1b[0m   \x1b[1mB\x1b[0m\n\x1b[32mok\x1b[0m  b\n"
        );
    }

    #[test]
    fn ages_are_of_the_largest_unit_that_says_enough() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_200, "2h"),
            (172_800, "2d"),
        ] {
            assert_eq!(age(at(0), at(seconds)), text);
        }
        assert_eq!(age(at(9), at(0)), "0s");
    }
}
