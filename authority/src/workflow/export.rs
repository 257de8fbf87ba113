//! The files that a document leaves in: reserved before anything is signed, written when it is.
//!
//! A name that is taken, a folder that cannot be written and a disk that is full are all found while
//! nothing has been drawn yet.

use std::path::{Path, PathBuf};

use chancery_carriers::files::{Output, create_new};
use chancery_carriers::picture::{self, Format};
use chancery_carriers::text::ShownPath;
use chancery_formats::document::Kind;
use chancery_formats::text::armor;

use crate::error::CommandError;

/// Where a document is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// The document itself.
    pub file: &'a Path,
    /// A picture of its QR code, `.png` or `.svg`; several numbered ones where it needs several codes.
    pub qr: Option<&'a Path>,
    /// Its armor, for mail.
    pub armor: Option<&'a Path>,
}

/// Files reserved for a document.
#[derive(Debug)]
pub struct Reserved {
    file: Output,
    armor: Option<Output>,
    pictures: Vec<Output>,
    format: Format,
}

/// Reserves the files of a document of `length` bytes.
///
/// # Errors
///
/// Names that are taken, folders that cannot be written, disks without space; nothing is left behind.
pub fn reserve(targets: &Targets<'_>, length: usize) -> Result<Reserved, CommandError> {
    let format = targets.qr.map_or(Ok(Format::Png), format_of)?;
    let output = |path: &Path, bytes: u64| -> Result<Output, CommandError> {
        let output = create_new(path)?;
        output.reserve(bytes)?;
        Ok(output)
    };
    let file = output(targets.file, length as u64)?;
    // Base64 takes four characters for three bytes, and a line break for every 64.
    let armor = targets.armor.map(|path| output(path, 200 + 3 * length as u64 / 2)).transpose()?;
    let names = targets.qr.map(|path| picture::file_names(path, picture::symbol_count(length)));
    let pictures = names.iter().flatten().map(|path| output(path, format.max_bytes(length)));
    let pictures = pictures.collect::<Result<Vec<_>, _>>()?;
    Ok(Reserved { file, armor, pictures, format })
}

fn format_of(picture: &Path) -> Result<Format, CommandError> {
    Format::of_name(picture).map_err(|error| {
        CommandError::usage(format!("{} ends neither in .png nor in .svg", ShownPath(picture)))
            .hint(error.hint())
    })
}

impl Reserved {
    /// Writes the document in every form asked for and returns the paths, the document's first.
    ///
    /// # Errors
    ///
    /// What the file system refuses in spite of the reservation.
    pub fn write(self, kind: Kind, document: &[u8]) -> Result<Vec<PathBuf>, CommandError> {
        let mut paths = vec![self.file.path().to_path_buf()];
        self.file.commit(document)?;
        let symbols = if self.pictures.is_empty() { Vec::new() } else { picture::encode(kind, document)? };
        for (output, symbol) in self.pictures.into_iter().zip(&symbols) {
            paths.push(output.path().to_path_buf());
            output.commit(&symbol.draw(self.format))?;
        }
        if let Some(output) = self.armor {
            let text = armor::encode(kind, document)
                .map_err(|error| CommandError::failed(error.code(), error.to_string()))?;
            paths.push(output.path().to_path_buf());
            output.commit(text.as_bytes())?;
        }
        Ok(paths)
    }
}
