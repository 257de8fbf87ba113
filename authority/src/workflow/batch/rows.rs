//! The input of a batch: a file of JSON lines, one license a line, read strictly and never kept.
//!
//! `{"entitlement": "ent_…", "request": "FILE"}`; the request is optional, and a relative path counts from the
//! folder of the input. Not here: whether a row can be issued (`check`).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use chancery_carriers::files::{FileError, open_document};
use chancery_carriers::load::load;
use chancery_formats::id::EntitlementId;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::CommandError;

/// Longest row, in bytes, without its line break.
pub const MAX_ROW: usize = 8 * 1024;

/// Most rows of a batch.
pub const MAX_ROWS: u64 = 1 << 22;

/// What is hashed before the rows: names the way in which they are.
const DOMAIN: &[u8] = b"chancery batch input 1\n";

/// Where rows are, and what they are called: the same rows under another label are another batch.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The file.
    pub path: &'a Path,
    /// Empty where none is needed.
    pub label: &'a str,
}

/// Why a row cannot be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number of the line, from 1.
    pub line: u64,
    /// Stable kebab-case code.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Number of the line, from 1.
    pub line: u64,
    /// What the license draws from.
    pub entitlement: EntitlementId,
    /// The request that it answers.
    pub request: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    entitlement: String,
    #[serde(default)]
    request: Option<String>,
}

impl Row {
    /// Reads the request that the row names, from whatever carries it.
    ///
    /// # Errors
    ///
    /// Those of the file and its carrier.
    pub fn load(&self) -> Result<Option<Vec<u8>>, CommandError> {
        Ok(self.request.as_deref().map(load).transpose()?.map(|loaded| loaded.bytes))
    }
}

/// The rows of an input, one after the other, and the hash over those that were taken up.
#[derive(Debug)]
pub struct Rows {
    path: PathBuf,
    folder: PathBuf,
    reader: BufReader<File>,
    /// Size of the file when it was opened, in bytes.
    size: u64,
    /// Bytes read.
    read: u64,
    /// Lines read.
    lines: u64,
    line: Vec<u8>,
    hash: Sha256,
}

impl Rows {
    /// Opens an input.
    ///
    /// # Errors
    ///
    /// Those of the file, which must be a regular one.
    pub fn open(input: &Input<'_>) -> Result<Self, CommandError> {
        let path = input.path;
        let file = open_document(path)?;
        let size = file.metadata().map_err(|source| unreadable(path, source))?.len();
        Ok(Self {
            path: path.into(),
            folder: path.parent().unwrap_or(Path::new("")).into(),
            reader: BufReader::with_capacity(64 * 1024, file),
            size,
            read: 0,
            lines: 0,
            line: Vec::new(),
            hash: Sha256::new_with_prefix(DOMAIN)
                .chain_update((input.label.len() as u64).to_be_bytes())
                .chain_update(input.label),
        })
    }

    /// Returns how much is read, and of how much, in bytes.
    pub const fn progress(&self) -> (u64, u64) {
        (self.read, self.size)
    }

    /// Returns the next row, or what is wrong with it; `None` after the last.
    ///
    /// # Errors
    ///
    /// `batch-too-large`; those of the file.
    pub fn next(&mut self) -> Result<Option<Result<Row, Fault>>, CommandError> {
        self.line.clear();
        let limit = MAX_ROW as u64 + 1;
        let fault = |source| unreadable(&self.path, source);
        let read = (&mut self.reader).take(limit).read_until(b'\n', &mut self.line).map_err(fault)?;
        if read == 0 {
            return Ok(None);
        }
        (self.read, self.lines) = (self.read + read as u64, self.lines + 1);
        if self.lines > MAX_ROWS {
            let message = format!("the input has more than {MAX_ROWS} rows");
            return Err(CommandError::refused("batch-too-large", message).hint("issue it in several batches"));
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read as u64 == limit {
            self.skip_line()?;
            return Ok(Some(Err(self.fault("row-too-long", format!("longer than {MAX_ROW} bytes")))));
        }
        Ok(Some(self.parse()))
    }

    /// Adds a row and its request to the hash.
    pub fn take_up(&mut self, row: &Row, request: Option<&[u8]>) {
        self.hash.update(row.entitlement.0);
        match request {
            None => self.hash.update([0]),
            Some(bytes) => {
                self.hash.update([1]);
                self.hash.update(hash_of(bytes));
            }
        }
    }

    /// Returns the hash over the rows that were taken up: their number is in it, since each has one length or the
    /// other, told by a byte.
    pub fn into_hash(self) -> [u8; 32] {
        self.hash.finalize().into()
    }

    fn parse(&self) -> Result<Row, Fault> {
        let malformed = |message: String| self.fault("row-malformed", message);
        let written: Written =
            serde_json::from_slice(&self.line).map_err(|error| malformed(describe(&error)))?;
        let entitlement = written.entitlement.parse().map_err(|_| {
            malformed("`entitlement` is no id of an entitlement: ent_ and 13 letters or digits".to_owned())
        })?;
        let request = match written.request {
            Some(request) if request.is_empty() => return Err(malformed("`request` is empty".to_owned())),
            Some(request) => Some(self.folder.join(request)),
            None => None,
        };
        Ok(Row { line: self.lines, entitlement, request })
    }

    fn skip_line(&mut self) -> Result<(), CommandError> {
        loop {
            let available = self.reader.fill_buf().map_err(|source| unreadable(&self.path, source))?;
            let end = available.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(available.len(), |end| end + 1);
            let at_end = available.is_empty() || end.is_some();
            self.reader.consume(length);
            self.read += length as u64;
            if at_end {
                return Ok(());
            }
        }
    }

    fn fault(&self, code: &'static str, message: String) -> Fault {
        Fault { line: self.lines, code, message }
    }
}

/// Says what serde finds wrong, with the place in the line and not the line, which is always the first to it.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("column {}: {what}", error.column())
}

/// Returns the SHA-256 of a request, by which its license is found again.
pub fn hash_of(request: &[u8]) -> [u8; 32] {
    Sha256::digest(request).into()
}

fn unreadable(path: &Path, source: std::io::Error) -> CommandError {
    FileError::Io { action: "read", path: path.into(), source }.into()
}
