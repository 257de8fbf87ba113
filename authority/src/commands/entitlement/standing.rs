//! `chancery entitlement suspend`, `resume` and `revoke`.

use chancery_formats::id::EntitlementId;
use serde_json::json;

use super::{Context, NoteArgs, Told, print};
use crate::error::CommandError;
use crate::workflow::entitlement::standing;

/// Suspend an entitlement until it is resumed
///
/// Nothing is issued for it or its islands meanwhile, not even what was issued before. Licenses that are out there
/// run on: to end them, revoke.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement suspend ent_0123456789ABC --reason 'invoice 12 is open'")]
pub struct SuspendArgs {
    /// Entitlement to suspend
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    #[command(flatten)]
    note: NoteArgs,
}

/// Resume an entitlement that was suspended
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement resume ent_0123456789ABC --reason 'invoice 12 is paid'")]
pub struct ResumeArgs {
    /// Entitlement to resume
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    #[command(flatten)]
    note: NoteArgs,
}

/// Revoke an entitlement and its islands for good
///
/// They are named for the next revocation list, which ends their licenses where it gets to. It cannot be undone.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement revoke ent_0123456789ABC --reason 'contract 17 cancelled'")]
pub struct RevokeArgs {
    /// Entitlement to revoke
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    #[command(flatten)]
    note: NoteArgs,
}

pub(super) fn suspend(args: &SuspendArgs, context: &Context) -> Result<(), CommandError> {
    let note = args.note.note(context.now()?);
    let mut repository = context.repository()?;
    let changed = standing::suspend(&mut repository, args.entitlement, &note)?;
    let told = Told { verb: "Suspended", lines: &[], licenses_differ: false };
    print(context, &repository, &changed, &told, json!({}))
}

pub(super) fn resume(args: &ResumeArgs, context: &Context) -> Result<(), CommandError> {
    let note = args.note.note(context.now()?);
    let mut repository = context.repository()?;
    let changed = standing::resume(&mut repository, args.entitlement, &note)?;
    let told = Told { verb: "Resumed", lines: &[], licenses_differ: false };
    print(context, &repository, &changed, &told, json!({}))
}

pub(super) fn revoke(args: &RevokeArgs, context: &Context) -> Result<(), CommandError> {
    let note = args.note.note(context.now()?);
    let mut repository = context.repository()?;
    let ended = standing::revoke(&mut repository, args.entitlement, &note)?;
    let islands = ended.islands.iter();
    let mut lines: Vec<_> = islands.map(|island| format!("Revoked with it: island {island}")).collect();
    lines.push(
        "Next: `chancery revocation publish`, and a trust bundle for the sites that have it".to_owned(),
    );
    let islands: Vec<_> = ended.islands.iter().map(ToString::to_string).collect();
    let told = Told { verb: "Revoked", lines: &lines, licenses_differ: false };
    print(context, &repository, &ended.changed, &told, json!({"islands": islands}))
}
