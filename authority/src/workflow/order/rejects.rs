//! The lines that were not taken as a file of their own, byte for byte as they came: to be mended, and imported again.
//!
//! Lines that are longer than is taken are written too: nothing of what came is lost. The file holds what strangers
//! wrote, as the file that was imported did, and is no safer to open in a spreadsheet than that.

use std::io::Read;

use chancery_carriers::files::{FileError, Output};

use super::Source;
use crate::error::CommandError;

/// Writes the header, where there is one, and these parts of the source, each given as where it begins and ends.
///
/// # Errors
///
/// Those of the files; `file-truncated` where the source became shorter meanwhile.
pub fn write(
    source: &Source,
    header_end: u64,
    spans: &[(u64, u64)],
    output: Output,
) -> Result<(), CommandError> {
    output.commit_in_parts(|parts| {
        let header = (source.start(), header_end);
        let mut buffer = Vec::new();
        for (start, end) in std::iter::once(&header).chain(spans) {
            let mut rest = end - start;
            let mut reader = source.reader_at(*start)?;
            let mut last = b'\n';
            while rest > 0 {
                buffer.clear();
                let part = rest.min(64 * 1024);
                let read = (&mut reader).take(part).read_to_end(&mut buffer);
                let read = read.map_err(|error| source.unreadable(error))? as u64;
                if read < part {
                    let cause = "it became shorter while it was read";
                    return Err(source.refused("file-truncated", cause, "run the command again"));
                }
                last = buffer.last().copied().unwrap_or(last);
                parts.append(&buffer)?;
                rest -= read;
            }
            // The last line of a file may end without a line break; here another may follow.
            if last != b'\n' {
                parts.append(b"\n")?;
            }
        }
        Ok::<_, CommandError>(())
    })
}

/// Prepares the file, so that one that exists is refused before anything is taken.
///
/// # Errors
///
/// Those of the file.
pub fn prepare(path: &std::path::Path) -> Result<Output, FileError> {
    chancery_carriers::files::create_new_private(path)
}
