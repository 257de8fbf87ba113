//! `chancery restore`: a home from its backup, and a copied home taken over.

use std::path::{Path, PathBuf};

use chancery_carriers::files::read_document;
use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::log::note::MAX_NOTE;
use chancery_hsm_config::{TokenRef, read_audit};
use serde_json::json;

use super::Context;
use super::argument::Reference;
use super::backup::{Watched, key};
use crate::error::CommandError;
use crate::output;
use crate::repository::KeyRecord;
use crate::workflow::device_log::Ledger;
use crate::workflow::restore::{Request, Restored, restore};
use crate::workflow::restored::{Evidence, adopt, release};

/// Make a home from a backup, or take a copied home over
///
/// Checks everything in a folder beside the new home, which takes its name last. A home that was restored or taken
/// over signs nothing until `--reconcile` shows that it holds all that was signed: one log index would else stand for
/// two licenses. That takes the newest checkpoint that was handed out, the log of each device that keeps one, and the
/// operator's word for keys that nothing counts.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery restore authority.age --home /srv/authority --identity key.txt\n  \
    chancery restore authority.age --home /srv/authority --passphrase\n  \
    chancery restore --adopt --home /srv/copied\n  \
    chancery restore --reconcile --checkpoint newest.checkpoint --device 'yubihsm:serial=0001234567;auth-id=3?connector=usb'\n  \
    chancery restore --reconcile --checkpoint newest.checkpoint --nothing-signed-since")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(false).args(["file", "adopt", "reconcile"])))]
#[command(group(clap::ArgGroup::new("opening").multiple(false).args(["identity", "passphrase"])))]
pub struct RestoreArgs {
    /// Backup to restore
    #[arg(value_name = "FILE", requires = "opening")]
    pub file: Option<PathBuf>,
    /// File with the identity that opens the backup
    #[arg(long, value_name = "FILE", requires = "file")]
    pub identity: Option<PathBuf>,
    /// Ask for the passphrase of the backup
    #[arg(long, requires = "file")]
    pub passphrase: bool,
    /// Refuse the backup of any other authority than the one with this id
    #[arg(long, value_name = "ID", requires = "file")]
    pub authority: Option<AuthorityId>,
    /// Refuse any other file than the one with this SHA-256, which `chancery backup` told
    #[arg(long, value_name = "HEX", requires = "file")]
    pub sha256: Option<Thumbprint>,
    /// Take over the home that `--home` names, which was copied, in place of the original
    #[arg(long)]
    pub adopt: bool,
    /// Show that a home that was restored or taken over holds all that was signed, so that it signs again
    #[arg(long, requires = "checkpoint")]
    pub reconcile: bool,
    /// Newest checkpoint that was ever handed out
    #[arg(long, value_name = "FILE", requires = "reconcile")]
    pub checkpoint: Option<PathBuf>,
    /// Device whose own log is to be read, under the login that may; repeat for more than one
    #[arg(long, value_name = "REF", requires = "reconcile")]
    pub device: Vec<Reference<TokenRef>>,
    /// State that keys whose uses nothing counts signed nothing after the backup and the checkpoint
    #[arg(long, requires = "reconcile")]
    pub nothing_signed_since: bool,
}

/// Runs `chancery restore`.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(args: &RestoreArgs, context: &Context) -> Result<(), CommandError> {
    match (&args.file, &args.checkpoint) {
        (Some(file), _) => from_backup(args, file, context),
        (None, Some(checkpoint)) => reconcile(args, checkpoint, context),
        (None, None) => take_over(context),
    }
}

fn reconcile(args: &RestoreArgs, checkpoint: &Path, context: &Context) -> Result<(), CommandError> {
    let (home, now) = (context.home()?, context.now()?);
    let checkpoint = read_document(checkpoint, MAX_NOTE as u64)?;
    // Whatever is wrong with the home shows before a password is typed.
    context.repository()?;
    let (mut devices, mut pins) = (Vec::new(), context.pins()?);
    for device in &args.device {
        let device = device.get()?;
        let TokenRef::YubiHsm(token) = device else {
            return Err(CommandError::refused("no-audit-log", format!("{device} keeps no log of its own"))
                .hint("name a YubiHSM 2: yubihsm:serial=…;auth-id=…?connector=…"));
        };
        read_audit(device, &mut pins, Box::new(Ledger::new(&home)))?;
        devices.push(token.serial.clone());
    }
    let evidence = Evidence {
        checkpoint: &checkpoint,
        devices: &devices,
        nothing_signed_since: args.nothing_signed_since,
    };
    let released = release(&mut context.repository()?, &evidence, now)?;
    let kids =
        |keys: &[KeyRecord]| keys.iter().map(|key| key.public_key.key_id().to_string()).collect::<Vec<_>>();
    let (counted, stated) = (kids(&released.counted), kids(&released.stated));
    let mut printer = context.printer();
    printer.line(format_args!(
        "The log holds all {} documents of the checkpoint: keys sign again",
        released.checkpoint_size
    ))?;
    let listed = |kids: &[String]| if kids.is_empty() { "none".to_owned() } else { kids.join(", ") };
    printer.fields(&[
        ("locks released", released.locks.len().to_string()),
        ("counted by devices", listed(&counted)),
        ("on your word", listed(&stated)),
    ])?;
    Ok(printer.json(&json!({
        "checkpoint_size": released.checkpoint_size,
        "locks_released": released.locks.iter().map(|lock| &lock.reason).collect::<Vec<_>>(),
        "keys_counted": counted,
        "keys_stated": stated,
        "issuing": "open",
    }))?)
}

fn from_backup(args: &RestoreArgs, file: &Path, context: &Context) -> Result<(), CommandError> {
    let (home, now) = (context.home()?, context.now()?);
    let key = key(file, args.identity.as_deref(), || context.pins())?;
    let request = Request { file, key, authority: args.authority, sha256: args.sha256.map(|hash| hash.0) };
    let mut shown = Watched::default();
    let made = restore(&home, &request, now, &mut |step, done, all| shown.update(step, done, all))?;
    drop(shown);
    tell(context, &made)
}

fn tell(context: &Context, made: &Restored) -> Result<(), CommandError> {
    let (home, contents) = (context.home()?, &made.contents);
    let missing: Vec<_> = made.keys_missing.iter().map(|path| path.display().to_string()).collect();
    let mut printer = context.printer();
    printer.line(format_args!("Restored authority {} to {}", made.name, home.path().display()))?;
    printer.fields(&[
        ("authority id", contents.authority.to_string()),
        ("log", format!("{} documents", contents.log.size)),
        ("backup of", output::time(contents.made_at)),
        ("epoch", made.lease.epoch.to_string()),
    ])?;
    if !missing.is_empty() {
        printer
            .line(format_args!("Put these key files back from their own copies: {}", missing.join(", ")))?;
    }
    printer.line(LOCKED)?;
    Ok(printer.json(&json!({
        "home": home.path(),
        "name": made.name,
        "authority_id": contents.authority.to_string(),
        "log_size": contents.log.size,
        "log_root": Thumbprint(contents.log.root).to_string(),
        "made_at": output::time_json(contents.made_at),
        "epoch": made.lease.epoch,
        "keys_missing": missing,
        "issuing": "locked",
    }))?)
}

fn take_over(context: &Context) -> Result<(), CommandError> {
    let home = context.home()?;
    let lease = adopt(&home, context.now()?)?;
    let mut printer = context.printer();
    printer.line(format_args!("Took {} over under epoch {}", home.path().display(), lease.epoch))?;
    printer.line("Never use the original again")?;
    printer.line(LOCKED)?;
    Ok(printer.json(&json!({"home": home.path(), "epoch": lease.epoch, "issuing": "locked"}))?)
}

const LOCKED: &str =
    "Keys sign nothing until `chancery restore --reconcile --checkpoint FILE` with the newest checkpoint";
