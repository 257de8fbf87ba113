//! `chancery root rotate`: other custodians, another threshold, or numbered bundles alone.

use std::path::PathBuf;

use chancery_formats::id::KeyId;
use chancery_formats::trust::Root;
use chancery_hsm_config::{KeyRef, PinSource};
use serde_json::json;

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::commands::custodians::{CustodianArgs, join};
use crate::error::CommandError;
use crate::repository::Repository;
use crate::workflow::change::Progress;
use crate::workflow::custody::{Quorum, newest_root};
use crate::workflow::roster::{Roster, read_public_key};
use crate::workflow::rotation::{Plan, rotate};

/// Make the next root: other custodians, another threshold, or numbered bundles alone
///
/// The quorums of this root and of the next one sign it, and the next one seals every key record and closing again,
/// unchanged. The same command goes on with what was interrupted. Where a quorum is lost, the recovery set that
/// version 1 committed to signs in its place.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery root rotate --add-key file:keys/root-2.pem --remove 0123456789abcdef\n  \
    chancery root rotate --add carol.pem --threshold 2 --signer 0123456789abcdef \\\n    \
    --signer fedcba9876543210 --out rotation.ccer\n  \
    chancery root rotate --plan custodians.toml --recovery recovery.toml --out rotation.ccer\n  \
    chancery root rotate --manifests")]
pub struct RotateArgs {
    /// File that names every custodian of the next root, and the threshold
    #[arg(long, value_name = "FILE", conflicts_with_all = ["add", "add_key", "remove", "threshold"],
        required_unless_present_any = ["add", "add_key", "remove", "threshold", "manifests"])]
    plan: Option<PathBuf>,
    /// Public key of a custodian who joins, as `key export` writes it; more than once for several
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Key of a custodian who joins, on this machine; made where it does not exist; more than once for several
    #[arg(long, value_name = "REF")]
    add_key: Vec<Reference<KeyRef>>,
    /// Custodian who leaves, by key id; more than once for several
    #[arg(long, value_name = "KID")]
    remove: Vec<KeyId>,
    /// How many must sign [default: as many as now]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    threshold: Option<u8>,
    /// Have sites take numbered bundles alone from the next root on, on first use too; a root that says so is not taken
    /// back. Roots of a ceremony say so from version 1 on
    #[arg(long)]
    manifests: bool,
    /// File that names the recovery set committed to, which signs in place of the custodians
    #[arg(long, value_name = "FILE")]
    recovery: Option<PathBuf>,
    /// File that names the recovery set to commit to from now on
    #[arg(long, value_name = "FILE", requires = "recovery")]
    next_recovery: Option<PathBuf>,
    #[command(flatten)]
    custodians: CustodianArgs,
}

pub(super) fn run(args: &RotateArgs, context: &Context) -> Result<(), CommandError> {
    let output = args.custodians.reserve()?;
    let mut repository = context.repository()?;
    let mut pins = context.pins()?;
    let (plan, roster) = read(args, &repository, &mut pins)?;
    let asked = args.custodians.asked();
    let proposed =
        rotate(&mut repository, &plan, &roster.seats, roster.opened, &asked, &mut pins, context.now()?)?;
    let mut printer = context.printer();
    let root = proposed.change.documents().next().map(|(_, payload)| payload.to_vec()).unwrap_or_default();
    let root = Root::decode(&root)?;
    printer.line(format_args!(
        "Root version {}: {} of {} custodians",
        root.version,
        root.quorum.threshold,
        root.quorum.custodians.len()
    ))?;
    let told = args.custodians.tell(output, &repository, &proposed, &mut printer)?;
    if matches!(proposed.progress, Progress::Stands(_)) {
        printer.line("Next: `chancery bundle publish -o FILE`, for every site and every product")?;
    }
    Ok(printer.json(&join(json!({"root_version": root.version}), told))?)
}

/// Reads what is to hold of the next root.
fn read(
    args: &RotateArgs,
    repository: &Repository,
    pins: &mut PinSource,
) -> Result<(Plan, Roster), CommandError> {
    let payload = newest_root(repository)?;
    let in_force = Quorum::of(&Root::decode(&payload)?.quorum);
    let home = repository.home().clone();
    let mut roster = Roster::default();
    let threshold = match &args.plan {
        Some(path) => roster.read(path, &in_force.custodians, &home, pins)?,
        None => {
            roster.custodians.clone_from(&in_force.custodians);
            args.remove.iter().try_for_each(|kid| roster.remove(*kid))?;
            let mut joining = Roster::default();
            for path in &args.add {
                joining.add(read_public_key(path)?, None)?;
            }
            for reference in &args.add_key {
                joining.add_key(reference.get()?, None, &home, pins)?;
            }
            // Who has joined already stays as they are: the command may have been interrupted after its end.
            joining.custodians.retain(|custodian| in_force.find(&custodian.key).is_none());
            roster.custodians.append(&mut joining.custodians);
            roster.seats.append(&mut joining.seats);
            roster.opened.append(&mut joining.opened);
            args.threshold.map_or(in_force.threshold, usize::from)
        }
    };
    let quorum = roster.quorum(threshold)?;
    let mut set = |path: &PathBuf| {
        let mut set = Roster::default();
        let threshold = set.read(path, &[], &home, pins)?;
        let quorum = set.quorum(threshold)?;
        roster.seats.extend(set.seats);
        roster.opened.extend(set.opened);
        Ok::<_, CommandError>(quorum)
    };
    let recovery = args.recovery.as_ref().map(&mut set).transpose()?;
    let next_recovery = args.next_recovery.as_ref().map(&mut set).transpose()?;
    Ok((Plan { quorum, recovery, next_recovery, manifests: args.manifests }, roster))
}
