//! What is wrong with a line of a file, and what is wrong with a file.

use std::fmt;
use std::path::Path;

use chancery_carriers::report::Exit;
use chancery_carriers::text::{shown_path, shown_within};

use super::Field;
use crate::error::CommandError;

/// Most characters that are shown of a value from a file.
pub(super) const MAX_SHOWN: usize = 40;

/// Where in a line a fault is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// In the column or key of this name, as the file has it.
    Named(String),
    /// At this byte, from 1.
    Place(u64),
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(&shown_within(name, MAX_SHOWN)),
            Self::Place(place) => write!(f, "{place}"),
        }
    }
}

/// Why a line is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number of the line of the file at which it begins, from 1.
    pub line: u64,
    /// Where in it; none where it is the line as a whole.
    pub column: Option<Column>,
    /// Stable kebab-case code.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, code, message } = self;
        match column {
            Some(column) => write!(f, "line {line}, column {column}: {code}: {message}"),
            None => write!(f, "line {line}: {code}: {message}"),
        }
    }
}

/// Why a value is not taken, before it is known where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) field: Option<Field>,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Flaw {
    pub(super) fn of(field: Field, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: Some(field), code, message: message.into() }
    }

    pub(super) fn missing(field: Field) -> Self {
        Self::of(field, "field-missing", format!("`{}` is missing", field.name()))
    }

    /// Takes an error of a step as the reason why one line is refused, where it is about the line; gives it back where
    /// it is about the machine, the database or the key.
    pub(super) fn from_step(error: CommandError) -> Result<Self, CommandError> {
        let report = error.report();
        let is_of_the_line =
            matches!(report.exit, Exit::Refused | Exit::Usage) || report.code.ends_with("-unknown");
        if !is_of_the_line {
            return Err(error);
        }
        let mut message = report.error.clone();
        for cause in &report.causes {
            message = format!("{message}: {cause}");
        }
        let field = match report.code {
            "add-on-conflict"
            | "add-on-included"
            | "add-on-missing"
            | "add-on-other-edition"
            | "add-on-twice"
            | "add-on-unknown" => Some(Field::AddOns),
            "customer-unknown" => Some(Field::Customer),
            "edition-unknown" => Some(Field::Edition),
            "entitlement-unknown" => Some(Field::Of),
            "package-unknown" => Some(Field::Package),
            "policy-unknown" => Some(Field::Policy),
            "product-unknown" => Some(Field::Product),
            "quantity-used" | "quantity-zero" => Some(Field::Quantity),
            "support-unknown" => Some(Field::Support),
            "term-missing" | "term-perpetual" | "trial-extended" => Some(Field::Until),
            "territory-unknown" => Some(Field::Territory),
            _ => None,
        };
        let code = if report.code == "usage" { "order-unfit" } else { report.code };
        Ok(Self { field, code, message })
    }
}

/// Refuses a file as a whole; nothing of it is taken.
pub(super) fn refused(
    path: &Path,
    code: &'static str,
    cause: impl Into<String>,
    hint: impl Into<String>,
) -> CommandError {
    CommandError::refused(code, format!("{} cannot be imported", shown_path(path))).cause(cause).hint(hint)
}
