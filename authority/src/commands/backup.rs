//! `chancery backup`: the database in one encrypted file.

use std::path::{Path, PathBuf};

use chancery_carriers::output::Progress;
use chancery_carriers::text::shown_path;
use chancery_formats::id::Thumbprint;
use chancery_hsm_config::{HsmError, PinSource, TokenRef};
use serde_json::json;

use super::Context;
use crate::error::CommandError;
use crate::output;
use crate::repository::Repository;
use crate::workflow::backup::cipher::{Key, Lock};
use crate::workflow::backup::{Made, Request, Step, backup};

/// Write an encrypted backup of the authority
///
/// Copies the database while other commands may use it, encrypts it in the age format, restores the file into a
/// scratch folder, and checks all of that. Without `--identity` this is done with a key that is made for the trial and
/// forgotten. Keys in devices are never in it; files of software keys only with `--with-keys`, under the passphrases
/// that they have.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery backup -o /media/stick/authority.age --recipient age1… --recipient age1…\n  \
    chancery backup -o authority.age --passphrase --with-keys")]
#[command(group(clap::ArgGroup::new("lock").required(true).multiple(false)))]
pub struct BackupArgs {
    /// Backup to create; never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Public key of who may open it, as age-keygen prints it; repeat for more than one
    #[arg(long, value_name = "AGE1", group = "lock")]
    pub recipient: Vec<String>,
    /// Encrypt under a passphrase, which is asked for, instead of to recipients
    #[arg(long, group = "lock")]
    pub passphrase: bool,
    /// File with the identity of a recipient, to restore the trial with it
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase")]
    pub identity: Option<PathBuf>,
    /// Put the encrypted files of software keys into it
    #[arg(long)]
    pub with_keys: bool,
}

/// Runs `chancery backup`.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(args: &BackupArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let (lock, key) = lock_and_key(args, &mut context.pins()?)?;
    let recipients = lock.recipient_count();
    let request = Request { output: &args.output, lock, key, with_keys: args.with_keys };
    // Beside a writer, and from a copied home as well: a backup changes nothing.
    let repository = Repository::open_unleased(&context.home()?)?;
    let name = repository.authority()?.name;
    let mut shown = Watched::default();
    let made = backup(&repository, &request, now, &mut |step, done, all| shown.update(step, done, all))?;
    drop(shown);
    tell(context, &args.output, &name, recipients, &made)
}

fn lock_and_key(args: &BackupArgs, pins: &mut PinSource) -> Result<(Lock, Option<Key>), CommandError> {
    if args.passphrase {
        // Before a passphrase is asked for in vain.
        refuse_existing(&args.output)?;
        let passphrase = pins.new_passphrase(&token(&args.output))?;
        return Ok((Lock::Passphrase(passphrase.clone()), Some(Key::Passphrase(passphrase))));
    }
    let key = args.identity.as_deref().map(Key::identities).transpose()?;
    Ok((Lock::recipients(&args.recipient)?, key))
}

fn refuse_existing(path: &Path) -> Result<(), CommandError> {
    if path.symlink_metadata().is_ok() {
        let error = chancery_carriers::files::FileError::AlreadyExists { path: path.into() };
        return Err(error.into());
    }
    Ok(())
}

/// What a passphrase is asked for.
fn token(path: &Path) -> TokenRef {
    TokenRef::File(path.into())
}

/// Reads what opens a backup.
///
/// # Errors
///
/// An identity file that cannot be used; a passphrase that nobody gives.
pub(super) fn key(
    file: &Path,
    identity: Option<&Path>,
    pins: impl FnOnce() -> Result<PinSource, HsmError>,
) -> Result<Key, CommandError> {
    match identity {
        Some(identity) => Key::identities(identity),
        None => Ok(Key::Passphrase(pins()?.pin(&token(file))?)),
    }
}

fn tell(
    context: &Context,
    file: &Path,
    name: &str,
    recipients: usize,
    made: &Made,
) -> Result<(), CommandError> {
    let contents = &made.contents;
    let keys: Vec<_> = contents.files.iter().skip(1).map(|part| part.name.clone()).collect();
    let left: Vec<_> = made.keys_left.iter().map(|path| shown_path(path)).collect();
    let mut printer = context.printer();
    printer.line(format_args!("Backed up authority {name} to {}", file.display()))?;
    printer.fields(&[
        ("authority id", contents.authority.to_string()),
        ("log", format!("{} documents", contents.log.size)),
        ("size", format!("{} bytes", made.bytes)),
        ("sha256", Thumbprint(made.sha256).to_string()),
        (
            "encrypted",
            if recipients == 0 {
                "under a passphrase".to_owned()
            } else {
                format!("to {recipients} recipients")
            },
        ),
        (
            "restored",
            if made.opened { "with your key, and checked" } else { "with a key for the trial, and checked" }
                .to_owned(),
        ),
        ("key files", if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }),
    ])?;
    if !left.is_empty() {
        printer.line(format_args!("Not in it, keep their own copies: {}", left.join(", ")))?;
    }
    if !made.opened {
        printer.line("No recipient has opened it yet: try with `chancery restore` and another `--home`")?;
    }
    Ok(printer.json(&json!({
        "file": file,
        "authority_id": contents.authority.to_string(),
        "log_size": contents.log.size,
        "log_root": Thumbprint(contents.log.root).to_string(),
        "made_at": output::time_json(contents.made_at),
        "bytes": made.bytes,
        "sha256": Thumbprint(made.sha256).to_string(),
        "recipients": recipients,
        "opened_by_owner": made.opened,
        "key_files": keys,
        "keys_left": left,
    }))?)
}

/// One progress line at a time, a new one for each step.
#[derive(Default)]
pub(super) struct Watched(Option<(Step, Progress)>);

impl Watched {
    pub(super) fn update(&mut self, step: Step, done: u64, all: u64) {
        match &mut self.0 {
            Some((current, progress)) if *current == step => progress.update(done, all),
            _ => {
                // The line that is there is cleared before the next begins.
                self.0 = None;
                let progress = Progress::new(match step {
                    Step::Check => "checking documents",
                    Step::Copy => "copying pages",
                    Step::Encrypt => "encrypted KiB",
                });
                self.0.insert((step, progress)).1.update(done, all);
            }
        }
    }
}
