//! Results on stdout: lines, fields and tables for people, one JSON value for `--json`; progress on stderr.
//!
//! A stdout that cannot be written to is an error ([`PrintError`]), never a panic: a result that
//! nobody could read is not done. Everything is escaped ([`crate::text`]). Not here: errors (`report`).

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, StderrLock, Write};
use std::time::{Duration, Instant};

use chancery_formats::id::is_hidden;
use serde_json::Value;

use crate::text::{Shown, shown};

/// Why a result did not reach its reader.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrintError {
    /// The reader of a pipe went away, such as `head` after its last line.
    #[error("the reader of the output went away")]
    Closed,
    /// The output cannot be written.
    #[error("cannot write the output")]
    Io {
        /// What the operating system says.
        source: io::Error,
    },
}

impl PrintError {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed => "output-closed",
            Self::Io { .. } => "output-failed",
        }
    }

    /// Returns the next action.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Closed => "let the program after the pipe read to the end",
            Self::Io { .. } => "check the disk or program that the output goes to",
        }
    }
}

impl From<io::Error> for PrintError {
    fn from(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Io { source } }
    }
}

/// Prints a command's result on stdout.
pub struct Printer {
    json: bool,
    out: Box<dyn Write>,
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printer").field("json", &self.json).finish_non_exhaustive()
    }
}

impl Printer {
    /// Prints on stdout, for people or as JSON.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self::to(json, Box::new(io::stdout()))
    }

    /// Prints into `out`, for tests.
    #[must_use]
    pub fn to(json: bool, out: Box<dyn Write>) -> Self {
        Self { json, out }
    }

    /// Returns whether `--json` was asked for: then [`json`](Self::json) prints and the others are silent.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints lines for people; each line of `text` is escaped.
    ///
    /// # Errors
    ///
    /// [`PrintError`] where stdout cannot be written.
    pub fn line(&mut self, text: impl fmt::Display) -> Result<(), PrintError> {
        let text = text.to_string();
        let mut lines = String::with_capacity(text.len() + 1);
        for line in text.split('\n') {
            let _ = writeln!(lines, "{}", Shown(line)); // writing to a string cannot fail
        }
        self.people(&lines)
    }

    /// Prints `name: value` lines with the values in one column.
    ///
    /// # Errors
    ///
    /// [`PrintError`] where stdout cannot be written.
    pub fn fields(&mut self, fields: &[(&str, String)]) -> Result<(), PrintError> {
        let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 1;
        let mut lines = String::new();
        for (name, value) in fields {
            let name = format!("{name}:");
            let line = format!("{name:<width$} {}", Shown(value));
            let _ = writeln!(lines, "{}", line.trim_end()); // writing to a string cannot fail
        }
        self.people(&lines)
    }

    /// Prints a header and rows with their cells in columns, two spaces apart.
    ///
    /// # Errors
    ///
    /// [`PrintError`] where stdout cannot be written.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>]) -> Result<(), PrintError> {
        let header: Vec<String> = header.iter().map(|cell| (*cell).into()).collect();
        let rows: Vec<Vec<String>> = std::iter::once(&header)
            .chain(rows)
            .map(|row| row.iter().map(|cell| shown(cell)).collect())
            .collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell_width =
            |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
        let widths: Vec<usize> = (0..columns)
            .map(|column| rows.iter().map(|row| cell_width(row, column)).max().unwrap_or(0))
            .collect();
        let mut lines = String::new();
        for row in &rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            let _ = writeln!(lines, "{}", cells.join("  ").trim_end()); // writing to a string cannot fail
        }
        self.people(&lines)
    }

    /// Prints text that is already safe, such as a QR code for the terminal, as it stands.
    ///
    /// # Errors
    ///
    /// [`PrintError`] where stdout cannot be written.
    pub fn raw(&mut self, text: &str) -> Result<(), PrintError> {
        self.people(text)
    }

    /// Prints one JSON value where `--json` was asked for; nothing otherwise.
    ///
    /// # Errors
    ///
    /// [`PrintError`] where stdout cannot be written.
    pub fn json(&mut self, value: &Value) -> Result<(), PrintError> {
        if self.json { self.write(&json_text(value)) } else { Ok(()) }
    }

    fn people(&mut self, text: &str) -> Result<(), PrintError> {
        if self.json { Ok(()) } else { self.write(text) }
    }

    // Flushed at once: what the operator reads is never ahead of or behind what was done.
    fn write(&mut self, text: &str) -> Result<(), PrintError> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }
}

/// Returns a JSON value indented, ending in a line break, hidden characters as `\uNNNN`.
#[must_use]
pub fn json_text(value: &Value) -> String {
    let mut text = String::new();
    for c in format!("{value:#}").chars() {
        if c != '\n' && is_hidden(c) {
            // Outside its strings JSON is ASCII without hidden characters, so this one is in a string.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}"); // writing to a string cannot fail
            }
        } else {
            text.push(c);
        }
    }
    text.push('\n');
    text
}

/// One line on stderr that tells how far long work has come; only on a terminal.
///
/// Dropping it clears the line.
#[derive(Debug)]
pub struct Progress {
    label: &'static str,
    shown_at: Option<Instant>,
    visible: bool,
}

impl Progress {
    const PAUSE: Duration = Duration::from_millis(100);

    /// Starts work under a label such as `checking documents`; shows nothing yet.
    #[must_use]
    pub fn new(label: &'static str) -> Self {
        Self { label, shown_at: None, visible: io::stderr().is_terminal() }
    }

    /// Tells that `done` of `total` steps are done; draws at most ten times a second.
    pub fn update(&mut self, done: u64, total: u64) {
        let recent = self.shown_at.is_some_and(|at| at.elapsed() < Self::PAUSE);
        if self.visible && !recent {
            self.draw(|stderr| write!(stderr, "\r{} {done} of {total}\u{1b}[K", self.label));
            self.shown_at = Some(Instant::now());
        }
    }

    // A progress line that cannot be drawn is no reason to stop the work.
    fn draw(&self, line: impl FnOnce(&mut StderrLock<'_>) -> io::Result<()>) {
        let mut stderr = io::stderr().lock();
        let _ = line(&mut stderr).and_then(|()| stderr.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown_at.is_some() {
            self.draw(|stderr| write!(stderr, "\r\u{1b}[K"));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[derive(Clone, Default)]
    struct Sink(Rc<RefCell<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(json: bool, print: impl FnOnce(&mut Printer) -> Result<(), PrintError>) -> String {
        let sink = Sink::default();
        print(&mut Printer::to(json, Box::new(sink.clone()))).unwrap();
        String::from_utf8(sink.0.take()).unwrap()
    }

    #[test]
    fn fields_and_tables_line_up() {
        let fields = [("id", "ent_1".to_owned()), ("quantity", "5".to_owned()), ("until", String::new())];
        assert_eq!(printed(false, |out| out.fields(&fields)), "id:       ent_1\nquantity: 5\nuntil:\n");
        let rows = [vec!["東京".into(), "a\u{1b}b".into()], vec!["long name".into(), "c".into()]];
        assert_eq!(
            printed(false, |out| out.table(&["name", "id"], &rows)),
            "name       id\n東京         a\\u{1b}b\nlong name  c\n"
        );
        assert_eq!(printed(false, |out| out.line("a\u{202e}\nb")), "a\\u{202e}\nb\n");
    }

    #[test]
    fn json_alone_is_printed_with_json_and_hides_nothing() {
        let value = json!({"name": "a\u{1b}\u{202e}\u{9b}\u{e0001}é"});
        let text = printed(true, |out| {
            out.line("for people")?;
            out.fields(&[("a", "b".into())])?;
            out.json(&value)
        });
        assert_eq!(text, "{\n  \"name\": \"a\\u001b\\u202e\\u009b\\udb40\\udc01é\"\n}\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_eq!(printed(false, |out| out.json(&value)), "");
    }

    #[test]
    fn an_output_that_cannot_be_written_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let error = Printer::to(false, Box::new(writer)).line("x").unwrap_err();
        assert_eq!(error.code(), "output-closed");
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = Printer::to(true, Box::new(full)).json(&json!(1)).unwrap_err();
        assert_eq!(error.code(), "output-failed");
    }
}
