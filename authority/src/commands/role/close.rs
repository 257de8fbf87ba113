//! `chancery role close`: a key signs no more, and what of it stands.

use chancery_formats::id::{KeyId, Thumbprint};
use chancery_formats::trust::Closed;
use serde_json::json;

use crate::commands::Context;
use crate::commands::custodians::{CustodianArgs, join};
use crate::error::CommandError;
use crate::workflow::change::Progress;
use crate::workflow::closing::{How, close};

/// Close a key: it signs no more
///
/// What a retired key has signed stands: destroy the key. Of a key that somebody else may have, sites believe only
/// what a witness signed below a size of the log, or what is shown to be in the log at that size. The custodians seal
/// it, and it never changes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery role close 0123456789abcdef --retired --reason 'replaced by a key in the new HSM'\n  \
    chancery role close 0123456789abcdef --compromised --reason 'laptop stolen'\n  \
    chancery role close 0123456789abcdef --compromised-at 104 --reason 'laptop stolen' --out closing.ccer")]
#[command(group(clap::ArgGroup::new("how").required(true).args(["retired", "compromised", "compromised_at"])))]
pub struct CloseArgs {
    /// Key to close, as `role list` shows it
    #[arg(value_name = "KID")]
    key: KeyId,
    /// It was destroyed, and nobody else ever had it
    #[arg(long)]
    retired: bool,
    /// Somebody else may have it, since the last checkpoint of the log
    #[arg(long)]
    compromised: bool,
    /// Somebody else may have it, since the log had this many documents
    #[arg(long, value_name = "SIZE")]
    compromised_at: Option<u64>,
    /// Root of the log at that size, to be compared
    #[arg(long, value_name = "HASH", conflicts_with = "retired")]
    root: Option<Thumbprint>,
    /// Why, for people; every site sees it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    custodians: CustodianArgs,
}

pub(super) fn run(args: &CloseArgs, context: &Context) -> Result<(), CommandError> {
    let root = args.root.map(|root| root.0);
    let how = if args.retired { How::Retired } else { How::Compromised { size: args.compromised_at, root } };
    let output = args.custodians.reserve()?;
    let mut repository = context.repository()?;
    let asked = args.custodians.asked();
    let (mut pins, now) = (context.pins()?, context.now()?);
    let found = close(&mut repository, args.key, how, &args.reason, &asked, &mut pins, now)?;
    let (kid, role) = (args.key, found.key.role.name());
    let said = match &found.closed {
        Closed::Retired => "retired".to_owned(),
        Closed::Compromised(head) => format!("compromised at log size {}", head.size),
    };
    let mut printer = context.printer();
    let told = match &found.proposed {
        None => {
            printer.line(format_args!("{role} key {kid} is closed already, as {said}"))?;
            json!({"stands": true, "missing": []})
        }
        Some(proposed) => {
            let told = args.custodians.tell(output, &repository, proposed, &mut printer)?;
            if matches!(proposed.progress, Progress::Stands(_)) {
                printer.line(format_args!(
                    "Closed {role} key {kid}, as {said}. Next: `chancery bundle publish -o FILE`"
                ))?;
            }
            told
        }
    };
    let head = match &found.closed {
        Closed::Retired => None,
        Closed::Compromised(head) => Some(head),
    };
    let described = json!({
        "kid": kid.to_string(),
        "role": role,
        "how": if head.is_some() { "compromised" } else { "retired" },
        "tree_size": head.map(|head| head.size),
        "tree_root": head.map(|head| Thumbprint(head.root).to_string()),
    });
    Ok(printer.json(&join(described, told))?)
}
