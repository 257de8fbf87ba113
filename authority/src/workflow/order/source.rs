//! A file of orders as text: a regular file of bounded size, in UTF-8, from its beginning to its end.
//!
//! A byte order mark is passed over where it stands at the very start. Anything else than UTF-8 is named as what it
//! most likely is, since whoever exported the file can choose another encoding and nobody can guess names right.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use chancery_carriers::files::{FileError, open_document};

use super::fault::refused;
use crate::error::CommandError;

/// Largest file, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

/// Most lines of orders in a file.
pub const MAX_ROWS: u64 = 1 << 22;

/// Longest line, in bytes, with its line break.
pub const MAX_ROW: usize = 64 * 1024;

/// Most columns of a file, or keys of a line.
pub const MAX_COLUMNS: usize = 1_024;

const BUFFER: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// In what form a file has its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table with a header (RFC 4180).
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// A file of orders, open.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    size: u64,
    /// Where the text begins: behind the byte order mark.
    start: u64,
    form: Form,
}

impl Source {
    /// Opens a file and reads all of it for its encoding. `progress` is told how much is read, and of how much, in
    /// bytes.
    ///
    /// # Errors
    ///
    /// `file-empty`, `json-array`, `orders-too-large`, `encoding-utf-16`, `encoding-utf-32`, `encoding-other`, `nul-byte`,
    /// `file-truncated`; those of the file.
    pub fn open(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, CommandError> {
        let file = open_document(path)?;
        let size = file.metadata().map_err(|source| unreadable(path, source))?.len();
        if size > MAX_FILE {
            let cause = format!("it has {size} bytes, more than {MAX_FILE}");
            return Err(refused(path, "orders-too-large", cause, "export it in several files"));
        }
        let mut source = Self { path: path.into(), file, size, start: 0, form: Form::Csv };
        source.inspect(progress)?;
        Ok(source)
    }

    /// Returns the form that the file has, by how its text begins.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Returns where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its size, in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns where its text begins, in bytes.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// Returns what reads the text from its beginning; one at a time.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn reader(&self) -> Result<BufReader<File>, CommandError> {
        self.reader_at(self.start)
    }

    /// Returns what reads the file from a byte on; one at a time.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn reader_at(&self, byte: u64) -> Result<BufReader<File>, CommandError> {
        let open = || {
            let mut file = self.file.try_clone()?;
            file.seek(SeekFrom::Start(byte))?;
            Ok(file)
        };
        let file = open().map_err(|source| unreadable(&self.path, source))?;
        Ok(BufReader::with_capacity(BUFFER, file))
    }

    /// Refuses the file as a whole.
    pub(super) fn refused(
        &self,
        code: &'static str,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> CommandError {
        refused(&self.path, code, cause, hint)
    }

    pub(super) fn unreadable(&self, source: io::Error) -> CommandError {
        unreadable(&self.path, source)
    }

    fn inspect(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), CommandError> {
        let mut buffer = vec![0; BUFFER];
        // Bytes at the front of the buffer that may be the first ones of a character.
        let (mut kept, mut read, mut lines, mut has_begun) = (0, 0_u64, 1_u64, false);
        loop {
            let count = self.fill(&mut buffer, kept)?;
            let end = kept + count;
            if read == 0 {
                self.start = self.begin(&buffer[..end])?;
            }
            if count == 0 {
                break;
            }
            let valid = match std::str::from_utf8(&buffer[..end]) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(error) => {
                    let place = error.valid_up_to();
                    let line = lines + line_breaks(&buffer[..place]);
                    return Err(self.not_utf_8(buffer[place], line));
                }
            };
            let text = &buffer[..valid];
            if let Some(place) = text.iter().position(|byte| *byte == 0) {
                let offset = read - kept as u64 + place as u64;
                return Err(self.nul(lines + line_breaks(&text[..place]), offset));
            }
            if !has_begun {
                let skipped = if read == 0 { self.start as usize } else { 0 };
                let first = text.iter().skip(skipped).find(|byte| !byte.is_ascii_whitespace());
                if let Some(first) = first {
                    has_begun = true;
                    if *first == b'[' {
                        let hint =
                            "write one object a line, as JSON Lines has it, for example with `jq -c '.[]'`";
                        return Err(self.refused("json-array", "it is one JSON array", hint));
                    }
                    self.form = if *first == b'{' { Form::JsonLines } else { Form::Csv };
                }
            }
            lines += line_breaks(text);
            read += count as u64;
            buffer.copy_within(valid..end, 0);
            kept = end - valid;
            progress(read, self.size);
        }
        if kept > 0 {
            let cause = format!("line {lines} ends within a character");
            return Err(self.refused("file-truncated", cause, "copy the file again, whole"));
        }
        if has_begun { Ok(()) } else { Err(self.refused("file-empty", "it has no text", "export it again")) }
    }

    fn fill(&mut self, buffer: &mut [u8], from: usize) -> Result<usize, CommandError> {
        loop {
            match self.file.read(&mut buffer[from..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(|source| unreadable(&self.path, source)),
            }
        }
    }

    /// Returns where the text begins, by the first bytes of the file.
    fn begin(&self, first: &[u8]) -> Result<u64, CommandError> {
        let name = match first {
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some(("encoding-utf-32", "UTF-32")),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(("encoding-utf-16", "UTF-16")),
            _ => None,
        };
        match name {
            Some((code, name)) => {
                Err(self.other(code, format!("its byte order mark is that of {name}"), name))
            }
            None if first.starts_with(BYTE_ORDER_MARK) => Ok(BYTE_ORDER_MARK.len() as u64),
            None => Ok(0),
        }
    }

    fn nul(&self, line: u64, offset: u64) -> CommandError {
        // ASCII in UTF-16 has a NUL in each character, so the first is among the first bytes.
        if offset < 4 {
            return self.other("encoding-utf-16", "every other byte is NUL".to_owned(), "UTF-16");
        }
        let cause = format!("line {line} holds a NUL byte");
        self.refused("nul-byte", cause, "copy the file again, whole, or export it as UTF-8")
    }

    fn not_utf_8(&self, byte: u8, line: u64) -> CommandError {
        let (name, character) = match byte {
            0x80..=0x9f => ("Windows-1252", None),
            _ => ("Latin-1 (ISO 8859-1)", Some(char::from(byte))),
        };
        let shown = character.map(|character| format!(", `{character}`")).unwrap_or_default();
        let cause = format!("line {line} is not UTF-8: byte 0x{byte:02x} looks like {name}{shown}");
        self.other("encoding-other", cause, name)
    }

    fn other(&self, code: &'static str, cause: String, name: &str) -> CommandError {
        let hint = format!("export it as UTF-8, or convert it from {name}, for example with `iconv`");
        self.refused(code, cause, hint)
    }
}

fn line_breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn unreadable(path: &Path, source: io::Error) -> CommandError {
    FileError::Io { action: "read", path: path.into(), source }.into()
}
