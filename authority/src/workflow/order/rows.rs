//! The lines of a file of orders, one after the other, whatever its form.
//!
//! What means that the file is not the one that was sent is an error for the file: [`check`] finds all of that before
//! a line is taken. What is wrong with one line is a fault of that line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;

use chancery_carriers::text::shown_within;

use super::cells::{Broken, Cells, Reader};
use super::fault::{Column, Fault, Flaw, MAX_SHOWN};
use super::field::Field;
use super::json::{Line, Lines, Object, Value, describe};
use super::mapping::Mapping;
use super::source::{Form, MAX_COLUMNS, MAX_ROW, MAX_ROWS, Source};
use super::wish::Wish;
use crate::error::CommandError;
use crate::workflow::nearest::nearest;

/// A line of the file.
#[derive(Debug)]
pub struct Row {
    /// Number of the line at which it begins, from 1.
    pub line: u64,
    /// Where it begins and ends, in bytes from the beginning of the file.
    pub span: (u64, u64),
    /// What it asks for, or why it is not taken.
    pub wish: Result<Wish, Fault>,
}

/// Reads lines one after the other.
#[derive(Debug)]
pub struct Rows<'a> {
    source: &'a Source,
    mapping: &'a Mapping,
    /// Which fields a column stands for.
    fields: BTreeMap<&'a str, Vec<Field>>,
    text: Text,
    rows: u64,
    /// Where the header ends, in bytes from the beginning of the file; where the text begins without one.
    header_end: u64,
}

#[derive(Debug)]
enum Text {
    Csv { reader: Reader<BufReader<File>>, cells: Cells, header: Vec<String> },
    JsonLines { lines: Lines<BufReader<File>>, line: Line },
}

/// Reads a file to its end for everything that would be wrong with it as a whole, and returns how many lines it has.
/// `progress` is told how much is read, and of how much, in bytes.
///
/// # Errors
///
/// Those of [`Rows::open`] and [`Rows::read`]; `orders-empty`.
pub fn check(
    source: &Source,
    mapping: &Mapping,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, CommandError> {
    let mut rows = Rows::open(source, mapping)?;
    while rows.advance()? {
        progress(rows.span().1, source.size());
    }
    match rows.rows {
        0 => Err(source.refused("orders-empty", "it has no orders", "export it again, with orders in it")),
        count => Ok(count),
    }
}

impl<'a> Rows<'a> {
    /// Begins to read, with the header where there is one.
    ///
    /// # Errors
    ///
    /// `column-unknown`, `column-missing`, `column-repeated`, `too-many-columns`, `header-missing`; what is no CSV at
    /// all; those of the file.
    pub fn open(source: &'a Source, mapping: &'a Mapping) -> Result<Self, CommandError> {
        let mut fields: BTreeMap<&str, Vec<Field>> = BTreeMap::new();
        for (field, column) in mapping.columns() {
            fields.entry(column).or_default().push(field);
        }
        let input = source.reader()?;
        let text = match source.form() {
            Form::Csv => Text::Csv {
                reader: Reader::new(input, mapping.separator),
                cells: Cells::default(),
                header: Vec::new(),
            },
            Form::JsonLines => Text::JsonLines { lines: Lines::new(input), line: Line::default() },
        };
        let mut rows = Self { source, mapping, fields, text, rows: 0, header_end: source.start() };
        rows.read_header()?;
        Ok(rows)
    }

    /// Returns where the header ends, in bytes from the beginning of the file; where the text begins without one.
    #[must_use]
    pub const fn header_end(&self) -> u64 {
        self.header_end
    }

    /// Returns the next line; `None` after the last.
    ///
    /// # Errors
    ///
    /// `csv-malformed`, `line-end-other`, `file-truncated`, `orders-too-large`; those of the file.
    pub fn read(&mut self) -> Result<Option<Row>, CommandError> {
        if !self.advance()? {
            return Ok(None);
        }
        let line = self.line();
        let values = self.values();
        let wish = values
            .and_then(|values| Wish::read(self.mapping, values).map_err(|flaw| self.fault_of(line, flaw)));
        Ok(Some(Row { line, span: self.span(), wish }))
    }

    /// Places a flaw in the line at which it was found.
    pub(super) fn fault_of(&self, line: u64, flaw: Flaw) -> Fault {
        let column = flaw.field.and_then(|field| self.mapping.column(field));
        Fault {
            line,
            column: column.map(|name| Column::Named(name.to_owned())),
            code: flaw.code,
            message: flaw.message,
        }
    }

    fn line(&self) -> u64 {
        match &self.text {
            Text::Csv { cells, .. } => cells.line,
            Text::JsonLines { line, .. } => line.number,
        }
    }

    fn span(&self) -> (u64, u64) {
        let (start, end) = match &self.text {
            Text::Csv { cells, .. } => cells.span,
            Text::JsonLines { line, .. } => line.span,
        };
        (self.source.start() + start, self.source.start() + end)
    }

    /// Reads the next line as it stands, and returns whether there was one.
    fn advance(&mut self) -> Result<bool, CommandError> {
        let source = self.source;
        let is_there = match &mut self.text {
            Text::Csv { reader, cells, header } => {
                let is_there = reader.next(cells).map_err(|broken| no_csv(source, broken))?;
                if is_there && !cells.has_ended && cells.len() < header.len() {
                    return Err(truncated(source, cells.line));
                }
                is_there
            }
            Text::JsonLines { lines, line } => {
                let is_there = lines.next(line).map_err(|error| source.unreadable(error))?;
                if is_there && line.bytes.contains(&b'\r') {
                    return Err(return_alone(source, line.number));
                }
                let is_cut = is_there && !line.has_ended && !line.is_too_long;
                if is_cut && Object::parse(&line.bytes).is_err_and(|error| error.is_eof()) {
                    return Err(truncated(source, line.number));
                }
                is_there
            }
        };
        if is_there {
            self.rows += 1;
            if self.rows > MAX_ROWS {
                let cause = format!("it has more than {MAX_ROWS} lines");
                return Err(source.refused("orders-too-large", cause, "export it in several files"));
            }
        }
        Ok(is_there)
    }

    fn read_header(&mut self) -> Result<(), CommandError> {
        let source = self.source;
        let Text::Csv { reader, cells, header } = &mut self.text else { return Ok(()) };
        if !reader.next(cells).map_err(|broken| no_csv(source, broken))? {
            return Err(source.refused(
                "header-missing",
                "it has no header",
                "export it with the names of its columns",
            ));
        }
        if cells.is_too_long {
            let cause = format!("its header has more than {MAX_COLUMNS} columns, or {MAX_ROW} bytes");
            return Err(source.refused("too-many-columns", cause, "export fewer columns"));
        }
        *header = cells.iter().map(str::to_owned).collect();
        self.header_end = source.start() + cells.span.1;
        require_columns(source, self.mapping, &self.fields, header)
    }

    /// Returns the values of the line by field.
    fn values(&self) -> Result<BTreeMap<Field, Value>, Fault> {
        let mut found = BTreeMap::new();
        let fault = |code, message: String| Fault { line: self.line(), column: None, code, message };
        let too_long = || {
            let message = format!("longer than {MAX_ROW} bytes, or more than {MAX_COLUMNS} columns");
            Err(fault("line-too-long", message))
        };
        match &self.text {
            Text::Csv { cells, .. } if cells.is_too_long => too_long(),
            Text::Csv { cells, header, .. } => {
                if cells.len() != header.len() {
                    let message = format!("{} cells, where the header has {}", cells.len(), header.len());
                    return Err(fault("cells-other", message));
                }
                for (name, cell) in header.iter().zip(cells.iter()) {
                    for field in self.fields.get(name.as_str()).into_iter().flatten() {
                        found.insert(*field, Value::Text(cell.to_owned()));
                    }
                }
                Ok(found)
            }
            Text::JsonLines { line, .. } if line.is_too_long => too_long(),
            Text::JsonLines { line, .. } => {
                let object = Object::parse(&line.bytes).map_err(|error| {
                    let (place, message) = describe(&error);
                    let column = Some(Column::Place(place));
                    Fault { line: line.number, column, code: "json-malformed", message }
                })?;
                for (key, value) in object.0 {
                    let fields = self.fields.get(key.as_str());
                    if fields.is_none() && !self.mapping.ignores_others {
                        let message = unknown(&key, self.fields.keys().copied());
                        let column = Some(Column::Named(key));
                        return Err(Fault { line: line.number, column, code: "column-unknown", message });
                    }
                    for field in fields.into_iter().flatten() {
                        found.insert(*field, value.clone());
                    }
                }
                Ok(found)
            }
        }
    }
}

fn require_columns(
    source: &Source,
    mapping: &Mapping,
    fields: &BTreeMap<&str, Vec<Field>>,
    header: &[String],
) -> Result<(), CommandError> {
    let mut seen = BTreeSet::new();
    for name in header {
        let is_known = fields.contains_key(name.as_str());
        if !is_known && !mapping.ignores_others {
            let separators = [";", "\t", "|"];
            let hint = match separators
                .iter()
                .find(|separator| header.len() == 1 && name.contains(**separator))
            {
                Some(separator) => {
                    format!(
                        "the cells seem to be separated otherwise: say `separator = {separator:?}` in a mapping file"
                    )
                }
                None => "name it in a mapping file, or say `others = \"ignore\"` there".to_owned(),
            };
            return Err(source.refused("column-unknown", unknown(name, fields.keys().copied()), hint));
        }
        if !seen.insert(name) && is_known {
            let cause = format!("column `{}` occurs twice", shown_within(name, MAX_SHOWN));
            return Err(source.refused("column-repeated", cause, "export each column once"));
        }
    }
    let missing = |(name, _): &(&&str, &Vec<Field>)| !header.iter().any(|known| known == **name);
    let wanted = fields.iter().filter(|(_, fields)| {
        mapping.is_explicit || fields.contains(&Field::Order) || fields.contains(&Field::Customer)
    });
    match wanted.filter(|entry| missing(entry)).map(|(name, _)| *name).next() {
        None => Ok(()),
        Some(name) => {
            let cause = format!("it has no column `{}`", shown_within(name, MAX_SHOWN));
            let hint = "export it with that column, or say in a mapping file how the columns are called";
            Err(source.refused("column-missing", cause, hint))
        }
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = (name.len() <= MAX_SHOWN).then(|| nearest(name, known)).flatten();
    let meant =
        near.map(|near| format!(": is `{}` meant?", shown_within(near, MAX_SHOWN))).unwrap_or_default();
    format!("column `{}` is not known{meant}", shown_within(name, MAX_SHOWN))
}

fn no_csv(source: &Source, broken: Broken) -> CommandError {
    let refused = |cause: String| {
        source.refused("csv-malformed", cause, "export it anew as CSV of RFC 4180; nothing of it was taken")
    };
    match broken {
        Broken::QuoteInside { line } => {
            refused(format!("line {line} has a quote within a cell that does not begin with one"))
        }
        Broken::QuoteOpen { line } => refused(format!("the quote that line {line} opens is never closed")),
        Broken::ReturnAlone { line } => return_alone(source, line),
        Broken::TextBehindQuote { line } => {
            refused(format!("line {line} has text between a closing quote and the next separator"))
        }
        Broken::Unreadable(error) => source.unreadable(error),
    }
}

fn return_alone(source: &Source, line: u64) -> CommandError {
    let cause = format!("line {line} has a carriage return without a line feed");
    source.refused("line-end-other", cause, "export it with lines that end in LF, or in CR and LF")
}

fn truncated(source: &Source, line: u64) -> CommandError {
    let cause = format!("its last line, {line}, is not whole");
    source.refused("file-truncated", cause, "copy the file again, whole; nothing of it was taken")
}
