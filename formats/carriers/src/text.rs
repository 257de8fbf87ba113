//! Text from elsewhere, made safe to show: nothing in it controls, reorders or hides.
//!
//! Names in orders, paths on sticks and texts in QR codes come from strangers. Whatever is printed goes
//! through here, so that an escape sequence cannot repaint the operator's screen and a bidi mark cannot
//! turn a name around. Not here: which names are accepted at all (`formats::id`).

use std::fmt::{self, Write};
use std::path::Path;

use chancery_formats::id::is_hidden;

/// Shows text with every control, bidi and hidden character as `\u{…}`.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| show_char(f, c))
    }
}

fn show_char(f: &mut impl Write, c: char) -> fmt::Result {
    if is_hidden(c) { write!(f, "\\u{{{:x}}}", u32::from(c)) } else { f.write_char(c) }
}

/// Returns text with every control, bidi and hidden character as `\u{…}`.
///
/// # Examples
///
/// ```
/// use chancery_carriers::text::shown;
///
/// assert_eq!(shown("Müller"), "Müller");
/// assert_eq!(shown("a\u{1b}[31mb"), "a\\u{1b}[31mb");
/// ```
#[must_use]
pub fn shown(text: &str) -> String {
    Shown(text).to_string()
}

/// Returns [`shown`] text of at most `max_chars` characters of the original, with `…` where it is cut.
#[must_use]
pub fn shown_within(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", Shown(&text[..end])),
        None => shown(text),
    }
}

/// Shows a path as [`Shown`] does, and bytes that are not UTF-8 as `\xNN`.
#[derive(Clone, Copy, Debug)]
pub struct ShownPath<'a>(pub &'a Path);

impl fmt::Display for ShownPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_os_str().as_encoded_bytes().utf8_chunks() {
            Shown(chunk.valid()).fmt(f)?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Returns a path as [`ShownPath`] shows it.
#[must_use]
pub fn shown_path(path: &Path) -> String {
    ShownPath(path).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_reorders_or_hides_is_escaped() {
        for (text, expected) in [
            ("a\u{1b}[2J", "a\\u{1b}[2J"),
            ("a\u{9b}2J", "a\\u{9b}2J"),
            ("a\u{7f}\u{8}", "a\\u{7f}\\u{8}"),
            ("cilc\u{202e}gnp", "cilc\\u{202e}gnp"),
            ("pay\u{200b}pal\u{feff}", "pay\\u{200b}pal\\u{feff}"),
            ("line\nhint: run this", "line\\u{a}hint: run this"),
            ("a\r\tb\0", "a\\u{d}\\u{9}b\\u{0}"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown("Søn & 東京 \\u"), "Søn & 東京 \\u");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shown_within("東京東京", 3), "東京東…");
        assert_eq!(shown_within("東京", 2), "東京");
        assert_eq!(shown_within("\u{1b}\u{1b}", 1), "\\u{1b}…");
        assert_eq!(shown_within("x", 0), "…");
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_utf_8_show_their_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a/\xff\x1b.clic"));
        assert_eq!(shown_path(path), "a/\\xff\\u{1b}.clic");
    }
}
