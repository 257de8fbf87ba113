//! Amending: more or fewer activations, another edition, features, seats, people, another end.
//!
//! What is not named stays as it was sold, under the catalog that it was sold under; another edition brings the
//! catalog of today with it. What is in use is never taken away by an amendment. Not here: how an entitlement runs
//! out (`convert`), the next term (`renew`), other sites and customers (`transfer`).

use std::collections::{BTreeMap, BTreeSet};

use chancery_formats::grant::Change;
use chancery_formats::id::EntitlementId;

use super::grant::apply;
use super::{Changed, change_within, island, require_islands_within, require_no_island, require_term};
use crate::error::CommandError;
use crate::repository::catalog::{FeatureKind, FeatureValue};
use crate::repository::{Entitlement, GrantWriter, Model, Note, Repository, Sold};
use crate::workflow::approval::gate;

/// What is to be otherwise; what is `None` or empty stays.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// What it is sold as from now on.
    pub sold: Option<Sold>,
    /// Activations, those of its islands among them.
    pub quantity: Option<u64>,
    /// Last second of the term, in Unix seconds.
    pub not_after: Option<u64>,
    /// Concurrent seats of each license; 0 for none.
    pub seats: Option<u64>,
    /// Features with what is granted of them; `None` takes one away.
    pub features: BTreeMap<String, Option<FeatureValue>>,
    /// Who is named; empty for nobody.
    pub users: Option<BTreeSet<String>>,
    /// Which groups are named; empty for none.
    pub groups: Option<BTreeSet<String>>,
}

/// Amends an entitlement.
///
/// # Errors
///
/// A refusal with its code: `entitlement-suspended`, `entitlement-revoked`, `nothing-changed`, `quantity-used`,
/// `quantity-zero`, `island-fixed`, `island-outlives`, `island-raised`, `term-perpetual`, `trial-extended`, `feature-unknown`,
/// `feature-other`, `feature-not-granted`, `users-not-named`, `users-too-many`, `sale-other`. Nothing is changed then.
pub fn amend(
    repository: &mut Repository,
    id: EntitlementId,
    amendment: &Amendment,
    note: &Note<'_>,
) -> Result<Changed, CommandError> {
    let kinds = feature_kinds(repository, id, amendment)?;
    gate::change(repository, note, |writer| amend_within(writer, id, amendment, &kinds, note))
}

/// Does as [`amend`], in the transaction of the caller; `kinds` are those of the features that are named.
///
/// # Errors
///
/// As [`amend`].
pub fn amend_within(
    writer: &mut GrantWriter<'_>,
    id: EntitlementId,
    amendment: &Amendment,
    kinds: &BTreeMap<String, FeatureKind>,
    note: &Note<'_>,
) -> Result<Changed, CommandError> {
    change_within(writer, id, Change::Amend, note, |writer, state| {
        if state.parent.is_some() {
            return amend_island(writer, state, amendment, note);
        }
        if let Some(sold) = &amendment.sold {
            apply(state, sold)?;
        }
        if let Some(quantity) = amendment.quantity {
            set_quantity(state, quantity)?;
        }
        if let Some(end) = amendment.not_after {
            set_end(writer, state, end)?;
        }
        if let Some(seats) = amendment.seats {
            state.seats = (seats > 0).then_some(seats);
        }
        for (name, value) in &amendment.features {
            set_feature(state, kinds, name, *value)?;
        }
        set_people(state, amendment)
    })
}

/// An island is amended in one way: it gives activations back.
fn amend_island(
    writer: &mut GrantWriter<'_>,
    state: &mut Entitlement,
    amendment: &Amendment,
    note: &Note<'_>,
) -> Result<(), CommandError> {
    let Amendment { sold, quantity, not_after, seats, features, users, groups } = amendment;
    let is_more = sold.is_some()
        || not_after.is_some()
        || seats.is_some()
        || !features.is_empty()
        || users.is_some()
        || groups.is_some();
    match quantity {
        Some(quantity) if !is_more => island::give_back(writer, state, *quantity, note),
        _ => require_no_island(state, "is amended by giving activations back alone"),
    }
}

fn set_quantity(state: &mut Entitlement, quantity: u64) -> Result<(), CommandError> {
    if quantity == 0 {
        let message = format!("entitlement {} cannot grant 0 activations", state.id);
        return Err(
            CommandError::refused("quantity-zero", message).hint("end it with `chancery entitlement revoke`")
        );
    }
    require_unused(state, quantity)?;
    state.quantity = quantity;
    Ok(())
}

/// Refuses to take away what is used, by licenses or by islands.
pub(super) fn require_unused(state: &Entitlement, quantity: u64) -> Result<(), CommandError> {
    let Entitlement { id, used, in_islands, .. } = state;
    if quantity >= used.saturating_add(*in_islands) {
        return Ok(());
    }
    let message = match in_islands {
        0 => format!("entitlement {id} has {used} activations in use, more than {quantity}"),
        _ => format!(
            "entitlement {id} has {used} activations in use and {in_islands} in islands, more than {quantity}"
        ),
    };
    Err(CommandError::refused("quantity-used", message)
        .hint("give activations of islands back, or transfer the entitlement to free those in use"))
}

fn set_end(writer: &GrantWriter<'_>, state: &mut Entitlement, end: u64) -> Result<(), CommandError> {
    let id = state.id;
    match (state.model, state.not_after) {
        (Model::Perpetual, _) => {
            return Err(CommandError::refused("term-perpetual", format!("entitlement {id} never ends"))
                .hint("make it a subscription with `chancery entitlement convert`"));
        }
        (Model::Trial, Some(last)) if end > last => {
            return Err(CommandError::refused("trial-extended", format!("entitlement {id} is a trial"))
                .hint("a trial is not extended: convert it with `chancery entitlement convert`"));
        }
        _ => {}
    }
    require_term(state.not_before, Some(end))?;
    require_islands_within(writer, id, Some(end))?;
    state.not_after = Some(end);
    Ok(())
}

/// Reads which values the features take that are named, as the catalog of today has them.
fn feature_kinds(
    repository: &Repository,
    id: EntitlementId,
    amendment: &Amendment,
) -> Result<BTreeMap<String, FeatureKind>, CommandError> {
    if amendment.features.values().all(Option::is_none) {
        return Ok(BTreeMap::new());
    }
    Ok(repository.product(&repository.entitlement(id)?.product)?.features)
}

fn set_feature(
    state: &mut Entitlement,
    kinds: &BTreeMap<String, FeatureKind>,
    name: &str,
    value: Option<FeatureValue>,
) -> Result<(), CommandError> {
    let id = state.id;
    let Some(value) = value else {
        return match state.features.remove(name) {
            Some(_) => Ok(()),
            None => {
                let message = format!("entitlement {id} grants no feature {name}");
                Err(CommandError::refused("feature-not-granted", message)
                    .hint("see what it grants with `chancery entitlement show`"))
            }
        };
    };
    let wanted = match (kinds.get(name), value) {
        (None, _) => {
            let message = format!("product {} has no feature {name}", state.product);
            return Err(CommandError::refused("feature-unknown", message)
                .hint("add it to the catalog with `chancery catalog apply FILE.toml`"));
        }
        (Some(FeatureKind::Limit), FeatureValue::Limit(_))
        | (Some(FeatureKind::Metered), FeatureValue::Quota { .. })
        | (Some(FeatureKind::Switch), FeatureValue::On) => {
            state.features.insert(name.to_owned(), value);
            return Ok(());
        }
        (Some(FeatureKind::Limit), _) => "a whole number, as it is a limit",
        (Some(FeatureKind::Metered), _) => "a quota and what may be used beyond it, as it is metered",
        (Some(FeatureKind::Switch), _) => "no value, as it is a switch",
    };
    let message = format!("feature {name} takes {wanted}");
    Err(CommandError::refused("feature-other", message)
        .hint(
            "write a limit as `--feature NAME=16`, a quota with overdraft as `NAME=500+50`, and a switch as `NAME`",
        ))
}

fn set_people(state: &mut Entitlement, amendment: &Amendment) -> Result<(), CommandError> {
    if let Some(users) = &amendment.users {
        state.users = users.clone();
    }
    if let Some(groups) = &amendment.groups {
        state.groups = groups.clone();
    }
    let (id, named) = (state.id, state.users.len() as u64);
    match state.named_users {
        _ if named == 0 && state.groups.is_empty() => Ok(()),
        None => Err(CommandError::refused("users-not-named", format!("entitlement {id} names no users"))
            .hint("sell it under a policy with named users")),
        Some(most) if named > most => {
            let message = format!("entitlement {id} names at most {most} users, not {named}");
            Err(CommandError::refused("users-too-many", message).hint("name fewer with `--users`"))
        }
        Some(_) => Ok(()),
    }
}
