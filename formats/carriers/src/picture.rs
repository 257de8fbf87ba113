//! QR codes as pictures: drawn as PNG and SVG, read from PNG and JPEG.
//!
//! Drawn at error correction level M with a quiet zone of 4 modules (ISO/IEC 18004 §6.3.8). A document
//! up to version [`MAX_VERSION`] is one code; a larger one is numbered frames, one picture each, since
//! printers and cameras fail first on fine codes. Not here: the terminal (`terminal`), which
//! document a text carries (`load`).

use std::path::{Path, PathBuf};

use chancery_formats::document::Kind;
use chancery_formats::text::{encode_qr, frames};
use qrcode::{EcLevel, QrCode};

mod draw;
mod read;

pub use read::{MAX_PICTURE_BYTES, MAX_PIXELS, is_picture, read};

/// Highest version of a code that carries a whole document; above it a document is split into frames.
pub const MAX_VERSION: u8 = 27;

// Alphanumeric characters that version 27-M holds.
const MAX_SINGLE_CHARS: usize = 1_637;

/// Why a QR code cannot be drawn or read.
#[allow(missing_docs)] // the messages document the variants
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    #[error("the picture is blurred, and no QR code can be made out")]
    Blurred,
    #[error("the picture is damaged")]
    Damaged { source: image::ImageError },
    #[error("the name ends neither in .png nor in .svg")]
    NameEnding,
    #[error("no QR code found in the picture")]
    NoQr,
    #[error("not a PNG or JPEG picture")]
    NotPicture,
    #[error("the QR code in the picture cannot be read")]
    QrUnreadable,
    #[error("the picture takes too long to search")]
    TooComplex,
    #[error("text of {chars} characters does not fit a QR code")]
    TooLong { chars: usize },
    #[error("the picture has more than {MAX_PIXELS} pixels")]
    TooManyPixels,
}

impl PictureError {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Blurred => "picture-blurred",
            Self::Damaged { .. } => "picture-damaged",
            Self::NameEnding => "picture-name",
            Self::NoQr => "no-qr",
            Self::NotPicture => "not-a-picture",
            Self::QrUnreadable => "qr-unreadable",
            Self::TooComplex => "picture-too-complex",
            Self::TooLong { .. } => "qr-too-long",
            Self::TooManyPixels => "picture-too-large",
        }
    }

    /// Returns the next action.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Blurred => "hold still, let the camera focus and come closer, or use the file",
            Self::Damaged { .. } => "copy or take the picture again",
            Self::NameEnding => "end the name in .png or .svg",
            Self::NoQr => "show the whole code with its white margin, sharp and evenly lit, or use the file",
            Self::NotPicture => "save the picture as PNG or JPEG",
            Self::QrUnreadable => {
                "take a sharper picture, hold the camera parallel to the code, or use the file"
            }
            Self::TooComplex => "cut the picture down to the code, or use the file",
            Self::TooLong { .. } => "use the file or its armor; it is too large for QR codes",
            Self::TooManyPixels => "take the picture at a lower resolution, or cut it down to the code",
        }
    }
}

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Pixels, 8 for each module, black and white.
    Png,
    /// Lines, for print at any size.
    Svg,
}

impl Format {
    /// Returns the format that the ending of a file's name asks for, in either case of letters.
    ///
    /// # Errors
    ///
    /// [`PictureError::NameEnding`] for any other ending.
    pub fn of_name(path: &Path) -> Result<Self, PictureError> {
        match path.extension() {
            Some(ending) if ending.eq_ignore_ascii_case("png") => Ok(Self::Png),
            Some(ending) if ending.eq_ignore_ascii_case("svg") => Ok(Self::Svg),
            _ => Err(PictureError::NameEnding),
        }
    }

    /// Returns how many bytes a picture of a document of `document_bytes` has at most, to reserve them.
    #[must_use]
    pub fn max_bytes(self, document_bytes: usize) -> u64 {
        // Above one code's reach every frame is at most version 15.
        let version = if qr_chars(document_bytes) > MAX_SINGLE_CHARS { 15 } else { MAX_VERSION };
        draw::max_bytes(self, 17 + 4 * usize::from(version))
    }
}

/// A QR code: a square of dark and light modules, without its quiet zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    width: usize,
    dark: Vec<bool>,
}

impl Symbol {
    /// Encodes text at level M in the smallest version that holds it.
    ///
    /// # Errors
    ///
    /// [`PictureError::TooLong`] for text that version 40 does not hold.
    pub fn new(text: &str) -> Result<Self, PictureError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M)
            .map_err(|_| PictureError::TooLong { chars: text.chars().count() })?;
        let dark = code.to_colors().into_iter().map(|color| color == qrcode::Color::Dark).collect();
        Ok(Self { width: code.width(), dark })
    }

    /// Returns the modules along one side, without the quiet zone: 21 to 177.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Returns the version, 1 to 40.
    #[must_use]
    pub fn version(&self) -> u8 {
        u8::try_from((self.width - 17) / 4).unwrap_or(u8::MAX)
    }

    /// Returns whether a module is dark; everything outside the code is light.
    #[must_use]
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.width && self.dark.get(y * self.width + x).copied().unwrap_or(false)
    }

    /// Draws the code with its quiet zone.
    #[must_use]
    pub fn draw(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Png => draw::png(self),
            Format::Svg => draw::svg(self).into_bytes(),
        }
    }
}

/// Returns the version, 1 to 40, of the QR code of a text at level M.
///
/// # Errors
///
/// [`PictureError::TooLong`] for text that version 40 does not hold.
pub fn qr_version(text: &str) -> Result<u8, PictureError> {
    Symbol::new(text).map(|symbol| symbol.version())
}

fn qr_chars(document_bytes: usize) -> usize {
    "CL1:".len() + document_bytes.saturating_mul(3).div_ceil(2)
}

/// Returns how many QR codes carry a document of `document_bytes` bytes; known before it is signed.
#[must_use]
pub fn symbol_count(document_bytes: usize) -> usize {
    if qr_chars(document_bytes) <= MAX_SINGLE_CHARS { 1 } else { document_bytes.div_ceil(frames::CHUNK) }
}

/// Encodes a document as one QR code, or as frames where it is too large: [`symbol_count`] of them.
///
/// # Errors
///
/// [`PictureError::TooLong`] for a document of more than 255 frames, 99,450 bytes.
pub fn encode(kind: Kind, document: &[u8]) -> Result<Vec<Symbol>, PictureError> {
    if symbol_count(document.len()) == 1 {
        return Ok(vec![Symbol::new(&encode_qr(kind, document))?]);
    }
    let too_long = |_| PictureError::TooLong { chars: qr_chars(document.len()) };
    frames::split(document).map_err(too_long)?.iter().map(|text| Symbol::new(text)).collect()
}

/// Returns the names of `count` pictures: `path` itself for one, `NAME-1of3.png` and so on for more.
#[must_use]
pub fn file_names(path: &Path, count: usize) -> Vec<PathBuf> {
    if count == 1 {
        return vec![path.into()];
    }
    let numbered = |index| {
        let mut name = path.file_stem().unwrap_or_default().to_os_string();
        name.push(format!("-{index}of{count}"));
        if let Some(ending) = path.extension() {
            name.push(".");
            name.push(ending);
        }
        path.with_file_name(name)
    };
    (1..=count).map(numbered).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
