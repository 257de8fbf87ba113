//! Granting: what a sale comes to becomes an entitlement.
//!
//! Not here: what a sale comes to under a policy, changing an entitlement (`amend`, `convert`).

use std::collections::BTreeSet;

use chancery_formats::grant::{Change, State};
use chancery_formats::id::EntitlementId;
use chancery_formats::license::Versions;

use super::{require_note, require_term};
use crate::error::CommandError;
use crate::repository::{Binding, Entitlement, GrantWriter, Model, Note, Repository, Sold};
use crate::workflow::approval::gate;
use crate::workflow::sale::{Item, Sales, Wanted};
use crate::workflow::{random, term};

const DAY_SECS: u64 = 86_400;

/// Who buys how much of it, and for when.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Id of the customer.
    pub customer: &'a str,
    /// Devices that may hold a license, or licenses where they are bound to none; at least 1.
    pub quantity: u64,
    /// The site that its licenses name: where they are bound to it, and else for people.
    pub site: Option<&'a str>,
    /// First second of the term, in Unix seconds; `None` is the start of the present UTC day.
    pub not_before: Option<u64>,
    /// Last second of the term, in Unix seconds; `None` is what the sale says.
    pub not_after: Option<u64>,
}

/// Returns what an edition of the catalog comes to when it is sold as it is, to somebody who is in no pilot.
///
/// # Errors
///
/// `catalog-empty`, `product-unknown`, `edition-unknown`.
pub fn sold(
    repository: &Repository,
    product: &str,
    edition: &str,
    model: Model,
    binding: Binding,
) -> Result<Sold, CommandError> {
    let wanted = Wanted {
        product,
        item: Item::Edition(edition),
        add_ons: &[],
        policy: None,
        territory: None,
        support: None,
    };
    let mut sold = Sales::open(repository)?.sold_to_anybody(&wanted)?;
    sold.model = model;
    sold.rules.binding = binding;
    Ok(sold)
}

/// Grants what was sold under a new random id.
///
/// # Errors
///
/// `customer-unknown`; what cannot be sold so: a term that is empty, missing or beside the point, a trial or a site
/// without what it is bound to. Nothing is granted then.
pub fn grant(
    repository: &mut Repository,
    order: &Order<'_>,
    sold: &Sold,
    note: &Note<'_>,
) -> Result<Entitlement, CommandError> {
    grant_as(repository, EntitlementId(random()?), order, sold, note)
}

/// Grants what was sold under an id of the caller's, which names nothing yet.
///
/// # Errors
///
/// As [`grant`].
pub fn grant_as(
    repository: &mut Repository,
    id: EntitlementId,
    order: &Order<'_>,
    sold: &Sold,
    note: &Note<'_>,
) -> Result<Entitlement, CommandError> {
    gate::change(repository, note, |writer| grant_within(writer, id, order, sold, note))
}

/// Does as [`grant_as`], in the transaction of the caller.
///
/// # Errors
///
/// As [`grant`].
pub fn grant_within(
    writer: &mut GrantWriter<'_>,
    id: EntitlementId,
    order: &Order<'_>,
    sold: &Sold,
    note: &Note<'_>,
) -> Result<Entitlement, CommandError> {
    require_note(note)?;
    let state = begin(id, order, sold, note.at)?;
    writer.require_customer(order.customer)?;
    Ok(writer.record(&state, Change::Grant, note)?)
}

/// Returns the state in which an entitlement begins; `now` is Unix seconds.
fn begin(id: EntitlementId, order: &Order<'_>, sold: &Sold, now: u64) -> Result<Entitlement, CommandError> {
    // A term that starts this second would not have begun for a site whose clock is a minute behind.
    let not_before = order.not_before.unwrap_or_else(|| term::start_of_day(now));
    let not_after = end(sold, not_before, order.not_after)?;
    require_term(not_before, not_after)?;
    let rules = &sold.rules;
    if rules.binding == Binding::Site && order.site.is_none() {
        return Err(
            CommandError::usage("licenses that are bound to a site name one").hint("name it with `--site`")
        );
    }
    if order.quantity == 0 {
        return Err(CommandError::usage("nothing is granted with a quantity of 0")
            .hint("grant at least 1 with `--quantity`"));
    }
    let mut state = Entitlement {
        id,
        revision: 0,
        state: State::Active,
        parent_state: State::Active,
        customer: order.customer.to_owned(),
        site: order.site.map(ToOwned::to_owned),
        product: sold.product.clone(),
        edition: String::new(),
        package: None,
        add_ons: BTreeSet::new(),
        catalog: 0,
        model: sold.model,
        began_as_trial: sold.model == Model::Trial,
        quantity: order.quantity,
        in_islands: 0,
        returned: 0,
        used: 0,
        binding: rules.binding,
        not_before,
        not_after,
        parent: None,
        transferable: rules.transferable,
        named_users: None,
        features: sold.features.clone(),
        versions: None,
        seats: None,
        territory: BTreeSet::new(),
        support: None,
        enforcement: rules.enforcement,
        devices: None,
        channels: BTreeSet::new(),
        bindings: None,
        users: BTreeSet::new(),
        groups: BTreeSet::new(),
        granted_at: now,
    };
    apply(&mut state, sold)?;
    Ok(state)
}

/// Returns the end of a term that begins at `not_before`: the one asked for, or else that of the sale.
pub(super) fn end(sold: &Sold, not_before: u64, asked: Option<u64>) -> Result<Option<u64>, CommandError> {
    let days = sold.rules.term_days.map(|days| not_before + u64::from(days) * DAY_SECS - 1);
    match (sold.model, asked.or(days)) {
        (Model::Perpetual, _) if asked.is_some() => {
            Err(CommandError::refused("term-perpetual", "what is sold for ever has no last day")
                .hint("leave `--until` out, or sell a subscription"))
        }
        (Model::Perpetual, _) => Ok(None),
        (model, None) => {
            Err(CommandError::refused("term-missing", format!("a {} has a last day", model.name()))
                .hint("name it with `--until`"))
        }
        (_, end) => Ok(end),
    }
}

/// Makes a state say what was sold, but for customer, site, quantity, term, model and who is named in it. A later sale
/// under no policy leaves the rules as they were sold.
///
/// # Errors
///
/// `sale-other` for another product, and for a policy that binds licenses to something else; `model-other` for one of
/// another model; `trial-unbound`.
pub(super) fn apply(state: &mut Entitlement, sold: &Sold) -> Result<(), CommandError> {
    let rules = &sold.rules;
    let is_first = state.revision == 0;
    if !is_first {
        require_same(state, sold)?;
    }
    state.edition = sold.edition.clone();
    state.package = sold.package.clone();
    state.add_ons = sold.add_ons.clone();
    state.catalog = sold.catalog;
    state.features = sold.features.clone();
    if is_first || !rules.territory.is_empty() {
        state.territory = rules.territory.clone();
    }
    if is_first || rules.support.is_some() {
        state.support = rules.support.clone();
    }
    if !is_first && sold.policy.is_none() {
        return Ok(());
    }
    if state.model == Model::Trial && rules.binding != Binding::Device {
        return Err(CommandError::refused("trial-unbound", "a trial is bound to the device that has it")
            .hint("sell the trial with `--binding device`"));
    }
    let released_until =
        rules.maintenance_days.map(|days| (state.not_before + u64::from(days) * DAY_SECS).saturating_sub(1));
    let is_bounded = released_until.is_some() || rules.highest_version.is_some();
    state.versions =
        is_bounded.then_some(Versions { lowest: None, highest: rules.highest_version, released_until });
    state.seats = rules.seats;
    state.named_users = rules.named_users.map(u64::from);
    state.enforcement = rules.enforcement;
    state.devices = rules.devices;
    state.channels = rules.channels.clone();
    state.bindings = rules.bindings;
    state.transferable = rules.transferable;
    Ok(())
}

/// Refuses a sale that an entitlement cannot become.
fn require_same(state: &Entitlement, sold: &Sold) -> Result<(), CommandError> {
    let (is_other_binding, is_other_model) = match &sold.policy {
        Some(_) => (state.binding != sold.rules.binding, state.model != sold.model),
        None => (false, false),
    };
    if state.product != sold.product || is_other_binding {
        let message = format!(
            "entitlement {} is for {}, bound to {}; this is for {}, bound to {}",
            state.id,
            state.product,
            state.binding.name(),
            sold.product,
            sold.rules.binding.name()
        );
        return Err(CommandError::refused("sale-other", message).hint("grant a new entitlement for it"));
    }
    if is_other_model {
        let (id, model, other) = (state.id, state.model.name(), sold.model.name());
        let message = format!("entitlement {id} is a {model}, and the policy is that of a {other}");
        return Err(CommandError::refused("model-other", message)
            .hint("convert it with `chancery entitlement convert`, or name another policy with `--policy`"));
    }
    Ok(())
}
