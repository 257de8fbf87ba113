//! The cells of a CSV file (RFC 4180), read strictly and one row at a time.
//!
//! What other readers mend silently is refused here, because it means that the file is not the one that was sent: a
//! quote that is never closed, text behind a closing quote, a quote within a bare cell, a carriage return alone. A row
//! that is too long is passed over whole, and never kept. Lines end in LF or CRLF; a quoted cell may hold both.

use std::io::{self, BufRead};

use super::source::{MAX_COLUMNS, MAX_ROW};

/// Why a file is no CSV, and in which line.
#[derive(Debug)]
pub enum Broken {
    /// A quote in a cell that does not begin with one.
    QuoteInside { line: u64 },
    /// A quoted cell that never ends; the line is that of its first quote.
    QuoteOpen { line: u64 },
    /// A carriage return without a line feed.
    ReturnAlone { line: u64 },
    /// Something else than a separator behind a closing quote.
    TextBehindQuote { line: u64 },
    /// The file cannot be read.
    Unreadable(io::Error),
}

/// One row, until the next is read.
#[derive(Debug, Default)]
pub struct Cells {
    /// Number of the line at which it begins, from 1.
    pub line: u64,
    /// Where it begins and ends, in bytes from where reading began, its line break within.
    pub span: (u64, u64),
    /// Whether a line break ends it; the last row of a file may have none.
    pub has_ended: bool,
    /// Whether it is longer, or has more cells, than is taken; its cells are then not all here.
    pub is_too_long: bool,
    /// Cells one behind the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Cells {
    /// Returns how many cells the row has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether the row has no cells, which no row has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the cells, in order. A file that was found to be UTF-8 has no others.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let cells =
            starts.zip(&self.ends).map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default());
        cells.map(|cell| std::str::from_utf8(cell).unwrap_or_default())
    }

    fn begin(&mut self, line: u64, at: u64) {
        self.bytes.clear();
        self.ends.clear();
        (self.line, self.span) = (line, (at, at));
        (self.has_ended, self.is_too_long) = (false, false);
    }

    fn push(&mut self, byte: u8) {
        if self.bytes.len() < MAX_ROW { self.bytes.push(byte) } else { self.is_too_long = true }
    }

    fn end_cell(&mut self) {
        if self.ends.len() < MAX_COLUMNS { self.ends.push(self.bytes.len()) } else { self.is_too_long = true }
    }

    /// Whether this is a line with nothing on it, which is no row.
    fn is_blank(&self, quoted: bool) -> bool {
        !quoted && self.ends.len() == 1 && self.bytes.is_empty()
    }
}

/// Where in a row reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte of a cell.
    Start,
    /// In a bare cell.
    Bare,
    /// In a quoted cell, whose first quote stands in this line.
    Quoted(u64),
    /// Behind a quote that closes a cell, or is the first of two.
    Quote,
    /// Behind a carriage return.
    Return,
}

/// Reads rows one after the other.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    separator: u8,
    line: u64,
    offset: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads from the beginning of a text, with the byte that stands between cells.
    pub const fn new(input: R, separator: u8) -> Self {
        Self { input, separator, line: 1, offset: 0 }
    }

    /// Reads the next row into `cells`, and returns whether there was one. Blank lines are passed over.
    ///
    /// # Errors
    ///
    /// [`Broken`]; nothing more can be read then.
    pub fn next(&mut self, cells: &mut Cells) -> Result<bool, Broken> {
        loop {
            match self.row(cells)? {
                None => return Ok(false),
                Some(quoted) if cells.is_blank(quoted) => {}
                Some(_) => return Ok(true),
            }
        }
    }

    /// Reads a row, and returns whether it has a quoted cell; `None` at the end of the text.
    fn row(&mut self, cells: &mut Cells) -> Result<Option<bool>, Broken> {
        cells.begin(self.line, self.offset);
        let (mut place, mut quoted) = (Place::Start, false);
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Unreadable(error)),
            };
            if available.is_empty() {
                return self.end_of_text(cells, place, quoted);
            }
            let mut used = 0;
            for byte in available {
                used += 1;
                place = step(cells, place, *byte, self.separator, self.line)?;
                quoted |= matches!(place, Place::Quoted(_));
                if *byte == b'\n' {
                    self.line += 1;
                    cells.has_ended = place == Place::Start;
                    if cells.has_ended {
                        break;
                    }
                }
            }
            self.input.consume(used);
            self.offset += used as u64;
            cells.span.1 = self.offset;
            // A quoted line break at the start of a cell leaves the cell quoted, so that only a row ends so.
            if cells.has_ended {
                let (start, end) = cells.span;
                cells.is_too_long |= end - start > MAX_ROW as u64;
                return Ok(Some(quoted));
            }
        }
    }

    fn end_of_text(&self, cells: &mut Cells, place: Place, quoted: bool) -> Result<Option<bool>, Broken> {
        match place {
            Place::Quoted(line) => Err(Broken::QuoteOpen { line }),
            Place::Return => Err(Broken::ReturnAlone { line: self.line }),
            Place::Start if cells.span.0 == cells.span.1 => Ok(None),
            Place::Start | Place::Bare | Place::Quote => {
                cells.end_cell();
                let (start, end) = cells.span;
                cells.is_too_long |= end - start > MAX_ROW as u64;
                Ok(Some(quoted))
            }
        }
    }
}

/// Takes a byte, and returns where reading is then: [`Place::Start`] behind a line feed is the end of the row.
fn step(cells: &mut Cells, place: Place, byte: u8, separator: u8, line: u64) -> Result<Place, Broken> {
    match (place, byte) {
        (Place::Return, b'\n') => {
            cells.end_cell();
            Ok(Place::Start)
        }
        (Place::Return, _) => Err(Broken::ReturnAlone { line }),
        (Place::Quoted(_), b'"') => Ok(Place::Quote),
        (Place::Quoted(_), byte) => {
            cells.push(byte);
            Ok(place)
        }
        // The line is that of the second quote of two; a cell that never ends is found close enough by it.
        (Place::Quote, b'"') => {
            cells.push(byte);
            Ok(Place::Quoted(line))
        }
        (Place::Start, b'"') => Ok(Place::Quoted(line)),
        (Place::Bare, b'"') => Err(Broken::QuoteInside { line }),
        (Place::Start | Place::Bare | Place::Quote, b'\r') => Ok(Place::Return),
        (Place::Start | Place::Bare | Place::Quote, byte) if byte == b'\n' || byte == separator => {
            cells.end_cell();
            Ok(Place::Start)
        }
        (Place::Quote, _) => Err(Broken::TextBehindQuote { line }),
        (Place::Start | Place::Bare, byte) => {
            cells.push(byte);
            Ok(Place::Bare)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Rows = Vec<(u64, Vec<String>)>;

    fn read(text: &[u8], capacity: usize) -> Result<Rows, Broken> {
        let mut reader = Reader::new(io::BufReader::with_capacity(capacity, text), b',');
        let (mut cells, mut rows) = (Cells::default(), Vec::new());
        while reader.next(&mut cells)? {
            rows.push((cells.line, cells.iter().map(str::to_owned).collect()));
        }
        Ok(rows)
    }

    fn rows(text: &str) -> Rows {
        let rows = read(text.as_bytes(), 4_096).unwrap();
        // However the bytes come in.
        assert_eq!(read(text.as_bytes(), 1).unwrap(), rows, "{text:?}");
        rows
    }

    fn row(line: u64, cells: &[&str]) -> (u64, Vec<String>) {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn cells_are_bare_or_quoted_and_lines_end_in_either_way() {
        assert_eq!(rows("a,b\r\n1,2\n"), [row(1, &["a", "b"]), row(2, &["1", "2"])]);
        assert_eq!(rows("a,\"b\"\"c\",\n"), [row(1, &["a", "b\"c", ""])]);
        assert_eq!(rows("\"a,\r\nb\",c\r\nd"), [row(1, &["a,\r\nb", "c"]), row(3, &["d"])]);
        assert_eq!(rows("\"\"\n"), [row(1, &[""])]);
        assert_eq!(rows("a\n\n\r\nb"), [row(1, &["a"]), row(4, &["b"])]);
        assert_eq!(rows(",\n"), [row(1, &["", ""])]);
        assert_eq!(rows("\"\n\"\n"), [row(1, &["\n"])]);
        assert_eq!(rows(""), []);
        assert_eq!(rows("\n"), []);
    }

    #[test]
    fn what_other_readers_mend_is_refused_with_its_line() {
        for (text, expected) in [
            ("a\n\"b", "QuoteOpen { line: 2 }"),
            ("a\n\"b\n\n\n", "QuoteOpen { line: 2 }"),
            ("a\nb\"c\n", "QuoteInside { line: 2 }"),
            ("\"a\"b\n", "TextBehindQuote { line: 1 }"),
            ("\"a\" \n", "TextBehindQuote { line: 1 }"),
            ("a\rb\n", "ReturnAlone { line: 1 }"),
            ("a\r\r\n", "ReturnAlone { line: 1 }"),
            ("a\n\r", "ReturnAlone { line: 2 }"),
        ] {
            for capacity in [1, 4_096] {
                assert_eq!(
                    format!("{:?}", read(text.as_bytes(), capacity).unwrap_err()),
                    expected,
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn rows_without_end_are_passed_over_and_the_next_one_is_read() {
        let long = format!("{}\nb,c\n", "x".repeat(10 * MAX_ROW));
        let wide = format!("{}\nb,c\n", ",".repeat(1_000_000));
        let quoted = format!("\"{}\"\nb,c\n", "\"\"\n".repeat(MAX_ROW));
        for text in [long, wide, quoted] {
            let mut reader = Reader::new(text.as_bytes(), b',');
            let mut cells = Cells::default();
            assert!(reader.next(&mut cells).unwrap() && cells.is_too_long);
            assert!(cells.bytes.capacity() <= 2 * MAX_ROW && cells.ends.len() <= MAX_COLUMNS);
            assert!(reader.next(&mut cells).unwrap() && !cells.is_too_long);
            assert_eq!(cells.iter().collect::<Vec<_>>(), ["b", "c"]);
            let (start, end) = cells.span;
            assert_eq!(&text[start as usize..end as usize], "b,c\n");
            assert!(!reader.next(&mut cells).unwrap());
        }
    }

    #[test]
    fn the_last_row_says_whether_it_ended() {
        for (text, has_ended) in [("a,b\n", true), ("a,b", false), ("a,\"b\"", false), ("a,", false)] {
            let mut reader = Reader::new(text.as_bytes(), b',');
            let mut cells = Cells::default();
            assert!(reader.next(&mut cells).unwrap());
            assert_eq!((cells.len(), cells.has_ended), (2, has_ended), "{text}");
        }
    }
}
