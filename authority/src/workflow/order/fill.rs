//! What a line of an order does: it grants an entitlement, or changes one, in the transaction in which it is kept.
//!
//! Not here: which changes are allowed (`workflow::entitlement`), what a sale comes to (`workflow::sale`).

use std::collections::BTreeMap;

use chancery_formats::id::EntitlementId;
use serde_json::json;

use super::Field;
use super::fault::Flaw;
use super::wish::{Action, Goods, Target, Wish};
use crate::error::CommandError;
use crate::repository::{GrantWriter, Model, NewOrderLine, Note, OrderWriter, RepositoryError, Sold};
use crate::workflow::approval::Office;
use crate::workflow::entitlement::amend::{Amendment, amend_within};
use crate::workflow::entitlement::convert::{Conversion, convert_within};
use crate::workflow::entitlement::grant::{Order, grant_within};
use crate::workflow::entitlement::renew::{Length, renew_within};
use crate::workflow::random;
use crate::workflow::sale::{Item, SaleError, Sales, Wanted};

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It was taken, and stands.
    Done(Action),
    /// It came before, and says the same.
    Unchanged,
    /// It was taken, and waits to be approved.
    Waiting,
}

/// By what lines are filled: the same for many of them.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) sales: &'a Sales,
    /// Who says what has to be approved; none where nothing has.
    pub(super) office: Option<&'a Office>,
    pub(super) by: &'a str,
    /// Unix seconds.
    pub(super) now: u64,
}

/// Why a line is not taken, or why nothing more can be.
pub(super) enum Stop {
    /// The machine, the database or the key.
    Error(CommandError),
    /// The line.
    Flaw(Flaw),
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl From<CommandError> for Stop {
    fn from(error: CommandError) -> Self {
        match Flaw::from_step(error) {
            Ok(flaw) => Self::Flaw(flaw),
            Err(error) => Self::Error(error),
        }
    }
}

impl From<RepositoryError> for Stop {
    fn from(error: RepositoryError) -> Self {
        CommandError::from(error).into()
    }
}

impl From<SaleError> for Stop {
    fn from(error: SaleError) -> Self {
        CommandError::from(error).into()
    }
}

/// Takes a line: keeps it with the grant that it comes to, or finds that it is here already. A customer who is not
/// known is added where the line names them; `is_new` tells so.
pub(super) fn fill(
    writer: &mut OrderWriter<'_>,
    means: Means<'_>,
    wish: &Wish,
    is_new: &mut bool,
) -> Result<Filled, Stop> {
    if let Some(before) = writer.line(&wish.order, wish.line)? {
        return match wish.difference(&before.content) {
            None => Ok(Filled::Unchanged),
            Some(flaw) => Err(flaw.into()),
        };
    }
    if let Some(customer) = writer.customer_of(&wish.order)?.filter(|customer| *customer != wish.customer) {
        let message = format!("order {} is of customer {customer}, as its other lines say", wish.order);
        return Err(Flaw::of(Field::Customer, "order-customer-other", message).into());
    }
    *is_new = require_customer(writer, wish)?;
    let reason = wish.reason.clone().unwrap_or_else(|| format!("order {}", wish.order));
    let note = Note { by: means.by, reason: &reason, at: means.now };
    let target = wish.target.as_ref().map(|target| find(writer, target)).transpose()?;
    let decided = writer.change(
        |grants| match target {
            None => grant(grants, means.sales, wish, &note),
            Some(id) => change(grants, means.sales, wish, id, &note),
        },
        |grants, change| match means.office {
            None => Ok(None),
            Some(office) => Ok(office.judge(grants, change, &note)?),
        },
    )?;
    let content = json!(wish.content()).to_string();
    let line = NewOrderLine {
        number: &wish.order,
        line: wish.line,
        customer: &wish.customer,
        entitlement: decided.entitlement,
        grant: decided.grant,
        content: &content,
    };
    writer.keep(&line)?;
    Ok(if decided.proposal.is_some() { Filled::Waiting } else { Filled::Done(wish.action) })
}

/// Returns the entitlement that a line changes.
fn find(writer: &OrderWriter<'_>, target: &Target) -> Result<EntitlementId, Stop> {
    let (number, line) = match target {
        Target::Entitlement(id) => return Ok(*id),
        Target::Order { number, line } => (number, *line),
    };
    match writer.line(number, line)? {
        Some(found) if found.revision.is_some() => Ok(found.entitlement),
        Some(_) => {
            let message = format!("order {number} line {line} waits to be approved, or was not");
            Err(Flaw::of(Field::Of, "order-waiting", message).into())
        }
        None => {
            let message = format!("order {number} line {line} is unknown");
            Err(Flaw::of(Field::Of, "order-unknown", message).into())
        }
    }
}

/// Returns whether the customer of a line was added.
fn require_customer(writer: &mut OrderWriter<'_>, wish: &Wish) -> Result<bool, Stop> {
    if writer.customer_name(&wish.customer)?.is_some() {
        return Ok(false);
    }
    match &wish.customer_name {
        Some(name) if wish.action == Action::New => {
            writer.add_customer(&wish.customer, name)?;
            Ok(true)
        }
        _ => {
            let message = format!("customer {} is unknown, and the line does not name them", wish.customer);
            Err(Flaw::of(Field::Customer, "customer-unknown", message).into())
        }
    }
}

fn grant(
    grants: &mut GrantWriter<'_>,
    sales: &Sales,
    wish: &Wish,
    note: &Note<'_>,
) -> Result<EntitlementId, Stop> {
    let order = Order {
        customer: &wish.customer,
        quantity: wish.quantity.unwrap_or(1).into(),
        site: wish.site.as_deref(),
        not_before: wish.from,
        not_after: wish.until,
    };
    let sold = sold_until(sales, wish)?;
    Ok(grant_within(grants, EntitlementId(random()?), &order, &sold, note)?.id)
}

fn change(
    grants: &mut GrantWriter<'_>,
    sales: &Sales,
    wish: &Wish,
    id: EntitlementId,
    note: &Note<'_>,
) -> Result<EntitlementId, Stop> {
    let before = grants.entitlement(id)?;
    if before.customer != wish.customer {
        let message = format!("entitlement {id} is of customer {}, not {}", before.customer, wish.customer);
        return Err(Flaw::of(Field::Customer, "entitlement-customer-other", message).into());
    }
    if let Some(product) = wish.product.as_ref().filter(|product| **product != before.product) {
        let message = format!("entitlement {id} is for {}, not {product}", before.product);
        return Err(Flaw::of(Field::Product, "sale-other", message).into());
    }
    let not_after = wish.until;
    match wish.action {
        Action::Convert => {
            let sold = sold_until(sales, wish)?;
            let conversion = Conversion { model: sold.model, not_after, sold: Some(sold) };
            convert_within(grants, id, &conversion, note)?;
        }
        Action::Renew => {
            let length = wish.length.or(not_after.map(Length::Until));
            let length = length.ok_or_else(|| Flaw::missing(Field::Until))?;
            renew_within(grants, id, length, note)?;
        }
        Action::Amend | Action::New => {
            let sold = if wish.sells() { Some(sold(sales, wish)?) } else { None };
            let quantity = wish.quantity.map(u64::from);
            let amendment = Amendment { sold, quantity, not_after, ..Amendment::default() };
            amend_within(grants, id, &amendment, &BTreeMap::new(), note)?;
        }
    }
    Ok(id)
}

/// Returns what the sale of a line comes to that begins or converts an entitlement: an edition that is sold until a day
/// is a subscription, also where no policy says so.
fn sold_until(sales: &Sales, wish: &Wish) -> Result<Sold, Stop> {
    let mut sold = sold(sales, wish)?;
    if sold.package.is_none() && wish.policy.is_none() && wish.until.is_some() {
        sold.model = Model::Subscription;
    }
    Ok(sold)
}

/// Returns what the sale of a line comes to.
fn sold(sales: &Sales, wish: &Wish) -> Result<Sold, Stop> {
    let item = match &wish.goods {
        Some(Goods::Edition(id)) => Item::Edition(id),
        Some(Goods::Package(id)) => Item::Package(id),
        None => return Err(Flaw::missing(Field::Edition).into()),
    };
    let wanted = Wanted {
        product: wish.product.as_deref().ok_or_else(|| Flaw::missing(Field::Product))?,
        item,
        add_ons: &wish.add_ons,
        policy: wish.policy.as_deref(),
        territory: wish.territory.as_deref(),
        support: wish.support.as_deref(),
    };
    Ok(sales.sold(&wish.customer, &wanted)?)
}
