//! Converting: the same entitlement, with the devices that have it, runs out in another way from now on.
//!
//! This is how a trial is paid. Nothing becomes a trial.

use chancery_formats::grant::Change;
use chancery_formats::id::EntitlementId;

use super::grant::{apply, end};
use super::{Changed, change_within, require_islands_within, require_no_island, require_term};
use crate::error::CommandError;
use crate::repository::{GrantWriter, Model, Note, Repository, Rules, Sold};
use crate::workflow::approval::gate;
use crate::workflow::term;

/// What an entitlement is converted into.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// How it runs out from now on.
    pub model: Model,
    /// Last second of the term, in Unix seconds; none for a perpetual one, and where the sale says it.
    pub not_after: Option<u64>,
    /// What it is sold as from now on; as before where none is named.
    pub sold: Option<Sold>,
}

/// Converts an entitlement. A term that is over begins anew today; one that runs goes on.
///
/// # Errors
///
/// A refusal with its code: `entitlement-suspended`, `entitlement-revoked`, `convert-to-trial`, `convert-same`,
/// `island-fixed`, `island-outlives`, `term-missing`, `term-perpetual`, `sale-other`. Nothing is changed then.
pub fn convert(
    repository: &mut Repository,
    id: EntitlementId,
    conversion: &Conversion,
    note: &Note<'_>,
) -> Result<Changed, CommandError> {
    gate::change(repository, note, |writer| convert_within(writer, id, conversion, note))
}

/// Does as [`convert`], in the transaction of the caller.
///
/// # Errors
///
/// As [`convert`].
pub fn convert_within(
    writer: &mut GrantWriter<'_>,
    id: EntitlementId,
    conversion: &Conversion,
    note: &Note<'_>,
) -> Result<Changed, CommandError> {
    change_within(writer, id, Change::Convert, note, |writer, state| {
        require_no_island(state, "runs out with its parent")?;
        if conversion.model == Model::Trial {
            return Err(CommandError::refused("convert-to-trial", "nothing becomes a trial")
                .hint("grant a trial to a device that has had none"));
        }
        if conversion.model == state.model {
            let message = format!("entitlement {id} is a {} already", state.model.name());
            return Err(CommandError::refused("convert-same", message)
                .hint("change it with `chancery entitlement amend` or `renew`"));
        }
        if state.not_after.is_some_and(|last| last < note.at) {
            state.not_before = term::start_of_day(note.at);
        }
        state.model = conversion.model;
        state.not_after = match &conversion.sold {
            Some(sold) => end(
                &Sold { model: conversion.model, ..sold.clone() },
                state.not_before,
                conversion.not_after,
            )?,
            None => end(&as_before(state.model), state.not_before, conversion.not_after)?,
        };
        require_term(state.not_before, state.not_after)?;
        require_islands_within(writer, id, state.not_after)?;
        conversion.sold.as_ref().map_or(Ok(()), |sold| apply(state, sold))
    })
}

/// A sale that says nothing but how it runs out.
fn as_before(model: Model) -> Sold {
    Sold {
        product: String::new(),
        edition: String::new(),
        package: None,
        add_ons: Default::default(),
        catalog: 1,
        policy: None,
        model,
        features: Default::default(),
        rules: Rules::default(),
    }
}
