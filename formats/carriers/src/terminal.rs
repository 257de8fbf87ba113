//! QR codes on a terminal: two modules a character, in half blocks.
//!
//! Most terminals are dark, so light modules are drawn and dark ones left out. Programs that add space
//! between lines break the code: a picture is always the safer way, and the hint says so.

use crate::picture::Symbol;

const QUIET_ZONE: usize = 2;

/// The ground that a terminal writes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Light letters on a dark ground.
    #[default]
    Dark,
    /// Dark letters on a light ground.
    Light,
}

/// A code that is larger than the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the QR code needs {needed_columns} columns and {needed_rows} rows; the terminal has {columns} and {rows}"
)]
pub struct DoesNotFit {
    /// Columns that the code needs.
    pub needed_columns: usize,
    /// Rows that the code needs.
    pub needed_rows: usize,
    /// Columns that the terminal has.
    pub columns: usize,
    /// Rows that the terminal has.
    pub rows: usize,
}

impl DoesNotFit {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "terminal-too-small"
    }

    /// Returns the next action.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "write a picture with --qr FILE.png, or enlarge the window or shrink its letters"
    }
}

/// Returns the columns and rows that a code takes, its quiet zone among them.
#[must_use]
pub const fn size(symbol: &Symbol) -> (usize, usize) {
    let side = symbol.width() + 2 * QUIET_ZONE;
    (side, side.div_ceil(2))
}

/// Returns whether a code fits, with one row left for the prompt.
#[must_use]
pub const fn fits(symbol: &Symbol, columns: usize, rows: usize) -> bool {
    let (needed_columns, needed_rows) = size(symbol);
    needed_columns <= columns && needed_rows < rows
}

/// Returns the columns and rows of the terminal that stdout is; `None` where it is none.
#[must_use]
pub fn window() -> Option<(usize, usize)> {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        (size.ws_col > 0).then_some((size.ws_col.into(), size.ws_row.into()))
    }
    #[cfg(not(unix))]
    None
}

/// Draws a code for the terminal that stdout is; where stdout is none, for any width.
///
/// # Errors
///
/// [`DoesNotFit`] where the terminal is too small: a code that wraps or scrolls cannot be read.
pub fn draw(symbol: &Symbol, theme: Theme) -> Result<String, DoesNotFit> {
    match window() {
        Some((columns, rows)) if !fits(symbol, columns, rows) => {
            let (needed_columns, needed_rows) = size(symbol);
            Err(DoesNotFit { needed_columns, needed_rows: needed_rows + 1, columns, rows })
        }
        _ => Ok(render(symbol, theme)),
    }
}

/// Draws a code as lines of half blocks, each ended by a line break.
#[must_use]
pub fn render(symbol: &Symbol, theme: Theme) -> String {
    let (columns, rows) = size(symbol);
    let inked = |x: usize, y: usize| {
        // Below the last row of an odd code lies nothing, drawn as the quiet zone is.
        let dark = x >= QUIET_ZONE && y >= QUIET_ZONE && symbol.is_dark(x - QUIET_ZONE, y - QUIET_ZONE);
        dark == (theme == Theme::Light)
    };
    let mut text = String::with_capacity(rows * (3 * columns + 1));
    for row in 0..rows {
        text.extend((0..columns).map(|x| match (inked(x, 2 * row), inked(x, 2 * row + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }));
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn half_blocks_show_every_module_in_both_themes() {
        let symbol = Symbol::new("CR1:HELLO").unwrap();
        for theme in [Theme::Dark, Theme::Light] {
            let text = render(&symbol, theme);
            let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
            assert_eq!((lines[0].len(), lines.len()), size(&symbol));
            for y in 0..lines.len() * 2 {
                for (x, &block) in lines[y / 2].iter().enumerate() {
                    let inked = block == '█' || block == if y % 2 == 0 { '▀' } else { '▄' };
                    let dark = inked == (theme == Theme::Light);
                    let inside = x >= QUIET_ZONE && y >= QUIET_ZONE;
                    assert_eq!(dark, inside && symbol.is_dark(x - QUIET_ZONE, y - QUIET_ZONE), "{x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_code_fits_only_with_a_row_for_the_prompt() {
        let symbol = Symbol::new(&"A".repeat(160)).unwrap();
        assert_eq!(symbol.version(), 7);
        assert_eq!(size(&symbol), (49, 25));
        assert!(fits(&symbol, 49, 26));
        assert!(!fits(&symbol, 48, 26));
        assert!(!fits(&symbol, 49, 25));
        assert!(!fits(&symbol, 80, 24), "80 × 24 holds version 6 at most");
        assert!(fits(&Symbol::new(&"A".repeat(130)).unwrap(), 80, 24));
    }

    #[test]
    fn what_does_not_fit_tells_the_numbers() {
        let error = DoesNotFit { needed_columns: 85, needed_rows: 44, columns: 80, rows: 24 };
        assert_eq!(error.to_string(), "the QR code needs 85 columns and 44 rows; the terminal has 80 and 24");
        assert!(error.hint().contains("--qr FILE.png"));
    }
}
