//! Loads a document from whatever carries it: its file, armor, the text of QR codes, or pictures.
//!
//! What a file is, its content tells, never its name. The bytes are carried, not decoded: nothing here
//! is verified. Bounds: 16 MiB of file, and the limits of pictures ([`crate::picture`]) and kinds.

use std::path::{Path, PathBuf};

use chancery_formats::approval::ApprovalRequest;
use chancery_formats::document::{Kind, MAX_BUNDLE};
use chancery_formats::text::{TextError, armor, decode_qr, frames};
use chancery_formats::trust::{Bundle, Exchange};

use crate::files::{FileError, read_document};
use crate::picture::{self, MAX_PICTURE_BYTES, PictureError};
use crate::text::{ShownPath, shown_within};

const MAX_SHOWN_CHARS: usize = 40;

/// What carried a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// Text between `-----BEGIN CHANCERY …-----` lines.
    Armor,
    /// The document's own bytes.
    File,
    /// A PNG or JPEG of QR codes.
    Picture,
    /// The text of QR codes, one a line.
    QrText,
}

impl Carrier {
    /// Returns what people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Armor => "armor",
            Self::File => "file",
            Self::Picture => "picture",
            Self::QrText => "QR text",
        }
    }
}

/// A document's bytes as they were carried; not decoded, not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The kind, where the carrier names it or the bytes start as a bundle or an exchange does; their typ tells the
    /// others.
    pub kind: Option<Kind>,
    /// The document.
    pub bytes: Vec<u8>,
    /// What carried it.
    pub carrier: Carrier,
}

/// Why a file does not give a document.
#[allow(missing_docs)] // the messages document the variants
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    #[error("{} holds several documents", ShownPath(.path))]
    Ambiguous { path: PathBuf },
    #[error("the picture {} is blurred, and no QR code can be made out", ShownPath(.path))]
    Blurred { path: PathBuf },
    #[error("{} is empty", ShownPath(.path))]
    Empty { path: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} has {} of the {count} QR codes that make the document", ShownPath(.path), .count - .missing)]
    Incomplete { path: PathBuf, missing: usize, count: usize },
    #[error("{} is no document, armor, QR text or picture", ShownPath(.path))]
    NotDocument { path: PathBuf },
    #[error("no QR code found in the picture {}", ShownPath(.path))]
    NoQr { path: PathBuf },
    #[error("the QR code in {} is not one of ours: \"{text}\"", ShownPath(.path))]
    NotOurs { path: PathBuf, text: String },
    #[error("cannot read the picture {}", ShownPath(.path))]
    Picture { path: PathBuf, source: PictureError },
    #[error("the QR code in the picture {} cannot be read", ShownPath(.path))]
    QrUnreadable { path: PathBuf },
    #[error("the text in {} is damaged", ShownPath(.path))]
    Text { path: PathBuf, source: TextError },
}

impl LoadError {
    fn picture(path: &Path, source: PictureError) -> Self {
        let path = path.into();
        match source {
            PictureError::Blurred => Self::Blurred { path },
            PictureError::NoQr => Self::NoQr { path },
            PictureError::QrUnreadable => Self::QrUnreadable { path },
            source => Self::Picture { path, source },
        }
    }

    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ambiguous { .. } => "several-documents",
            Self::Blurred { .. } => PictureError::Blurred.code(),
            Self::Empty { .. } => "file-empty",
            Self::File(error) => error.code(),
            Self::Incomplete { .. } => "qr-incomplete",
            Self::NotDocument { .. } => "not-a-document",
            Self::NoQr { .. } => PictureError::NoQr.code(),
            Self::NotOurs { .. } => "qr-not-ours",
            Self::Picture { source, .. } => source.code(),
            Self::QrUnreadable { .. } => PictureError::QrUnreadable.code(),
            Self::Text { source, .. } => source.code(),
        }
    }

    /// Returns the next action.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Ambiguous { .. } => "take a picture of one code at a time, or cut the others off",
            Self::Blurred { .. } => PictureError::Blurred.hint(),
            Self::Empty { .. } => "copy the file again from where it came",
            Self::File(error) => error.hint(),
            Self::Incomplete { .. } => {
                "take one picture that shows all codes, or put all their texts into one file"
            }
            Self::NotDocument { .. } => "check that it is the right file, and that it was copied whole",
            Self::NoQr { .. } => PictureError::NoQr.hint(),
            Self::NotOurs { .. } => "take a picture of the code on the license or request alone",
            Self::Picture { source, .. } => source.hint(),
            Self::QrUnreadable { .. } => PictureError::QrUnreadable.hint(),
            Self::Text { .. } => "copy the text again, whole and unchanged, or use the file",
        }
    }
}

/// Loads a document from a file, whatever carrier the file is.
///
/// # Errors
///
/// [`LoadError`]: the file cannot be read, or is no carrier, or a damaged or incomplete one.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    load_parts(&[path])
}

/// Loads a document whose frames are spread over several files, such as `NAME-1of3.png` and so on.
///
/// # Errors
///
/// As [`load`]; the error names the file at fault, or the last one where frames are missing.
pub fn load_parts(paths: &[impl AsRef<Path>]) -> Result<Loaded, LoadError> {
    let mut collected = Collected::default();
    for path in paths.iter().map(AsRef::as_ref) {
        collected.add_file(path)?;
    }
    let last = paths.last().map_or(Path::new(""), AsRef::as_ref);
    let loaded = collected.finish(last)?;
    let max_bytes = loaded.kind.map_or(MAX_BUNDLE, Kind::max_bytes);
    if loaded.bytes.len() > max_bytes {
        return Err(FileError::TooLarge { path: last.into(), max_bytes: max_bytes as u64 }.into());
    }
    Ok(loaded)
}

#[derive(Default)]
struct Collected {
    whole: Option<Loaded>,
    frames: frames::Assembly,
}

impl Collected {
    fn add_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let bytes = read_document(path, MAX_PICTURE_BYTES)?;
        if picture::is_picture(&bytes) {
            let texts = picture::read(&bytes).map_err(|source| LoadError::picture(path, source))?;
            return self.add_texts(path, texts.iter().map(String::as_str), Carrier::Picture);
        }
        let path_buf = || path.to_path_buf();
        match std::str::from_utf8(&bytes) {
            _ if bytes.is_empty() => Err(LoadError::Empty { path: path_buf() }),
            _ if is_envelope(&bytes) => self.add(path, Loaded { kind: None, bytes, carrier: Carrier::File }),
            _ if Bundle::looks_like(&bytes) => {
                self.add(path, Loaded { kind: Some(Kind::TrustBundle), bytes, carrier: Carrier::File })
            }
            _ if Exchange::looks_like(&bytes) => {
                self.add(path, Loaded { kind: Some(Kind::CeremonyExchange), bytes, carrier: Carrier::File })
            }
            _ if ApprovalRequest::looks_like(&bytes) => {
                self.add(path, Loaded { kind: Some(Kind::ApprovalRequest), bytes, carrier: Carrier::File })
            }
            Err(_) => Err(LoadError::NotDocument { path: path_buf() }),
            Ok(text) if armor::is_armor(text) => {
                let (kind, bytes) =
                    armor::decode(text).map_err(|source| LoadError::Text { path: path_buf(), source })?;
                self.add(path, Loaded { kind: Some(kind), bytes, carrier: Carrier::Armor })
            }
            Ok(text) => {
                // No text of ours starts or ends in a space: base45 of a document never does.
                let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
                let lines = lines.filter(|line| !line.is_empty());
                match lines.clone().next() {
                    None => Err(LoadError::Empty { path: path_buf() }),
                    Some(line) if is_ours(line) => self.add_texts(path, lines, Carrier::QrText),
                    Some(_) => Err(LoadError::NotDocument { path: path_buf() }),
                }
            }
        }
    }

    // A picture may show other codes beside ours; a file of texts may not.
    fn add_texts<'a>(
        &mut self,
        path: &Path,
        texts: impl Iterator<Item = &'a str> + Clone,
        carrier: Carrier,
    ) -> Result<(), LoadError> {
        let stranger = texts.clone().find(|text| !is_ours(text));
        let some_ours = texts.clone().any(is_ours);
        if let Some(text) = stranger.filter(|_| !some_ours || carrier == Carrier::QrText) {
            return Err(LoadError::NotOurs { path: path.into(), text: shown_within(text, MAX_SHOWN_CHARS) });
        }
        let damaged = |source| LoadError::Text { path: path.into(), source };
        for text in texts.filter(|text| is_ours(text)) {
            let (kind, bytes) = if text.starts_with(frames::PREFIX) {
                let Some(bytes) = self.frames.push(text).map_err(damaged)? else { continue };
                (Bundle::looks_like(&bytes).then_some(Kind::TrustBundle), bytes)
            } else {
                let (kind, bytes) = decode_qr(text).map_err(damaged)?;
                (Some(kind), bytes)
            };
            self.add(path, Loaded { kind, bytes, carrier })?;
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, loaded: Loaded) -> Result<(), LoadError> {
        match &self.whole {
            Some(whole) if whole.bytes != loaded.bytes => Err(LoadError::Ambiguous { path: path.into() }),
            Some(_) => Ok(()),
            None => {
                self.whole = Some(loaded);
                Ok(())
            }
        }
    }

    fn finish(self, last: &Path) -> Result<Loaded, LoadError> {
        let (count, missing) = self.frames.progress();
        match self.whole {
            Some(_) if missing > 0 => Err(LoadError::Ambiguous { path: last.into() }),
            Some(loaded) => Ok(loaded),
            None if count > 0 => Err(LoadError::Incomplete { path: last.into(), missing, count }),
            None => Err(LoadError::Empty { path: last.into() }),
        }
    }
}

// Every document but the bundle starts with the CBOR tag 18 of COSE_Sign1 (RFC 9052 §4.2).
fn is_envelope(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0xd2)
}

fn is_ours(text: &str) -> bool {
    text.starts_with(frames::PREFIX) || Kind::ALL.iter().any(|kind| text.starts_with(kind.qr_prefix()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
