//! `chancery approver`: whose approvals count.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chancery_hsm_config::KeyRef;
use serde_json::{Value, json};

use super::argument::Reference;
use super::entitlement::WhoArgs;
use super::{Context, name_argument};
use crate::error::CommandError;
use crate::output;
use crate::repository::{Approver, ApproverBounds, NewApprover};
use crate::workflow::approver::{add, find, revoke};
use crate::workflow::catalog::currency::amount as currency_amount;
use crate::workflow::roster::read_public_key;
use crate::workflow::site::require_country;
use crate::workflow::term;

/// Keep the approvers
#[derive(Debug, clap::Subcommand)]
pub enum ApproverCommand {
    Add(Box<AddArgs>),
    Revoke(RevokeArgs),
    List(ListArgs),
    Show(ShowArgs),
}

/// Add somebody whose approvals count
///
/// Their key is used for nothing else, and stays on their machine: bring its public half. What is named bounds what
/// they may decide, as for the approver of a region.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery approver add 'Dana Keller' --public-key dana.pem\n  \
    chancery approver add 'Robin Vogt' --public-key robin.pem --role finance --up-to EUR=5000000\n  \
    chancery approver add 'Kim Sato' --public-key kim.pem --territory JP --territory KR --until 2028-03-31\n  \
    chancery approver add 'Lee Brandt' --public-key lee.pem --role attester")]
pub struct AddArgs {
    /// Who they are; one person has one name, whatever keys
    #[arg(value_name = "NAME")]
    name: String,
    /// Public half of their key, as `key export` writes it
    #[arg(long, value_name = "FILE", required_unless_present = "key")]
    public_key: Option<PathBuf>,
    /// Where their key is, if this machine can reach it now
    #[arg(long, value_name = "REF", conflicts_with = "public_key")]
    key: Option<Reference<KeyRef>>,
    /// Role, as the policy names it
    #[arg(long, value_name = "ROLE", value_parser = name_argument, default_value = "approver")]
    role: String,
    /// Customer whose changes they may decide on; more than once for several [default: all]
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: Vec<String>,
    /// Product that they may decide on; more than once for several [default: all]
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    product: Vec<String>,
    /// Country that they may decide on, by ISO 3166 code; more than once for several [default: all]
    #[arg(long, value_name = "CC")]
    territory: Vec<String>,
    /// The dearest grant that they may decide on, in minor units of a currency [default: any]
    #[arg(long, value_name = "CUR=AMOUNT", value_parser = amount)]
    up_to: Vec<(String, u64)>,
    /// First day or instant in which their approvals count [default: now]
    #[arg(long, value_name = "DATE", value_parser = term::start)]
    from: Option<u64>,
    /// Last day or instant in which they count [default: none]
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    until: Option<u64>,
    #[command(flatten)]
    who: WhoArgs,
}

/// Take an approver off
///
/// What came in before stands; what comes in from now on does not, whenever it was signed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery approver revoke 3 --reason 'left the company'")]
pub struct RevokeArgs {
    /// Number of the approver
    #[arg(value_name = "APPROVER")]
    approver: u64,
    /// Why, for those who read the list
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    who: WhoArgs,
}

/// List approvers
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery approver list\n  chancery approver list --json")]
pub struct ListArgs {}

/// Show an approver
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery approver show 3")]
pub struct ShowArgs {
    /// Number of the approver
    #[arg(value_name = "APPROVER")]
    approver: u64,
}

/// Reads `EUR=5000000`.
fn amount(text: &str) -> Result<(String, u64), &'static str> {
    let wanted = "a currency and a whole number of its minor units, such as EUR=5000000";
    let (currency, amount) = text.split_once('=').ok_or(wanted)?;
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_number = !amount.is_empty() && amount.bytes().all(|byte| byte.is_ascii_digit());
    let amount = amount.parse().ok().filter(|_| is_code && is_number).ok_or(wanted)?;
    Ok((currency.to_owned(), amount))
}

/// Runs a command of `chancery approver`.
///
/// # Errors
///
/// Those of the workflow, the key, the repository and the printer.
pub fn run(command: &ApproverCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ApproverCommand::Add(args) => run_add(args, context),
        ApproverCommand::Revoke(args) => run_revoke(args, context),
        ApproverCommand::List(_) => list(context),
        ApproverCommand::Show(args) => show(args, context),
    }
}

fn run_add(args: &AddArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    args.territory.iter().try_for_each(|country| require_country(country))?;
    let mut dearest = BTreeMap::new();
    for (currency, amount) in &args.up_to {
        if dearest.insert(currency.clone(), *amount).is_some() {
            return Err(CommandError::usage(format!("{currency} is named twice")).hint("say once how much"));
        }
    }
    let bounds = ApproverBounds {
        customers: args.customer.iter().cloned().collect(),
        products: args.product.iter().cloned().collect(),
        territories: args.territory.iter().cloned().collect(),
        dearest,
    };
    let public_key = match (&args.public_key, &args.key) {
        (Some(path), _) => read_public_key(path)?,
        (None, Some(key)) => chancery_hsm_config::open(key.get()?, &mut context.pins()?)?.public_key(),
        (None, None) => {
            return Err(CommandError::usage("an approver has a key").hint("name it with `--public-key FILE`"));
        }
    };
    let new = NewApprover {
        public_key: &public_key,
        name: &args.name,
        role: &args.role,
        bounds: &bounds,
        not_before: args.from.unwrap_or(now),
        not_after: args.until,
        added_by: &args.who.by,
    };
    let mut repository = context.repository()?;
    let id = add(&mut repository, &new, now)?;
    let mut printer = context.printer();
    let kid = public_key.key_id();
    printer.line(format_args!("Added approver {id}, {}, with key {kid}", args.name))?;
    Ok(printer.json(&describe(&find(&repository, id)?))?)
}

fn run_revoke(args: &RevokeArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let revoked = revoke(&mut repository, args.approver, &args.who.by, &args.reason, now)?;
    let mut printer = context.printer();
    printer.line(format_args!(
        "Revoked approver {}, {}: nothing of theirs is taken any more",
        revoked.id, revoked.name
    ))?;
    Ok(printer.json(&describe(&revoked))?)
}

fn list(context: &Context) -> Result<(), CommandError> {
    let approvers = context.read(|repository| Ok(repository.approvers()?))?;
    let rows: Vec<_> = approvers
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.name.clone(),
                one.role.clone(),
                one.public_key.key_id().to_string(),
                bounds(&one.bounds),
                state(one),
            ]
        })
        .collect();
    let mut printer = context.printer();
    printer.table(&["NUMBER", "NAME", "ROLE", "KEY", "BOUNDS", "STATE"], &rows)?;
    Ok(printer.json(&Value::Array(approvers.iter().map(describe).collect()))?)
}

fn show(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let one = context.read(|repository| find(repository, args.approver))?;
    let mut printer = context.printer();
    let mut fields = vec![
        ("number", one.id.to_string()),
        ("name", one.name.clone()),
        ("role", one.role.clone()),
        ("key", one.public_key.thumbprint().to_string()),
        ("bounds", bounds(&one.bounds)),
        ("from", output::time(one.not_before)),
        ("until", one.not_after.map_or_else(|| "without end".to_owned(), output::time)),
        ("added", format!("{}, by {}", output::time(one.added_at), one.added_by)),
        ("state", state(&one)),
    ];
    if let Some(revocation) = &one.revocation {
        fields.push(("revoked", format!("{}, by {}", output::time(revocation.at), revocation.by)));
        fields.push(("because", revocation.reason.clone()));
    }
    printer.fields(&fields)?;
    Ok(printer.json(&describe(&one))?)
}

fn bounds(bounds: &ApproverBounds) -> String {
    let list = |what: &str, names: &std::collections::BTreeSet<String>| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{what} {}", names.join(" ")))
    };
    let dearest =
        bounds.dearest.iter().map(|(currency, most)| format!("up to {}", currency_amount(*most, currency)));
    let all = [
        list("customers", &bounds.customers),
        list("products", &bounds.products),
        list("countries", &bounds.territories),
    ];
    let all: Vec<_> = all.into_iter().flatten().chain(dearest).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

fn state(one: &Approver) -> String {
    if one.revocation.is_some() { "revoked".to_owned() } else { "counts".to_owned() }
}

fn describe(one: &Approver) -> Value {
    let revocation = one.revocation.as_ref().map(|revocation| {
        json!({
            "by": revocation.by,
            "reason": revocation.reason,
            "at": output::time_json(revocation.at),
        })
    });
    json!({
        "number": one.id,
        "name": one.name,
        "role": one.role,
        "key": one.public_key.key_id().to_string(),
        "thumbprint": one.public_key.thumbprint().to_string(),
        "bounds": {
            "customers": one.bounds.customers,
            "products": one.bounds.products,
            "territories": one.bounds.territories,
            "up_to": one.bounds.dearest,
        },
        "not_before": output::time_json(one.not_before),
        "not_after": one.not_after.map(output::time_json),
        "added_by": one.added_by,
        "added_at": output::time_json(one.added_at),
        "revoked": revocation,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_currencies_with_whole_numbers() {
        assert_eq!(amount("EUR=5000000").unwrap(), ("EUR".to_owned(), 5_000_000));
        for text in [
            "",
            "EUR",
            "=1",
            "EUR=",
            "eur=1",
            "EURO=1",
            "EUR=-1",
            "EUR=+1",
            "EUR=1.5",
            "EUR=18446744073709551616",
        ] {
            assert!(amount(text).is_err(), "{text}");
        }
    }
}
