//! Changing the catalog: for everybody, or for a share of the customers until that is promoted or withdrawn.
//!
//! Not here: reading the file (`catalog`), who is in a pilot (`pilot`).
//!
//! Spec: `docs/spec/catalog.md` §4 and §5.

use super::read_kept;
use crate::error::CommandError;
use crate::repository::{Catalog, CatalogState, Change, ChangeKind, NewChange, Pilot, Repository};
use crate::workflow::label;
use crate::workflow::pilot::Share;

/// Who changes the catalog, and why; both are kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stated<'a> {
    /// A name for people.
    pub by: Option<&'a str>,
    /// A text of 1 to 128 bytes.
    pub reason: Option<&'a str>,
}

/// What became of a catalog file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Number of the change; none where everything was so before.
    pub number: Option<u64>,
    /// The pilot that was open and holds for nobody any more.
    pub overtaken: Option<u64>,
}

/// Makes `catalog`, which was read from `text` over `state`, the catalog for everybody, or for a share of them.
///
/// `now` is Unix seconds.
///
/// # Errors
///
/// Names and reasons that cannot be shown; a pilot where no catalog stands; `catalog-moved` where somebody else
/// changed the catalog since `state` was read; those of the repository.
pub fn apply(
    repository: &mut Repository,
    state: &CatalogState,
    catalog: &Catalog,
    text: &str,
    (pilot, stated): (Option<Share>, Stated<'_>),
    now: u64,
) -> Result<Applied, CommandError> {
    require_shown(stated)?;
    let kind = match pilot {
        None => ChangeKind::Apply,
        Some(_) if state.number == 0 => {
            let message = "no catalog holds for those who would not be in the pilot";
            return Err(CommandError::refused("pilot-first", message)
                .hint("apply a catalog for everybody first, without `--pilot`"));
        }
        // Those who are in the pilot stay in it when its share grows.
        Some(share) => ChangeKind::Pilot {
            share: share.hundredths(),
            seed: state.pilot.as_ref().map(|pilot| pilot.seed),
        },
    };
    let same_pilot = |share: Share| {
        let open = state.pilot.as_ref();
        open.is_some_and(|open| open.catalog == *catalog && open.share == share.hundredths())
    };
    let is_so = state.catalog == *catalog || pilot.is_some_and(same_pilot);
    if is_so {
        return Ok(Applied { number: None, overtaken: None });
    }
    let new = NewChange { kind, after: state.newest, catalog, text, by: stated.by, reason: stated.reason };
    let number = repository.change_catalog(&new, now)?;
    Ok(Applied { number: Some(number), overtaken: state.pilot.as_ref().map(|pilot| pilot.number) })
}

/// Makes the pilot of `number` hold for everybody, and returns the number of the change that does so.
///
/// # Errors
///
/// What is not an open pilot, with what became of it; those of [`apply`].
pub fn promote(
    repository: &mut Repository,
    number: u64,
    stated: Stated<'_>,
    now: u64,
) -> Result<u64, CommandError> {
    require_shown(stated)?;
    let state = repository.catalog_state()?;
    let pilot = open(repository, &state, number)?;
    let text = repository.catalog_text(number)?;
    let new = NewChange {
        kind: ChangeKind::Promote(number),
        after: state.newest,
        catalog: &pilot.catalog,
        text: &text,
        by: stated.by,
        reason: stated.reason,
    };
    Ok(repository.change_catalog(&new, now)?)
}

/// Ends the pilot of `number`: the catalog that stands holds for everybody again. Returns the number of the change
/// that does so.
///
/// # Errors
///
/// As [`promote`].
pub fn withdraw(
    repository: &mut Repository,
    number: u64,
    stated: Stated<'_>,
    now: u64,
) -> Result<u64, CommandError> {
    require_shown(stated)?;
    let state = repository.catalog_state()?;
    open(repository, &state, number)?;
    let new = NewChange {
        kind: ChangeKind::Withdraw(number),
        after: state.newest,
        catalog: &state.catalog,
        text: "",
        by: stated.by,
        reason: stated.reason,
    };
    Ok(repository.change_catalog(&new, now)?)
}

/// Returns the catalog that a change made, as everybody or its pilot had it.
///
/// # Errors
///
/// `change-unknown`; those of the repository.
pub fn at(repository: &Repository, number: u64) -> Result<Catalog, CommandError> {
    if let Some(catalog) = repository.catalog_of(number)? {
        return Ok(catalog);
    }
    // Releases before this one kept the files alone.
    let mut catalog = Catalog::default();
    for earlier in 1..=number {
        let text = repository.catalog_text(earlier)?;
        catalog = read_kept(&catalog, &text).map_err(|error| {
            CommandError::alarm("catalog-unreadable", format!("catalog change {earlier} cannot be read"))
                .cause(error.to_string())
                .hint("stop and call the auditor: run `chancery log verify`")
        })?;
    }
    Ok(catalog)
}

/// What became of a pilot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It holds for its customers.
    Open,
    /// The change of this number came after it, and it holds for nobody any more.
    Overtaken(u64),
    /// The change of this number made it hold for everybody.
    Promoted(u64),
    /// The change of this number ended it.
    Withdrawn(u64),
}

/// Tells what became of a pilot by the change that came after it.
#[must_use]
pub fn fate(pilot: u64, changes: &[Change]) -> Fate {
    match changes.iter().find(|change| change.number == pilot + 1) {
        None => Fate::Open,
        Some(Change { number, kind: ChangeKind::Promote(_), .. }) => Fate::Promoted(*number),
        Some(Change { number, kind: ChangeKind::Withdraw(_), .. }) => Fate::Withdrawn(*number),
        Some(Change { number, .. }) => Fate::Overtaken(*number),
    }
}

/// Returns the pilot of `number` where it is open.
fn open<'a>(
    repository: &Repository,
    state: &'a CatalogState,
    number: u64,
) -> Result<&'a Pilot, CommandError> {
    if let Some(pilot) = state.pilot.as_ref().filter(|pilot| pilot.number == number) {
        return Ok(pilot);
    }
    let changes = repository.catalog_changes()?;
    let list = "list changes and what became of them with `chancery catalog history`";
    let Some(change) = changes.iter().find(|change| change.number == number) else {
        let message = format!("there is no catalog change {number}");
        return Err(CommandError::failed("change-unknown", message).hint(list));
    };
    if !matches!(change.kind, ChangeKind::Pilot { .. }) {
        let message = format!("catalog change {number} is not a pilot: it holds for everybody");
        return Err(CommandError::refused("not-a-pilot", message).hint(list));
    }
    Err(match fate(number, &changes) {
        Fate::Promoted(by) => {
            let message = format!("pilot {number} was promoted by change {by}");
            CommandError::refused("pilot-promoted", message).hint(list)
        }
        Fate::Withdrawn(by) => {
            let message = format!("pilot {number} was withdrawn by change {by}");
            CommandError::refused("pilot-withdrawn", message).hint("apply its file again with `--pilot`")
        }
        Fate::Open | Fate::Overtaken(_) => {
            let message = format!("pilot {number} was overtaken by change {}", number + 1);
            CommandError::refused("pilot-overtaken", message)
                .cause("a pilot is tried against the catalog that stood when it began")
                .hint("apply its file again: it is read over the catalog that stands now")
        }
    })
}

fn require_shown(stated: Stated<'_>) -> Result<(), CommandError> {
    for (option, text) in [("--by", stated.by), ("--reason", stated.reason)] {
        if let Some(Err(error)) = text.map(label::check) {
            return Err(CommandError::refused(
                "reason-refused",
                format!("what {option} says cannot be kept"),
            )
            .cause(error.to_string())
            .hint(format!("give 1 to 128 bytes of plain text with `{option}`")));
        }
    }
    Ok(())
}
