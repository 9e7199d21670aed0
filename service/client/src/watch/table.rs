//! Columns side by side: one for the time, one for each node. Rows are written once and never changed, so that they
//! can go to a file as well as to a terminal.

/// Enough for `12:34:56.789`.
const TIME_WIDTH: usize = 12;
/// Narrower columns would break every second word.
const COLUMN_WIDTH_MIN: usize = 20;
/// Wider ones would part what belongs together.
const COLUMN_WIDTH_MAX: usize = 44;
/// Between two columns.
const GAP: &str = " │ ";
/// After so long without a row the time of day is shown anew; until then, what passed since it was.
const EPISODE_MICROS: u64 = 2_000_000;

/// How a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    /// Of little weight.
    Aside,
}

impl Tone {
    /// The terminal's code for it.
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Good => "32",
            Self::Bad => "33",
            Self::Aside => "2",
        }
    }
}

/// What stands in one column of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) tone: Tone,
    pub(super) text: String,
}

impl Cell {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }
}

/// The layout, and the time that the last row was written for.
#[derive(Debug)]
pub(super) struct Table {
    names: Vec<String>,
    column: usize,
    colored: bool,
    /// When the episode began, and when its last row was, in microseconds since the Unix epoch.
    episode: Option<(u64, u64)>,
}

impl Table {
    /// Columns for nodes of these names on a screen of that many characters.
    pub(super) fn new(names: Vec<String>, screen: usize, colored: bool) -> Self {
        let gaps = GAP.chars().count() * names.len();
        let column = screen.saturating_sub(TIME_WIDTH + gaps) / names.len().max(1);
        Self { names, column: column.clamp(COLUMN_WIDTH_MIN, COLUMN_WIDTH_MAX), colored, episode: None }
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The names above their columns.
    pub(super) fn heading(&mut self) -> Vec<String> {
        self.episode = None;
        let names: Vec<Cell> = self.names.iter().map(|name| Cell::new(Tone::Plain, name)).collect();
        let mut lines = self.row("UTC", &names);
        let rule = vec!["─".repeat(self.column + 1); self.names.len()].join("┼─");
        lines.push(format!("{}┼─{rule}", "─".repeat(TIME_WIDTH + 1)));
        lines
    }

    /// Something that happened to the node of one column.
    pub(super) fn event(&mut self, at_micros: u64, column: usize, cell: Cell) -> Vec<String> {
        let time = self.time(at_micros);
        let empty = Cell::new(Tone::Plain, "");
        let cells: Vec<Cell> = (0..self.names.len())
            .map(|index| if index == column { cell.clone() } else { empty.clone() })
            .collect();
        self.row(&time, &cells)
    }

    /// How every node stands.
    pub(super) fn standing(&mut self, at_micros: u64, cells: &[Cell]) -> Vec<String> {
        self.episode = None;
        let lines = self.row(&clock(at_micros), cells);
        self.episode = None;
        lines
    }

    /// The time of day for the first row of an episode, then what passed since.
    fn time(&mut self, at_micros: u64) -> String {
        match self.episode {
            Some((began, last)) if at_micros.saturating_sub(last) < EPISODE_MICROS => {
                self.episode = Some((began, last.max(at_micros)));
                let tenths = at_micros.saturating_sub(began) / 100;
                format!("{:>9}", format!("+{}.{}", tenths / 10, tenths % 10)) + " ms"
            }
            _ => {
                self.episode = Some((at_micros, at_micros));
                clock(at_micros)
            }
        }
    }

    fn row(&self, time: &str, cells: &[Cell]) -> Vec<String> {
        let columns: Vec<Vec<String>> = cells.iter().map(|cell| wrap(&cell.text, self.column)).collect();
        let height = columns.iter().map(Vec::len).max().unwrap_or(1);
        let line = |at: usize| {
            let mut line = format!("{:<TIME_WIDTH$}", if at == 0 { time } else { "" });
            for (cell, column) in cells.iter().zip(&columns) {
                let text = column.get(at).map(String::as_str).unwrap_or_default();
                let padding = " ".repeat(self.column.saturating_sub(text.chars().count()));
                line.push_str(GAP);
                line.push_str(&self.painted(cell.tone, text));
                line.push_str(&padding);
            }
            line.trim_end().to_owned()
        };
        (0..height).map(line).collect()
    }

    fn painted(&self, tone: Tone, text: &str) -> String {
        if !self.colored || text.is_empty() || tone == Tone::Plain {
            return text.to_owned();
        }
        format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
    }
}

/// The time of day in UTC, as logs have it.
fn clock(micros: u64) -> String {
    let ms = micros / 1000;
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// Lines of at most `width` characters, broken between words where that can be; control characters are left out, for
/// a text that came over the network goes to a terminal.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().filter(|c| !c.is_control()).collect();
        for (at, piece) in word.chunks(width).enumerate() {
            let last = lines.last_mut().expect("there is one from the beginning");
            let used = last.chars().count();
            if used > 0 && (at > 0 || used + 1 + piece.len() > width) {
                lines.push(piece.iter().collect());
                continue;
            }
            if used > 0 {
                last.push(' ');
            }
            last.extend(piece);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const NOON: u64 = 1_795_262_400_000_000;

    fn plain(text: &str) -> Cell {
        Cell::new(Tone::Plain, text)
    }

    #[test]
    fn rows_stand_side_by_side_with_the_time_since_the_first() {
        let labels = ["o1", "o2"].map(str::to_owned).to_vec();
        let mut table = Table::new(labels, 60, false);
        let mut lines = table.heading();
        lines.extend(table.standing(NOON, &[plain("leads in term 1"), plain("follows o1")]));
        lines.extend(table.event(NOON + 761_200, 1, plain("no heartbeat of o1 for 761 ms")));
        lines.extend(table.event(NOON + 761_950, 1, plain("candidate in term 2")));
        lines.extend(table.event(NOON + 1_800_000, 0, plain("follows o2")));
        lines.extend(table.event(NOON + 61_800_000, 0, plain("follows o1")));
        expect![[r#"
            UTC          │ o1                    │ o2
            ─────────────┼───────────────────────┼───────────────────────
            12:00:00.000 │ leads in term 1       │ follows o1
            12:00:00.761 │                       │ no heartbeat of o1
                         │                       │ for 761 ms
                 +0.7 ms │                       │ candidate in term 2
              +1038.8 ms │ follows o2            │
            12:01:01.800 │ follows o1            │"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn color_does_not_move_columns_and_is_only_where_it_is_wanted() {
        let labels = vec!["o1".to_owned(), "o2".to_owned()];
        let row = |colored| {
            let mut table = Table::new(labels.clone(), 60, colored);
            table.event(NOON, 0, Cell::new(Tone::Good, "LEADS in term 2")).join("\n")
        };
        let uncolored = row(true).replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
        assert_eq!(uncolored, row(false));
        assert!(row(true).contains("\u{1b}[32mLEADS in term 2\u{1b}[0m"));
    }

    #[test]
    fn long_words_are_broken_and_control_characters_left_out() {
        assert_eq!(wrap("a \u{1b}[31mbbbbbbbb cc", 5), ["a", "[31mb", "bbbbb", "bb cc"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
