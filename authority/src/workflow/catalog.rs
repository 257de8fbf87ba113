//! The catalog file: TOML, every name and value checked, every fault with its line.
//!
//! Unknown keys are refused, because a misspelt key would silently sell less or more than was meant. A file states
//! the things it names in full, over the catalog that stands.
//! Not here: where catalogs are kept (`repository::catalog`), what a sale comes to (`sale`).
//!
//! Spec: `docs/spec/catalog.md`.

use chancery_formats::id::is_hidden;

use super::position;
use crate::repository::Catalog;

pub mod change;
mod circle;
pub mod currency;
pub mod diff;
mod fault;
mod file;
mod goods;
mod read;
mod terms;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
pub mod written;

use fault::Fault;
use file::File;

/// Largest catalog file, in bytes.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// Most characters of a message.
const MAX_MESSAGE: usize = 400;

/// Why a file is not a catalog, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct CatalogError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

/// Reads a catalog file by itself, as the first of an authority.
///
/// # Errors
///
/// As [`read_over`].
pub fn read(text: &str) -> Result<Catalog, CatalogError> {
    read_over(&Catalog::default(), text)
}

/// Reads a catalog file over what stands, and returns the whole catalog that it makes.
///
/// # Errors
///
/// [`CatalogError`]: characters that a reviewer would not see, TOML that cannot be read, unknown keys, names that
/// are none, that occur twice or that refer to nothing, values of the wrong kind or out of range.
pub fn read_over(standing: &Catalog, text: &str) -> Result<Catalog, CatalogError> {
    require_visible(text)?;
    read_kept(standing, text)
}

/// Reads a file that was applied once, by the rules of its day: it was reviewed then.
pub(super) fn read_kept(standing: &Catalog, text: &str) -> Result<Catalog, CatalogError> {
    read::over(standing, &parse(text)?).map_err(|fault| located(text, fault))
}

/// Refuses what is no catalog file whatever stands: hidden characters, other TOML, unknown keys.
///
/// # Errors
///
/// Those faults of [`read_over`] that need no catalog.
pub fn require_shape(text: &str) -> Result<(), CatalogError> {
    require_visible(text)?;
    parse(text).map(drop)
}

fn parse(text: &str) -> Result<File, CatalogError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        located(text, Fault(error.span().unwrap_or(0..0), error.message().to_owned()))
    })
}

/// Reads the bytes of a file as text.
///
/// # Errors
///
/// [`CatalogError`] at the first byte that is not UTF-8.
pub fn decode(bytes: Vec<u8>) -> Result<String, CatalogError> {
    String::from_utf8(bytes).map_err(|error| {
        let (bytes, at) = (error.as_bytes(), error.utf8_error().valid_up_to());
        let before = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default());
        let message = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                "the file is UTF-16: save it as UTF-8 without a byte order mark"
            }
            _ => "this byte is not UTF-8: save the file as UTF-8",
        };
        located(&before, Fault(at..at, message.to_owned()))
    })
}

/// Refuses what hides or reorders text, in comments as well: who reviewed the file has to have seen what it says.
fn require_visible(text: &str) -> Result<(), CatalogError> {
    let hidden = |(_, c): &(usize, char)| is_hidden(*c) && !matches!(c, '\n' | '\r' | '\t');
    let Some((at, c)) = text.char_indices().find(hidden) else { return Ok(()) };
    let message = match c {
        '\u{feff}' if at == 0 => {
            "the file begins with a byte order mark: save it as UTF-8 without one".to_owned()
        }
        _ => format!(
            "character U+{:04X} controls, reorders or hides text, so that a reviewer does not see what the file says: remove it",
            u32::from(c)
        ),
    };
    Err(located(text, Fault(at..at, message)))
}

fn located(text: &str, fault: Fault) -> CatalogError {
    let Fault(span, message) = fault;
    let (line, column) = position::of(text, span.start);
    let message = message.trim().replace('\n', "; ");
    let mut shown: String = message.chars().take(MAX_MESSAGE).collect();
    if shown.len() < message.len() {
        shown.push('…');
    }
    CatalogError { line, column, message: shown }
}
