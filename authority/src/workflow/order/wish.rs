//! What a line of an order asks for, checked by itself: every value of its kind, and only what goes with its action.
//!
//! Not here: whether customer, product and entitlement are there (`fill`).
//!
//! Spec: `docs/spec/orders.md` §2.

use std::collections::{BTreeMap, BTreeSet};

use chancery_carriers::text::shown_within;
use chancery_formats::id::{EntitlementId, is_name};
use serde_json::{Value as Json, json};

use super::Field;
use super::fault::{Flaw, MAX_SHOWN};
use super::json::Value;
use super::mapping::Mapping;
use crate::output::time_json;
use crate::workflow::entitlement::renew::Length;
use crate::workflow::{label, term};

/// Most add-ons of one line.
const MAX_ADD_ONS: usize = 64;

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Changes what an entitlement grants.
    Amend,
    /// Makes an entitlement run out in another way: how a trial is paid.
    Convert,
    /// Grants an entitlement.
    New,
    /// Gives an entitlement its next term.
    Renew,
}

impl Action {
    const ALL: [Self; 4] = [Self::Amend, Self::Convert, Self::New, Self::Renew];

    /// Returns what it is called in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amend => "amend",
            Self::Convert => "convert",
            Self::New => "new",
            Self::Renew => "renew",
        }
    }

    /// Whether a line of this action may say something of a field, and whether it has to.
    const fn takes(self, field: Field) -> Takes {
        use Takes::{May, Must, Never};
        match (self, field) {
            (_, Field::Action | Field::CustomerName | Field::Line | Field::Reason) => May,
            (_, Field::Customer | Field::Order) => Must,
            (Self::New, Field::Of | Field::OfLine) => Never,
            (_, Field::Of) => Must,
            (_, Field::OfLine) => May,
            (Self::Renew, Field::Days | Field::Months | Field::Years | Field::Until) => May,
            (_, Field::Days | Field::Months | Field::Years) => Never,
            (Self::Renew, _) => Never,
            (Self::New, Field::Product | Field::Quantity) => Must,
            (Self::New, _) => May,
            (_, Field::From | Field::Site) => Never,
            (Self::Convert, Field::Quantity) => Never,
            (Self::Convert, Field::Product) => Must,
            (Self::Amend | Self::Convert, _) => May,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    May,
    Must,
    Never,
}

/// Which entitlement a line changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Entitlement(EntitlementId),
    /// That which a line of an order granted or changed.
    Order {
        /// Number of the order.
        number: String,
        /// Number of the line.
        line: u32,
    },
}

/// What is sold: an edition by itself, or a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goods {
    /// An edition of the product.
    Edition(String),
    /// A package of the product.
    Package(String),
}

/// A line of an order, checked by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Number of the order: 1 to 64 printable ASCII characters.
    pub order: String,
    /// Number of the line in the order, from 1.
    pub line: u32,
    /// Id of the customer.
    pub customer: String,
    /// Name for people of a customer who may be new.
    pub customer_name: Option<String>,
    /// What it does.
    pub action: Action,
    /// What it changes; none for [`Action::New`], and only for that.
    pub target: Option<Target>,
    /// Product of the catalog.
    pub product: Option<String>,
    /// What is sold of it.
    pub goods: Option<Goods>,
    /// Add-ons beside those of the package, as the line has them.
    pub add_ons: Vec<String>,
    /// Policy of the catalog.
    pub policy: Option<String>,
    /// Territory of the catalog.
    pub territory: Option<String>,
    /// Support level of the catalog.
    pub support: Option<String>,
    /// Activations, at least 1.
    pub quantity: Option<u32>,
    /// Site that licenses name.
    pub site: Option<String>,
    /// First second of the term, in Unix seconds.
    pub from: Option<u64>,
    /// Last second of the term, in Unix seconds.
    pub until: Option<u64>,
    /// How far it renews; for [`Action::Renew`] alone.
    pub length: Option<Length>,
    /// Why, for those who read the history.
    pub reason: Option<String>,
}

/// The values of a line, each taken once.
struct Values<'a> {
    mapping: &'a Mapping,
    values: BTreeMap<Field, Value>,
    /// What the line does, once it is known: what is the same for every line is not said where it does not go with it.
    action: Option<Action>,
}

impl Values<'_> {
    /// Returns what every line says of a field, where it goes with what this one does.
    fn constant(&self, field: Field) -> Option<String> {
        let is_taken = self.action.is_none_or(|action| {
            // What is sold as a rule is not sold once more by a line that changes something else.
            let is_sold_anew = matches!(action, Action::Convert | Action::New) || !field.is_of_goods();
            action.takes(field) != Takes::Never && is_sold_anew
        });
        self.mapping.constant(field).filter(|_| is_taken).map(ToOwned::to_owned)
    }

    /// Returns the text of a field as it means here; an empty one is none.
    fn text(&mut self, field: Field) -> Result<Option<String>, Flaw> {
        match self.values.remove(&field) {
            None => Ok(self.constant(field)),
            Some(Value::Absent) => Ok(None),
            Some(Value::Text(text)) if text.is_empty() => Ok(None),
            Some(Value::Text(text)) => self.meaning(field, &text).map(Some),
            Some(Value::List(_)) => Err(malformed(field, "a list, where one value is expected")),
            Some(Value::Other(what)) => Err(malformed(field, what)),
        }
    }

    fn meaning(&self, field: Field, text: &str) -> Result<String, Flaw> {
        let meaning = self.mapping.meaning(field, text);
        meaning.map_err(|message| Flaw::of(field, "value-unmapped", message))
    }

    fn name(&mut self, field: Field) -> Result<Option<String>, Flaw> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        require_name(field, &text)?;
        Ok(Some(text))
    }

    fn label(&mut self, field: Field) -> Result<Option<String>, Flaw> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        label::check(&text).map_err(|error| malformed(field, &error.to_string()))?;
        Ok(Some(text))
    }

    /// Returns a whole number from 1 on.
    fn number(&mut self, field: Field) -> Result<Option<u32>, Flaw> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|number| is_plain && *number >= 1);
        let wrong = || format!("`{}` is not a whole number from 1 to {}", shown(&text), u32::MAX);
        number.map(Some).ok_or_else(|| malformed(field, &wrong()))
    }

    fn instant(
        &mut self,
        field: Field,
        read: fn(&str) -> Result<u64, term::TermError>,
    ) -> Result<Option<u64>, Flaw> {
        let is_of_the_file = self.values.contains_key(&field);
        let Some(text) = self.text(field)? else { return Ok(None) };
        // What is the same for every line is written as terms are.
        let date = match is_of_the_file {
            true => self.mapping.date(&text).map_err(|message| malformed(field, &message))?,
            false => text.clone(),
        };
        let wrong = |error: term::TermError| malformed(field, &format!("`{}` is {error}", shown(&text)));
        read(&date).map(Some).map_err(|error| match error {
            term::TermError::NotADate => wrong(error),
            other => malformed(field, &format!("`{}`: {other}", shown(&text))),
        })
    }

    /// Returns the number of an order: printable ASCII, so that no two look alike and differ.
    fn order(&mut self, field: Field) -> Result<Option<String>, Flaw> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text;
        match is_printable && text.len() <= 64 {
            true => Ok(Some(text)),
            false => {
                let message = format!(
                    "`{}` is not 1 to 64 printable ASCII characters without space around them",
                    shown(&text)
                );
                Err(malformed(field, &message))
            }
        }
    }

    fn names(&self, field: Field) -> Result<Vec<String>, Flaw> {
        let split = |text: &str| -> Vec<String> {
            text.split(self.mapping.list_separator).map(|name| name.trim().to_owned()).collect()
        };
        let (names, is_constant) = match self.values.get(&field) {
            None => (self.constant(field).as_deref().map(split).unwrap_or_default(), true),
            Some(Value::Absent) => (Vec::new(), false),
            Some(Value::Text(text)) if text.is_empty() => (Vec::new(), false),
            Some(Value::Text(text)) => (split(text), false),
            Some(Value::List(names)) => (names.clone(), false),
            Some(Value::Other(what)) => return Err(malformed(field, what)),
        };
        if names.len() > MAX_ADD_ONS {
            return Err(malformed(field, &format!("{} names are more than {MAX_ADD_ONS}", names.len())));
        }
        let mut found = Vec::new();
        for name in names {
            let name = if is_constant { name } else { self.meaning(field, &name)? };
            require_name(field, &name)?;
            if found.contains(&name) {
                return Err(malformed(field, &format!("`{name}` is named twice")));
            }
            found.push(name);
        }
        Ok(found)
    }
}

impl Wish {
    /// Reads a line from its values.
    pub(super) fn read(mapping: &Mapping, values: BTreeMap<Field, Value>) -> Result<Self, Flaw> {
        let mut values = Values { mapping, values, action: None };
        let action = match values.text(Field::Action)? {
            None => Action::New,
            Some(text) => Action::ALL.into_iter().find(|action| action.name() == text).ok_or_else(|| {
                malformed(
                    Field::Action,
                    &format!("`{}` is none of amend, convert, new and renew", shown(&text)),
                )
            })?,
        };
        values.action = Some(action);
        let wish = Self {
            action,
            order: values.order(Field::Order)?.ok_or_else(|| Flaw::missing(Field::Order))?,
            line: values.number(Field::Line)?.unwrap_or(1),
            customer: values.name(Field::Customer)?.ok_or_else(|| Flaw::missing(Field::Customer))?,
            customer_name: values.label(Field::CustomerName)?,
            target: target(&mut values)?,
            product: values.name(Field::Product)?,
            goods: goods(&mut values)?,
            add_ons: values.names(Field::AddOns)?,
            policy: values.name(Field::Policy)?,
            territory: values.name(Field::Territory)?,
            support: values.name(Field::Support)?,
            quantity: values.number(Field::Quantity)?,
            site: values.name(Field::Site)?,
            from: values.instant(Field::From, term::start)?,
            until: values.instant(Field::Until, term::end)?,
            length: length(&mut values)?,
            reason: values.label(Field::Reason)?,
        };
        wish.require_fit()?;
        Ok(wish)
    }

    /// Returns which fields the line says something of, but for those that every line has.
    fn said(&self) -> Vec<Field> {
        let of_length = |length: &Length| match length {
            Length::Days(_) => Field::Days,
            Length::Months(_) => Field::Months,
            Length::Until(_) => Field::Until,
            Length::Years(_) => Field::Years,
        };
        let said = [
            (Field::AddOns, !self.add_ons.is_empty()),
            (Field::Edition, matches!(self.goods, Some(Goods::Edition(_)))),
            (Field::From, self.from.is_some()),
            (Field::Of, self.target.is_some()),
            (Field::Package, matches!(self.goods, Some(Goods::Package(_)))),
            (Field::Policy, self.policy.is_some()),
            (Field::Product, self.product.is_some()),
            (Field::Quantity, self.quantity.is_some()),
            (Field::Site, self.site.is_some()),
            (Field::Support, self.support.is_some()),
            (Field::Territory, self.territory.is_some()),
            (Field::Until, self.until.is_some()),
        ];
        let said = said.into_iter().filter(|(_, is_said)| *is_said).map(|(field, _)| field);
        said.chain(self.length.as_ref().map(of_length)).collect()
    }

    /// Refuses what does not go with the action, and what the action lacks.
    fn require_fit(&self) -> Result<(), Flaw> {
        let (action, said) = (self.action, self.said());
        if let Some(field) = said.iter().find(|field| action.takes(**field) == Takes::Never) {
            let message = format!("`{}` does not go with `{}`", field.name(), action.name());
            return Err(Flaw::of(*field, "field-unfit", message));
        }
        let wanted = [Field::Of, Field::Product, Field::Quantity];
        if let Some(field) =
            wanted.into_iter().find(|field| action.takes(*field) == Takes::Must && !said.contains(field))
        {
            return Err(Flaw::missing(field));
        }
        match action {
            Action::New | Action::Convert if self.goods.is_none() => {
                return Err(Flaw::missing(Field::Edition));
            }
            Action::Amend if !self.sells() && self.quantity.is_none() && self.until.is_none() => {
                let message =
                    "an amendment says what is to be otherwise: edition, package, quantity or until";
                return Err(Flaw::of(Field::Action, "field-missing", message));
            }
            Action::Amend if self.sells() && (self.goods.is_none() || self.product.is_none()) => {
                let message = "another sale names its product, and its edition or package, as a whole";
                return Err(Flaw::of(Field::Edition, "field-missing", message));
            }
            Action::Renew if self.length.is_some() == self.until.is_some() => {
                let message = "a renewal says one of days, months, years and until";
                return Err(Flaw::of(Field::Until, "field-missing", message));
            }
            _ => {}
        }
        match (self.from, self.until) {
            (Some(from), Some(until)) if until < from => {
                Err(Flaw::of(Field::Until, "term-empty", "the term ends before it starts"))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether the line says what is sold, or a part of it; its product alone does not.
    #[must_use]
    pub fn sells(&self) -> bool {
        let named = [&self.policy, &self.territory, &self.support];
        self.goods.is_some() || !self.add_ons.is_empty() || named.iter().any(|name| name.is_some())
    }

    /// Returns what is kept of the line and compared when it comes again: what it asks for, without its number and
    /// without the name of its customer for people.
    #[must_use]
    pub fn content(&self) -> BTreeMap<String, Json> {
        let mut said = BTreeMap::new();
        let mut say = |field: Field, value: Option<Json>| {
            said.extend(value.map(|value| (field.name().to_owned(), value)));
        };
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        say(Field::Action, Some(json!(self.action.name())));
        say(Field::AddOns, (!self.add_ons.is_empty()).then(|| json!(self.add_ons)));
        say(Field::Customer, Some(json!(self.customer)));
        match &self.goods {
            Some(Goods::Edition(id)) => say(Field::Edition, Some(json!(id))),
            Some(Goods::Package(id)) => say(Field::Package, Some(json!(id))),
            None => {}
        }
        say(Field::From, self.from.map(|from| json!(from)));
        match &self.target {
            Some(Target::Entitlement(id)) => say(Field::Of, Some(json!(id.to_string()))),
            Some(Target::Order { number, line }) => {
                say(Field::Of, Some(json!(number)));
                say(Field::OfLine, Some(json!(line)));
            }
            None => {}
        }
        match self.length {
            Some(Length::Days(days)) => say(Field::Days, Some(json!(days))),
            Some(Length::Months(months)) => say(Field::Months, Some(json!(months))),
            Some(Length::Years(years)) => say(Field::Years, Some(json!(years))),
            Some(Length::Until(_)) | None => {}
        }
        say(Field::Policy, text(&self.policy));
        say(Field::Product, text(&self.product));
        say(Field::Quantity, self.quantity.map(|quantity| json!(quantity)));
        say(Field::Reason, text(&self.reason));
        say(Field::Site, text(&self.site));
        say(Field::Support, text(&self.support));
        say(Field::Territory, text(&self.territory));
        say(Field::Until, self.until.map(|until| json!(until)));
        said
    }

    /// Names what a line that came before says otherwise; none where it says the same. The field is the first one.
    pub(super) fn difference(&self, before: &str) -> Option<Flaw> {
        let before: BTreeMap<String, Json> = serde_json::from_str(before).unwrap_or_default();
        let now = self.content();
        let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let mut differing = keys.into_iter().filter(|key| before.get(*key) != now.get(*key)).peekable();
        let first = Field::from_name(differing.peek()?);
        let is_time = |key: &str| [Field::From, Field::Until].iter().any(|field| field.name() == key);
        let told = |key: &str, value: Option<&Json>| match value {
            None => "nothing".to_owned(),
            Some(Json::String(text)) => format!("`{}`", shown(text)),
            Some(Json::Number(number)) if is_time(key) => {
                let instant = number.as_u64().map(time_json);
                instant.as_ref().and_then(Json::as_str).unwrap_or_default().to_owned()
            }
            Some(value) => shown(&value.to_string()),
        };
        let all: Vec<_> = differing
            .map(|key| format!("{key} was {} and is {}", told(key, before.get(key)), told(key, now.get(key))))
            .collect();
        let message = format!("order {} line {} came before: {}", self.order, self.line, all.join(", "));
        Some(Flaw { field: first, code: "order-differs", message })
    }
}

fn target(values: &mut Values<'_>) -> Result<Option<Target>, Flaw> {
    let line = values.number(Field::OfLine)?;
    let Some(text) = values.order(Field::Of)? else {
        return match line {
            Some(_) => Err(Flaw::missing(Field::Of)),
            None => Ok(None),
        };
    };
    if let Ok(id) = text.parse() {
        return match line {
            Some(_) => Err(Flaw::of(Field::OfLine, "field-unfit", "an entitlement has no lines")),
            None => Ok(Some(Target::Entitlement(id))),
        };
    }
    Ok(Some(Target::Order { number: text, line: line.unwrap_or(1) }))
}

fn goods(values: &mut Values<'_>) -> Result<Option<Goods>, Flaw> {
    match (values.name(Field::Edition)?, values.name(Field::Package)?) {
        (Some(_), Some(_)) => {
            Err(Flaw::of(Field::Package, "field-unfit", "an edition and a package cannot be sold as one"))
        }
        (Some(edition), None) => Ok(Some(Goods::Edition(edition))),
        (None, Some(package)) => Ok(Some(Goods::Package(package))),
        (None, None) => Ok(None),
    }
}

fn length(values: &mut Values<'_>) -> Result<Option<Length>, Flaw> {
    let days = values.number(Field::Days)?.map(Length::Days);
    let months = values.number(Field::Months)?.map(Length::Months);
    let years = values.number(Field::Years)?.map(Length::Years);
    let mut found = [days, months, years].into_iter().flatten();
    match (found.next(), found.next()) {
        (_, Some(_)) => {
            Err(Flaw::of(Field::Days, "field-unfit", "days, months and years cannot be given together"))
        }
        (length, None) => Ok(length),
    }
}

fn require_name(field: Field, text: &str) -> Result<(), Flaw> {
    if is_name(text) {
        return Ok(());
    }
    let message = format!(
        "`{}` is not an id: 1 to 64 of a-z, 0-9, dot, dash and underscore, a letter or digit first",
        shown(text)
    );
    Err(malformed(field, &message))
}

fn malformed(field: Field, message: &str) -> Flaw {
    Flaw::of(field, "value-malformed", message)
}

fn shown(text: &str) -> String {
    shown_within(text, MAX_SHOWN)
}
