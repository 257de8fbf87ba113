//! What people read when something fails: `error:`, `cause:` and `hint:` lines, and the exit code.
//!
//! Colour marks the labels on a terminal alone, never with `NO_COLOR`, and tells nothing that the words
//! do not. Texts are escaped ([`crate::text`]); a line break in one continues indented, so that no
//! text from elsewhere can start a line of its own. Not here: which error has which exit code.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::process::ExitCode;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use serde_json::json;

use crate::text::Shown;

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for is done.
    Done = 0,
    /// It failed for a reason that is none of the others.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Policy or verification refuses.
    Refused = 3,
    /// The key's device is missing, locked or failing.
    Hsm = 4,
    /// What was kept contradicts itself: stop and call the auditor.
    Alarm = 5,
}

impl Exit {
    /// Returns the number that the operating system is told.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error as people and scripts see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Stable kebab-case code.
    pub code: &'static str,
    /// What happened, with the value involved: lower case, no period.
    pub error: String,
    /// What made it happen, outermost first.
    pub causes: Vec<String>,
    /// The next action.
    pub hint: Option<String>,
    /// How the program ends.
    pub exit: Exit,
}

impl Report {
    /// Makes a report of one line that ends the program with [`Exit::Failed`].
    #[must_use]
    pub fn new(code: &'static str, error: impl Into<String>) -> Self {
        Self { code, error: error.into(), causes: Vec::new(), hint: None, exit: Exit::Failed }
    }

    /// Makes a report of an error and its sources; a source that the line above it already tells is left out.
    #[must_use]
    pub fn from_error(code: &'static str, error: &(dyn Error + 'static)) -> Self {
        let mut report = Self::new(code, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            let above = report.causes.last().unwrap_or(&report.error);
            if !above.ends_with(&text) {
                report.causes.push(text);
            }
            source = cause.source();
        }
        report
    }

    /// Adds a cause below those that are there.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Names the next action.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets how the program ends.
    #[must_use]
    pub const fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Returns the form for `--json`: `{"error":{"code","message","causes","hint"}}`, `hint` null where none.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        json!({"error": {"code": self.code, "message": self.error, "causes": self.causes, "hint": self.hint}})
    }

    /// Prints the report on stderr: lines for people, or one JSON object for `--json`.
    ///
    /// Stdout stays as it is, so that it holds one whole result or none. A stderr that cannot be
    /// written to leaves only the exit code to tell.
    pub fn print(&self, json: bool) {
        let text = if json { crate::output::json_text(&self.to_json()) } else { self.styled(true) };
        let stderr = io::stderr();
        // In one piece: who reads a terminal must not take a lone `error: ` for a question.
        let mut shown = AutoStream::new(Vec::new(), AutoStream::choice(&stderr));
        let _ = shown.write_all(text.as_bytes()).and_then(|()| stderr.lock().write_all(&shown.into_inner()));
    }

    fn styled(&self, colour: bool) -> String {
        let label = |style: Style| if colour { style.bold() } else { Style::new() };
        let red = label(AnsiColor::Red.on_default());
        let cyan = label(AnsiColor::Cyan.on_default());
        let mut lines = String::new();
        push(&mut lines, red, "error: ", &self.error);
        self.causes.iter().for_each(|cause| push(&mut lines, red, "cause: ", cause));
        self.hint.iter().for_each(|hint| push(&mut lines, cyan, "hint: ", hint));
        lines
    }
}

fn push(lines: &mut String, style: Style, label: &str, text: &str) {
    let style = if style == Style::new() { (String::new(), String::new()) } else { wrap(style) };
    let _ = write!(lines, "{}{label}{}", style.0, style.1); // writing to a string cannot fail
    for (index, line) in text.trim_end().lines().enumerate() {
        let indent = if index == 0 { "" } else { "       " };
        let _ = writeln!(lines, "{indent}{}", Shown(line));
    }
    if text.trim_end().is_empty() {
        lines.push('\n');
    }
}

fn wrap(style: Style) -> (String, String) {
    (style.render().to_string(), style.render_reset().to_string())
}

impl fmt::Display for Report {
    /// Writes the lines for people, without colour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.styled(false))
    }
}

macro_rules! from_own_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for Report {
            fn from(error: $error) -> Self {
                Self::from_error(error.code(), &error).hint(error.hint())
            }
        }
    )*};
}

from_own_errors!(
    crate::files::FileError,
    crate::load::LoadError,
    crate::output::PrintError,
    crate::picture::PictureError,
    crate::terminal::DoesNotFit
);

/// Prints a line for people on stderr, such as a warning or a note beside the result.
///
/// Hidden characters are escaped; an unwritable stderr is ignored.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", Shown(text));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    fn chain(texts: &[&'static str]) -> Link {
        let (first, rest) = texts.split_first().unwrap();
        Link { text: first, source: (!rest.is_empty()).then(|| Box::new(chain(rest))) }
    }

    #[test]
    fn causes_follow_the_chain_without_repeating() {
        let error = chain(&["cannot read x", "cannot read x", "opening failed: denied", "denied", "root"]);
        let report = Report::from_error("x", &error).hint("try again");
        assert_eq!(
            report.to_string(),
            "error: cannot read x\ncause: opening failed: denied\ncause: root\nhint: try again\n"
        );
    }

    #[test]
    fn text_from_elsewhere_cannot_start_a_line_or_move_the_cursor() {
        let report = Report::new("x", "bad name \"a\nhint: run rm\u{1b}[2J\"").cause("b\rerror: c\n\n");
        assert_eq!(
            report.to_string(),
            "error: bad name \"a\n       hint: run rm\\u{1b}[2J\"\ncause: b\\u{d}error: c\n"
        );
        assert_eq!(Report::new("x", "").to_string(), "error: \n");
    }

    #[test]
    fn errors_of_this_crate_bring_their_code_causes_and_hint() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = crate::files::FileError::from_io("write", "a\u{7}.clic".as_ref(), full);
        let report = Report::from(crate::load::LoadError::from(error));
        assert_eq!(
            report.to_string(),
            "error: no space for a\\u{7}.clic\ncause: no storage space\n\
             hint: free some space, or write to another disk\n"
        );
        assert_eq!((report.code, report.exit), ("disk-full", Exit::Failed));
    }

    #[test]
    fn json_has_every_part() {
        let report = Report::new("no-qr", "nothing").cause("white").exit(Exit::Refused);
        assert_eq!(
            report.to_json().to_string(),
            r#"{"error":{"causes":["white"],"code":"no-qr","hint":null,"message":"nothing"}}"#
        );
        assert_eq!(report.exit.code(), 3);
    }

    #[test]
    fn colour_adds_escapes_around_labels_alone() {
        let report = Report::new("x", "a").hint("b");
        let plain = anstream::adapter::strip_str(&report.styled(true)).to_string();
        assert_ne!(report.styled(true), plain);
        assert_eq!(plain, report.to_string());
    }
}
