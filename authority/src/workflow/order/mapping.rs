//! How the columns of an export are called, and what its values mean here: a reviewed TOML file.
//!
//! Without one, columns have the names of [`Field`]s. What a mapping does not say is refused, never guessed: a column
//! that it does not name, a value that its table has not.
//!
//! Spec: `docs/spec/orders.md` §3.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chancery_carriers::files::read_document;
use chancery_carriers::text::{shown_path, shown_within};
use chancery_formats::id::is_hidden;
use serde::Deserialize;
use toml::Spanned;

use super::Field;
use super::fault::MAX_SHOWN;
use crate::error::CommandError;
use crate::workflow::nearest::nearest;

/// Largest mapping file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// How a file of orders is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Whether the columns are named one by one, so that each is to be there.
    pub is_explicit: bool,
    /// Columns by field; a field that is not here has no column.
    columns: BTreeMap<Field, String>,
    constants: BTreeMap<Field, String>,
    values: BTreeMap<Field, BTreeMap<String, String>>,
    lower: BTreeSet<Field>,
    /// Whether columns that are not mapped are passed over; refused where not.
    pub ignores_others: bool,
    /// Between the cells of a CSV file.
    pub separator: u8,
    /// Between the names of a list in one cell.
    pub list_separator: char,
    dates: Option<DateForm>,
    zone: Option<String>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            is_explicit: false,
            columns: Field::ALL.into_iter().map(|field| (field, field.name().to_owned())).collect(),
            constants: BTreeMap::new(),
            values: BTreeMap::new(),
            lower: BTreeSet::new(),
            ignores_others: false,
            separator: b',',
            list_separator: ';',
            dates: None,
            zone: None,
        }
    }
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    separator: Option<Spanned<String>>,
    list_separator: Option<Spanned<String>>,
    others: Option<Spanned<String>>,
    dates: Option<Spanned<String>>,
    zone: Option<Spanned<String>>,
    #[serde(default)]
    lower: Vec<Spanned<String>>,
    #[serde(default)]
    columns: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    constants: BTreeMap<Spanned<String>, Spanned<Scalar>>,
    #[serde(default)]
    values: BTreeMap<Spanned<String>, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Whole(u64),
}

/// Something wrong with a place of the file.
struct Wrong(std::ops::Range<usize>, String);

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    ///
    /// `mapping-malformed` with the line; those of the file.
    pub fn load(path: &Path) -> Result<Self, CommandError> {
        let bytes = read_document(path, MAX_FILE)?;
        let refused = |cause: String| {
            CommandError::refused("mapping-malformed", format!("{} is no mapping", shown_path(path)))
                .cause(cause)
                .hint("docs/spec/orders.md says what a mapping holds")
        };
        let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
        Self::read(&text).map_err(refused)
    }

    /// Reads the text of a mapping.
    ///
    /// # Errors
    ///
    /// What is wrong, with its line.
    pub fn read(text: &str) -> Result<Self, String> {
        if let Some(place) = text.find(|c: char| is_hidden(c) && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(format!(
                "line {}: a character controls, reorders or hides text",
                line_of(text, place)
            ));
        }
        let written: Written = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            format!("line {}: {}", line_of(text, place), error.message())
        })?;
        Self::from_written(written)
            .map_err(|Wrong(span, message)| format!("line {}: {message}", line_of(text, span.start)))
    }

    fn from_written(written: Written) -> Result<Self, Wrong> {
        let mut mapping = Self::default();
        if let Some(separator) = &written.separator {
            mapping.separator = match separator.get_ref().as_str() {
                "," => b',',
                ";" => b';',
                "\t" => b'\t',
                "|" => b'|',
                _ => return Err(wrong(separator, "`separator` is a comma, a semicolon, a tab or a bar")),
            };
        }
        if let Some(separator) = &written.list_separator {
            mapping.list_separator = match separator.get_ref().as_str() {
                "," => ',',
                ";" => ';',
                " " => ' ',
                "|" => '|',
                _ => {
                    return Err(wrong(
                        separator,
                        "`list_separator` is a comma, a semicolon, a space or a bar",
                    ));
                }
            };
        }
        if let Some(others) = &written.others {
            mapping.ignores_others = match others.get_ref().as_str() {
                "ignore" => true,
                "refuse" => false,
                _ => return Err(wrong(others, "`others` is \"ignore\" or \"refuse\"")),
            };
        }
        if let Some(dates) = &written.dates {
            let form = DateForm::new(dates.get_ref());
            let message = "`dates` has YYYY, MM and DD once each, with marks between them";
            mapping.dates = Some(form.ok_or_else(|| wrong(dates, message))?);
        }
        if let Some(zone) = &written.zone {
            let name = zone.get_ref();
            if crate::workflow::term::start(&format!("2027-01-01[{name}]")).is_err() {
                return Err(wrong(zone, "`zone` is no time zone of the IANA database"));
            }
            mapping.zone = Some(name.clone());
        }
        let has_columns = !written.columns.is_empty();
        if has_columns {
            (mapping.is_explicit, mapping.columns) = (true, BTreeMap::new());
        }
        for (name, column) in written.columns {
            let field = field(&name)?;
            if column.get_ref().is_empty() {
                return Err(wrong(&column, "a column has a name"));
            }
            mapping.columns.insert(field, column.into_inner());
        }
        for (name, constant) in written.constants {
            let field = field(&name)?;
            if has_columns && mapping.columns.contains_key(&field) {
                return Err(wrong(
                    &name,
                    "this field has a column, and cannot be the same for every line as well",
                ));
            }
            mapping.columns.remove(&field);
            let value = match constant.into_inner() {
                Scalar::Text(text) => text,
                Scalar::Whole(number) => number.to_string(),
            };
            mapping.constants.insert(field, value);
        }
        for (name, values) in written.values {
            mapping.values.insert(field(&name)?, values);
        }
        for name in &written.lower {
            mapping.lower.insert(field(name)?);
        }
        Ok(mapping)
    }

    /// Returns the column of a field, as the file calls it; none where it has none.
    #[must_use]
    pub fn column(&self, field: Field) -> Option<&str> {
        self.columns.get(&field).map(String::as_str)
    }

    /// Returns the fields with their columns.
    pub fn columns(&self) -> impl Iterator<Item = (Field, &str)> {
        self.columns.iter().map(|(field, column)| (*field, column.as_str()))
    }

    /// Returns what every line says of a field.
    #[must_use]
    pub fn constant(&self, field: Field) -> Option<&str> {
        self.constants.get(&field).map(String::as_str)
    }

    /// Returns what a value of the file means here.
    ///
    /// # Errors
    ///
    /// A value that the table of the field has not: what is wrong, for people.
    pub(super) fn meaning(&self, field: Field, value: &str) -> Result<String, String> {
        let mapped = match self.values.get(&field) {
            None => value,
            Some(values) => values.get(value).ok_or_else(|| {
                format!("the mapping does not say what `{}` means", shown_within(value, MAX_SHOWN))
            })?,
        };
        if self.lower.contains(&field) { Ok(mapped.to_ascii_lowercase()) } else { Ok(mapped.to_owned()) }
    }

    /// Returns a date of the file as terms are written: `2027-06-30`, with its zone where there is one.
    ///
    /// # Errors
    ///
    /// Text that is not of the form that the mapping names: what is wrong, for people.
    pub(super) fn date(&self, value: &str) -> Result<String, String> {
        let date = match &self.dates {
            None => value.to_owned(),
            Some(form) => {
                let wrong =
                    || format!("`{}` is not of the form {}", shown_within(value, MAX_SHOWN), form.text);
                form.convert(value).ok_or_else(wrong)?
            }
        };
        match &self.zone {
            Some(zone) if date.len() == "2027-06-30".len() => Ok(format!("{date}[{zone}]")),
            _ => Ok(date),
        }
    }
}

/// How dates are written: `DD.MM.YYYY`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DateForm {
    text: String,
}

impl DateForm {
    fn new(text: &str) -> Option<Self> {
        let marks = text.replacen("YYYY", "", 1).replacen("MM", "", 1).replacen("DD", "", 1);
        let has_each = ["YYYY", "MM", "DD"].iter().all(|part| text.matches(part).count() == 1);
        let are_marks = marks.chars().all(|c| c.is_ascii_punctuation() || c == ' ');
        (has_each && are_marks && text.len() <= 32).then(|| Self { text: text.to_owned() })
    }

    /// Returns the date as `YYYY-MM-DD`; whether there is such a day is not asked here.
    fn convert(&self, value: &str) -> Option<String> {
        if !value.is_ascii() || value.len() != self.text.len() {
            return None;
        }
        let part = |name: &str| {
            let start = self.text.find(name)?;
            let digits = value.get(start..start + name.len())?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)
        };
        let is_mark = |(form, found): (u8, u8)| form.is_ascii_alphabetic() || form == found;
        let are_marks = self.text.bytes().zip(value.bytes()).all(is_mark);
        let (year, month, day) = (part("YYYY")?, part("MM")?, part("DD")?);
        are_marks.then(|| format!("{year}-{month}-{day}"))
    }
}

fn field(name: &Spanned<String>) -> Result<Field, Wrong> {
    let known = || Field::ALL.into_iter().map(Field::name);
    Field::from_name(name.get_ref()).ok_or_else(|| {
        let shown = shown_within(name.get_ref(), MAX_SHOWN);
        let near = (name.get_ref().len() <= MAX_SHOWN).then(|| nearest(name.get_ref(), known())).flatten();
        let meant = near.map(|near| format!(": is `{near}` meant?")).unwrap_or_default();
        Wrong(name.span(), format!("`{shown}` is no field of an order{meant}"))
    })
}

fn wrong<T>(at: &Spanned<T>, message: &str) -> Wrong {
    Wrong(at.span(), message.to_owned())
}

fn line_of(text: &str, place: usize) -> usize {
    1 + text.bytes().take(place).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn columns_constants_values_and_dates_are_read() {
        let text = "others = \"ignore\"\nseparator = \";\"\ndates = \"DD.MM.YYYY\"\nzone = \"Europe/Berlin\"\n\
                    lower = [\"customer\"]\n\n[columns]\norder = \"Beleg\"\ncustomer = \"Kunde\"\nuntil = \"Bis\"\n\
                    action = \"Art\"\n\n[constants]\nproduct = \"pump\"\nquantity = 5\n\n[values.action]\nN = \"new\"\n";
        let mapping = Mapping::read(text).unwrap();
        assert_eq!(mapping.column(Field::Order), Some("Beleg"));
        assert_eq!((mapping.column(Field::Site), mapping.constant(Field::Quantity)), (None, Some("5")));
        assert_eq!(mapping.meaning(Field::Action, "N").unwrap(), "new");
        assert_eq!(mapping.meaning(Field::Customer, "ACME").unwrap(), "acme");
        assert_eq!(
            mapping.meaning(Field::Action, "X").unwrap_err(),
            "the mapping does not say what `X` means"
        );
        assert_eq!(mapping.date("30.06.2027").unwrap(), "2027-06-30[Europe/Berlin]");
        for wrong in ["6.30.2027", "30/06/2027", "30.06.27", "2027-06-30", "3O.06.2027", "٣٠.06.2027"] {
            assert!(mapping.date(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_columns_a_field_has_its_own_name_unless_it_is_the_same_for_every_line() {
        let mapping = Mapping::read("[constants]\nproduct = \"pump\"\n").unwrap();
        assert_eq!(mapping.column(Field::Customer), Some("customer"));
        assert_eq!(mapping.column(Field::Product), None);
    }

    #[test]
    fn what_is_no_mapping_is_refused_with_its_line() {
        for (text, expected) in [
            ("[columns]\nordr = \"A\"", "line 2: `ordr` is no field of an order: is `order` meant?"),
            ("[columns]\norder = \"\"", "line 2: a column has a name"),
            ("\nseparator = \"x\"", "line 2: `separator` is a comma, a semicolon, a tab or a bar"),
            (
                "dates = \"DD.MM.YY\"",
                "line 1: `dates` has YYYY, MM and DD once each, with marks between them",
            ),
            (
                "dates = \"DDMMYYYYMM\"",
                "line 1: `dates` has YYYY, MM and DD once each, with marks between them",
            ),
            ("zone = \"Mars/Base\"", "line 1: `zone` is no time zone of the IANA database"),
            ("others = \"maybe\"", "line 1: `others` is \"ignore\" or \"refuse\""),
            (
                "[columns]\norder = \"A\"\n[constants]\norder = \"1\"",
                "line 4: this field has a column, and cannot be the same for every line as well",
            ),
            ("# a\u{202e}b", "line 1: a character controls, reorders or hides text"),
        ] {
            assert_eq!(Mapping::read(text).unwrap_err(), expected, "{text:?}");
        }
        for text in ["sheet = 1", "[columns]\norder = 1", "[columns]\norder = \"A\"\norder = \"B\"", "["] {
            assert!(Mapping::read(text).unwrap_err().starts_with("line "), "{text:?}");
        }
    }
}
