//! Reading a policy file: TOML, every name and value checked, every fault with its line.
//!
//! ```toml
//! prohibited = ["KP"]          # needs two approvers and an override, whatever the rules say
//! attesters = ["attester"]     # roles that may attest where sites stand
//! site-records = true          # what is granted for some countries to a site needs a record of it
//! price-book = "list"          # of the catalog, by which values are known
//!
//! [[rule]]
//! id = "large"
//! kinds = ["grant", "amend"]
//! value-above = { currency = "EUR", minor-units = 5000000 }
//! approvers = 2
//! roles = ["approver", "finance"]
//! ```
//!
//! Unknown keys are refused: a misspelt condition would let more pass than was meant.

use std::collections::BTreeSet;
use std::ops::Range;

use chancery_formats::country::{is_assigned, meant};
use chancery_formats::grant::Change;
use chancery_formats::id::is_name;
use serde::Deserialize;
use toml::Spanned;

use super::{APPROVER, ATTESTER, Policy, Rule};
use crate::repository::OwnedPrice;
use crate::workflow::catalog::currency::digits;
use crate::workflow::position;

/// Largest policy file, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024;

/// Most persons that a rule can ask for.
const MOST_APPROVERS: u32 = 16;

/// Why a file is not a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    prohibited: Vec<Spanned<String>>,
    attesters: Option<Vec<Spanned<String>>>,
    #[serde(default = "yes")]
    site_records: bool,
    price_book: Option<Spanned<String>>,
    #[serde(default)]
    rule: Vec<Entry>,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    id: Spanned<String>,
    approvers: Spanned<u32>,
    #[serde(default)]
    roles: Vec<Spanned<String>>,
    #[serde(default)]
    kinds: Vec<Spanned<String>>,
    #[serde(default)]
    customers: Vec<Spanned<String>>,
    #[serde(default)]
    products: Vec<Spanned<String>>,
    #[serde(default)]
    territories: Vec<Spanned<String>>,
    #[serde(default)]
    prohibited: bool,
    value_above: Option<Spanned<Value>>,
    value_up_to: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Value {
    currency: String,
    minor_units: u64,
}

/// Something wrong with a span of the file.
struct Fault(Range<usize>, String);

/// Reads a policy file; its number is 0 and its hash empty.
///
/// # Errors
///
/// [`PolicyError`]: TOML that cannot be read, unknown keys, names that are none or occur twice, countries that are not
/// assigned, a rule that asks for nobody although nobody may know its value.
pub fn read(text: &str) -> Result<Policy, PolicyError> {
    let located = |Fault(span, message): Fault| {
        let (line, column) = position::of(text, span.start);
        PolicyError { line, column, message: message.trim().replace('\n', "; ") }
    };
    let file: File = toml::from_str(text)
        .map_err(|error| located(Fault(error.span().unwrap_or(0..0), error.message().to_owned())))?;
    policy(&file).map_err(located)
}

fn policy(file: &File) -> Result<Policy, Fault> {
    let mut rules: Vec<Rule> = Vec::new();
    for entry in &file.rule {
        let rule = rule(entry)?;
        if rule.id == "default" || rules.iter().any(|known| known.id == rule.id) {
            return Err(Fault(
                entry.id.span(),
                format!("rule `{}` occurs twice, or is no name for one", rule.id),
            ));
        }
        rules.push(rule);
    }
    let attesters = file.attesters.as_deref().map(|roles| names(roles, "role")).transpose()?;
    Ok(Policy {
        prohibited: countries(&file.prohibited)?,
        attesters: attesters.unwrap_or_else(|| BTreeSet::from([ATTESTER.to_owned()])),
        site_records: file.site_records,
        price_book: file.price_book.as_ref().map(|id| name(id, "price book")).transpose()?,
        rules,
        ..Policy::default()
    })
}

fn rule(entry: &Entry) -> Result<Rule, Fault> {
    let approvers = *entry.approvers.get_ref();
    if approvers > MOST_APPROVERS {
        let message = format!("a rule asks for at most {MOST_APPROVERS} approvers");
        return Err(Fault(entry.approvers.span(), message));
    }
    if let Some(bound) = entry.value_above.as_ref().filter(|_| approvers == 0) {
        let message = "a rule that asks for nobody cannot be about values above a bound: use `value-up-to`";
        return Err(Fault(bound.span(), message.to_owned()));
    }
    if entry.prohibited && approvers == 0 {
        let message = "what goes to a prohibited destination always needs approvers";
        return Err(Fault(entry.approvers.span(), message.to_owned()));
    }
    let mut roles = names(&entry.roles, "role")?;
    if roles.is_empty() {
        roles.insert(APPROVER.to_owned());
    }
    Ok(Rule {
        id: name(&entry.id, "rule")?,
        kinds: entry.kinds.iter().map(kind).collect::<Result<_, _>>()?,
        customers: names(&entry.customers, "customer")?,
        products: names(&entry.products, "product")?,
        territories: countries(&entry.territories)?,
        prohibited: entry.prohibited,
        value_above: entry.value_above.as_ref().map(value).transpose()?,
        value_up_to: entry.value_up_to.as_ref().map(value).transpose()?,
        approvers,
        roles,
    })
}

fn name(text: &Spanned<String>, what: &str) -> Result<String, Fault> {
    let id = text.get_ref();
    if is_name(id) {
        return Ok(id.clone());
    }
    let message = format!(
        "`{id}` cannot be the id of a {what}: 1 to 64 of a-z, 0-9, dot, dash and underscore, a letter or digit first"
    );
    Err(Fault(text.span(), message))
}

fn names(list: &[Spanned<String>], what: &str) -> Result<BTreeSet<String>, Fault> {
    let mut names = BTreeSet::new();
    for text in list {
        if !names.insert(name(text, what)?) {
            return Err(Fault(text.span(), format!("{what} `{}` occurs twice", text.get_ref())));
        }
    }
    Ok(names)
}

fn countries(list: &[Spanned<String>]) -> Result<BTreeSet<String>, Fault> {
    let mut countries = BTreeSet::new();
    for text in list {
        let code = text.get_ref();
        if !is_assigned(code) {
            let meant = meant(code).map(|meant| format!("; `{meant}` is meant?")).unwrap_or_default();
            return Err(Fault(text.span(), format!("`{code}` is no country of ISO 3166-1{meant}")));
        }
        if !countries.insert(code.clone()) {
            return Err(Fault(text.span(), format!("country `{code}` occurs twice")));
        }
    }
    Ok(countries)
}

fn kind(text: &Spanned<String>) -> Result<Change, Fault> {
    let found = Change::ALL.iter().copied().find(|change| change.name() == text.get_ref());
    found.ok_or_else(|| {
        let known: Vec<_> = Change::ALL.iter().map(|change| change.name()).collect();
        Fault(text.span(), format!("`{}` is no kind of change: {}", text.get_ref(), known.join(", ")))
    })
}

fn value(value: &Spanned<Value>) -> Result<OwnedPrice, Fault> {
    let Value { currency, minor_units } = value.get_ref();
    if digits(currency).is_none() || i64::try_from(*minor_units).is_err() {
        let message = "a value is a currency of ISO 4217 and a whole number of its minor units";
        return Err(Fault(value.span(), message.to_owned()));
    }
    Ok(OwnedPrice { currency: currency.clone(), minor_units: *minor_units })
}
