//! `chancery order show`: each line of an order as it came, and what became of it.

use serde_json::{Map, Value, json};

use super::{Context, number_argument};
use crate::error::CommandError;
use crate::output;
use crate::repository::{OrderFilter, OrderOutcome};
use crate::workflow::order::Field;
use crate::workflow::order::export::{describe, state};

/// Show an order, line by line
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery order show SO-2027-0017\n  \
    chancery order show SO-2027-0017 --json")]
pub struct ShowArgs {
    /// Number of the order
    #[arg(value_name = "NUMBER", value_parser = number_argument)]
    number: String,
}

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let filter = OrderFilter { number: Some(&args.number), customer: None };
    let found = context.read(|repository| {
        let mut found = Vec::new();
        repository.each_order(&filter, |outcome| {
            found.push(outcome);
            Ok::<_, CommandError>(())
        })?;
        Ok(found)
    })?;
    if found.is_empty() {
        return Err(CommandError::failed("order-unknown", format!("order {} is unknown", args.number))
            .hint("list orders with `chancery order list`"));
    }
    let mut printer = context.printer();
    for (place, outcome) in found.iter().enumerate() {
        if place > 0 {
            printer.line("")?;
        }
        printer.fields(&fields(outcome, now))?;
    }
    Ok(printer.json(&found.iter().map(|outcome| value(outcome, now)).collect())?)
}

fn asked(outcome: &OrderOutcome) -> Map<String, Value> {
    serde_json::from_str(&outcome.line.content).unwrap_or_default()
}

fn value(outcome: &OrderOutcome, now: u64) -> Value {
    let mut value = describe(outcome, now);
    value.insert("content".to_owned(), Value::Object(asked(outcome)));
    Value::Object(value)
}

fn fields(outcome: &OrderOutcome, now: u64) -> Vec<(&'static str, String)> {
    let line = &outcome.line;
    let mut fields = vec![("order", line.number.clone()), ("line", line.line.to_string())];
    let asked = asked(outcome);
    for field in Field::ALL {
        let shown = match asked.get(field.name()) {
            None => continue,
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            Some(Value::Number(number)) if matches!(field, Field::From | Field::Until) => {
                number.as_u64().map_or_else(|| json!(number).to_string(), output::time)
            }
            Some(value) => value.to_string(),
        };
        fields.push((field.name(), shown));
    }
    fields.push(("imported", output::time(line.imported_at)));
    fields.push(("entitlement", line.entitlement.to_string()));
    fields.extend(line.revision.map(|revision| ("as revision", revision.to_string())));
    fields.push(("state", state(outcome, now).to_owned()));
    if let Some(granted) = &outcome.granted {
        fields.push(("activations", format!("{} of {} used", granted.used, granted.quantity)));
        fields.extend(granted.first_license_at.map(|at| ("first license", output::time(at))));
    }
    fields
}
