//! Reports: what was sold, what ends soon, and how long it takes from an order to a license.
//!
//! A report is rows under a header, which people, `--json` and spreadsheets get alike. Not here: what approvers signed (`approval`).

pub mod approvals;
pub mod entitlements;
pub mod expiring;
pub mod metrics;

use chancery_carriers::files::Output;
use serde_json::{Map, Value};

use super::order::table;
use crate::error::CommandError;

/// Which entitlements a report is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// Those of this customer.
    pub customer: Option<&'a str>,
    /// Those of this product.
    pub product: Option<&'a str>,
}

impl Filter<'_> {
    /// Returns whether the report is about an entitlement.
    #[must_use]
    pub fn lets_through(&self, customer: &str, product: &str) -> bool {
        self.customer.is_none_or(|wanted| wanted == customer)
            && self.product.is_none_or(|wanted| wanted == product)
    }
}

/// Rows with names for their cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The names, as JSON and CSV have them.
    pub columns: Vec<&'static str>,
    /// Each with a cell for each column.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// Returns a table without rows.
    #[must_use]
    pub fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Returns the rows as JSON objects.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            let cells = self.columns.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone()));
            Value::Object(cells.collect::<Map<_, _>>())
        };
        self.rows.iter().map(object).collect()
    }

    /// Returns the cells of the rows as text.
    #[must_use]
    pub fn cells(&self) -> Vec<Vec<String>> {
        self.rows.iter().map(|row| row.iter().map(text).collect()).collect()
    }

    /// Writes the rows as CSV whose cells no spreadsheet takes for formulas.
    ///
    /// # Errors
    ///
    /// Those of the file.
    pub fn write(&self, output: Output) -> Result<(), CommandError> {
        output.commit_in_parts(|parts| {
            parts.append(table::row(&self.columns).as_bytes())?;
            for row in &self.rows {
                parts.append(table::row(row.iter().map(text)).as_bytes())?;
            }
            Ok::<_, CommandError>(())
        })
    }
}

/// Returns a cell as text; nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
