//! The lines of a JSON Lines file, and a line as one flat object: no key twice, no fraction, nothing within anything.
//!
//! A line is found by its line feed and bounded before it is parsed. A carriage return counts as white space of JSON
//! only before that line feed.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead, Read};

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::source::{MAX_COLUMNS, MAX_ROW};

/// A value of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: an empty cell, or null.
    Absent,
    /// Several texts.
    List(Vec<String>),
    /// Something that no field takes: what it is, in words.
    Other(&'static str),
    /// A text, or a whole number as its digits.
    Text(String),
}

/// A line as it stands in the file.
#[derive(Debug, Default)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// Where it begins and ends, in bytes from where reading began, its line break within.
    pub span: (u64, u64),
    /// Whether a line break ends it; the last line of a file may have none.
    pub has_ended: bool,
    /// Whether it is longer than is taken; it is then not all here.
    pub is_too_long: bool,
    /// Without its line break.
    pub bytes: Vec<u8>,
}

/// Reads lines one after the other.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    number: u64,
    offset: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads from the beginning of a text.
    pub const fn new(input: R) -> Self {
        Self { input, number: 0, offset: 0 }
    }

    /// Reads the next line into `line`, and returns whether there was one. Blank lines are passed over.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn next(&mut self, line: &mut Line) -> io::Result<bool> {
        loop {
            if !self.read(line)? {
                return Ok(false);
            }
            if !line.bytes.iter().all(u8::is_ascii_whitespace) || line.is_too_long {
                return Ok(true);
            }
        }
    }

    fn read(&mut self, line: &mut Line) -> io::Result<bool> {
        line.bytes.clear();
        let read = (&mut self.input).take(MAX_ROW as u64).read_until(b'\n', &mut line.bytes)?;
        if read == 0 {
            return Ok(false);
        }
        let mut length = read as u64;
        line.has_ended = line.bytes.last() == Some(&b'\n');
        line.is_too_long = false;
        if line.has_ended {
            line.bytes.pop();
            if line.bytes.last() == Some(&b'\r') {
                line.bytes.pop();
            }
        } else if read == MAX_ROW {
            let (skipped, has_ended) = self.skip()?;
            length += skipped;
            (line.has_ended, line.is_too_long) = (has_ended, skipped > 0);
        }
        self.number += 1;
        (line.number, line.span) = (self.number, (self.offset, self.offset + length));
        self.offset += length;
        Ok(true)
    }

    /// Passes over the rest of a line; returns how long it was, and whether a line break ends it.
    fn skip(&mut self) -> io::Result<(u64, bool)> {
        let mut skipped = 0;
        loop {
            let available = self.input.fill_buf()?;
            let end = available.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(available.len(), |end| end + 1);
            let at_end = available.is_empty();
            self.input.consume(length);
            skipped += length as u64;
            if at_end || end.is_some() {
                return Ok((skipped, end.is_some()));
            }
        }
    }
}

/// The keys and values of a line, in their order.
#[derive(Debug)]
pub struct Object(pub Vec<(String, Value)>);

impl Object {
    /// Parses a line.
    ///
    /// # Errors
    ///
    /// What serde finds wrong: text that is no JSON, something else than an object, a key twice, too many keys.
    pub fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one order line as an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let (mut found, mut keys) = (Vec::new(), BTreeSet::new());
        while let Some(key) = map.next_key::<String>()? {
            if keys.len() == MAX_COLUMNS {
                return Err(A::Error::custom(format_args!("more than {MAX_COLUMNS} keys")));
            }
            if !keys.insert(key.clone()) {
                // Which of the two counts is told differently by every program.
                let shown: String = key.chars().take(super::fault::MAX_SHOWN).collect();
                return Err(A::Error::custom(format_args!("key `{shown}` occurs twice")));
            }
            found.push((key, map.next_value()?));
        }
        Ok(Object(found))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other("true or false"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other("a negative number"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    // Also numbers that are too large for 64 bits.
    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other("a number that is not whole, or not written as one"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let (mut found, mut are_texts) = (Vec::new(), true);
        while let Some(value) = list.next_element()? {
            match value {
                Value::Text(text) => found.push(text),
                _ => are_texts = false,
            }
        }
        Ok(if are_texts { Value::List(found) } else { Value::Other("a list of something else than texts") })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an object"))
    }
}

/// Says what serde finds wrong with a line, and at which byte of it, from 1.
#[must_use]
pub fn describe(error: &serde_json::Error) -> (u64, String) {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    (error.column() as u64, what.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, Value)>, String> {
        Object::parse(text.as_bytes()).map(|object| object.0).map_err(|error| describe(&error).1)
    }

    #[test]
    fn values_are_texts_whole_numbers_and_lists_of_texts() {
        let text = r#"{"a":"x","b":7,"c":["y","z"],"d":null,"e":18446744073709551615}"#;
        let list = Value::List(vec!["y".to_owned(), "z".to_owned()]);
        let values: Vec<_> = parse(text).unwrap().into_iter().map(|(_, value)| value).collect();
        let number = |digits: &str| Value::Text(digits.to_owned());
        assert_eq!(values, [number("x"), number("7"), list, Value::Absent, number("18446744073709551615")]);
    }

    #[test]
    fn what_no_field_takes_is_named() {
        for value in ["1.0", "1e2", "-1", "18446744073709551616", "true", "{}", "[1.5]", "[[\"x\"]]"] {
            let found = parse(&format!("{{\"a\":{value}}}")).unwrap().remove(0).1;
            assert!(matches!(found, Value::Other(_)), "{value}: {found:?}");
        }
    }

    #[test]
    fn what_is_no_flat_object_is_refused() {
        assert_eq!(parse(r#"{"a":1,"a":1}"#), Err("key `a` occurs twice".to_owned()));
        // The same key, written otherwise.
        assert_eq!(parse(r#"{"a":1,"\u0061":2}"#), Err("key `a` occurs twice".to_owned()));
        let many: Vec<_> = (0..=MAX_COLUMNS).map(|number| format!("\"k{number}\":1")).collect();
        assert_eq!(parse(&format!("{{{}}}", many.join(","))), Err(format!("more than {MAX_COLUMNS} keys")));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(parse(&deep), Err("recursion limit exceeded".to_owned()));
        for text in ["", "[]", "1", "{\"a\":1", "{\"a\":1} x", "{'a':1}", "{\"a\":\"\\ud800\"}", "{\"a\":01}"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lines_without_end_are_passed_over() {
        let text = format!("{{}}\r\n\n  \n{}\n{{\"b\":1}}", "x".repeat(5 * MAX_ROW));
        for capacity in [1, 4_096] {
            let mut lines = Lines::new(io::BufReader::with_capacity(capacity, text.as_bytes()));
            let (mut line, mut found) = (Line::default(), Vec::new());
            while lines.next(&mut line).unwrap() {
                assert!(line.bytes.len() <= MAX_ROW);
                let length = if line.is_too_long { 0 } else { line.bytes.len() };
                found.push((line.number, line.is_too_long, line.has_ended, length));
                let (start, end) = line.span;
                assert_eq!(text[start as usize..end as usize].ends_with('\n'), line.has_ended);
            }
            assert_eq!(found, [(1, false, true, 2), (4, true, true, 0), (5, false, false, 7)]);
        }
    }
}
