//! `chancery-site audit`: is this license in the vendor's log, and who says so?
//!
//! With public keys alone: the trust bundle names the log's keys, the checkpoint is signed by one of them, and the
//! proof leads from the license to its root. Not here: this site's state, and whether a feature may run (`check`).

use std::path::{Path, PathBuf};

use chancery_carriers::files::read_document;
use chancery_carriers::load;
use chancery_carriers::text::shown_path;
use chancery_formats::cose::Envelope;
use chancery_formats::id::AuthorityId;
use chancery_formats::log::note::MAX_NOTE;
use chancery_formats::log::proof::MAX_PROOF;
use chancery_formats::seal::Role;
use chancery_verifier::signature::VerifyingKey;
use chancery_verifier::{
    LogKeys, LogRefusal, Pin, Refusal, Trust, VerifiedCheckpoint, VerifiedLicense, verify_checkpoint,
    verify_inclusion,
};
use serde_json::json;

use super::installed::verify;
use super::{Context, load_trust, show};
use crate::error::CommandError;
use crate::time;
use whole::Whole;

mod whole;

/// Audit a license against the vendor's log, without this site's state
///
/// The license must be genuine, the proof must lead from it to the root of its checkpoint, and the checkpoint must
/// be signed by a log key that the trust bundle certifies. A second checkpoint of the same size, from elsewhere,
/// must have the same root. In place of a proof, the whole log may be read and its tree computed anew.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery-site audit pump.clic --trust vendor.ctrust --proof pump.tlog-proof\n  \
    chancery-site audit pump.clic --trust vendor.ctrust --proof pump.tlog-proof --checkpoint today.checkpoint\n  \
    chancery-site audit pump.clic --trust vendor.ctrust --checkpoint today.checkpoint --log vendor.clog")]
pub struct AuditArgs {
    /// License: a .clic file, its armor, or a picture of its QR code
    #[arg(value_name = "FILE")]
    license: PathBuf,
    /// Trust bundle of the vendor
    #[arg(long, value_name = "FILE.ctrust")]
    trust: PathBuf,
    /// Authority that the bundle must be of, in hexadecimal; whichever it is of where none is named
    #[arg(long, value_name = "AUTHORITY-ID")]
    authority: Option<AuthorityId>,
    /// Checkpoint of the log, as published or kept by others
    #[arg(long, value_name = "FILE", required_unless_present = "proof")]
    checkpoint: Option<PathBuf>,
    /// Proof that the license is in the log
    #[arg(long, value_name = "FILE", required_unless_present = "log")]
    proof: Option<PathBuf>,
    /// The whole log, as `chancery log export` writes it, in place of a proof
    #[arg(long, value_name = "FILE.clog", conflicts_with = "proof", requires = "checkpoint")]
    log: Option<PathBuf>,
}

/// What the license, the proof and the checkpoint say together.
struct Audit {
    log_index: u64,
    checkpoint: VerifiedCheckpoint,
    /// What the whole log held, where it was read.
    whole: Option<Whole>,
}

pub fn run(args: &AuditArgs, context: &Context) -> Result<(), CommandError> {
    let license = load::load(&args.license)?.bytes;
    let pin = args.authority.map_or(Pin::FirstUse, Pin::Authority);
    let (trust, _) = load_trust(&args.trust, pin)?;
    let file = shown_path(&args.license);
    let not_genuine =
        |refusal: &Refusal| CommandError::not_genuine(format!("{file} is not a genuine license"), refusal);
    let proof = args.proof.as_deref().map(|path| read_document(path, MAX_PROOF as u64)).transpose()?;
    let verified = verify(&license, proof.as_deref(), &trust)
        .map_err(|refusal| CommandError::license(&file, &refusal))?;
    let malformed = |error| not_genuine(&Refusal::Malformed(error));
    let leaf = Envelope::decode(&license).map_err(malformed)?.leaf_hash();
    let keys_of = |role| trust.keys_of(role).cloned().collect::<Vec<_>>();
    let (log, witnesses) = (keys_of(Role::Log), keys_of(Role::Witness));
    if log.is_empty() {
        let message = format!("{} certifies no log key that is not compromised", shown_path(&args.trust));
        return Err(CommandError::refused("log-key-missing", message)
            .hint("ask the vendor for a trust bundle that names the key of its log"));
    }
    let keys = LogKeys { log: &log, witnesses: &witnesses };
    let audit = audit(args, leaf, proof.as_deref(), &trust, &keys, &verified)?;
    print(context, &trust, &verified, &audit, &witnesses)
}

fn audit(
    args: &AuditArgs,
    leaf: [u8; 32],
    proof: Option<&[u8]>,
    trust: &Trust,
    keys: &LogKeys<'_>,
    verified: &VerifiedLicense<'_>,
) -> Result<Audit, CommandError> {
    let authority = trust.authority();
    let published = args.checkpoint.as_deref().map(|path| {
        let note = read_document(path, MAX_NOTE as u64)?;
        verify_checkpoint(&note, authority, keys).map_err(|refusal| refused(path, &refusal))
    });
    let published = published.transpose()?;
    if let Some((path, checkpoint)) = args.log.as_ref().zip(published.as_ref()) {
        let found = whole::read(path, leaf, checkpoint, authority, keys)?;
        return Ok(Audit { log_index: found.log_index, checkpoint: checkpoint.clone(), whole: Some(found) });
    }
    let (path, proof) = args
        .proof
        .as_ref()
        .zip(proof)
        .ok_or_else(|| CommandError::usage("neither a proof nor a log is named"))?;
    let (log_index, checkpoint) =
        verify_inclusion(proof, leaf, authority, keys).map_err(|refusal| refused(path, &refusal))?;
    if verified.log_index().is_some_and(|sealed| sealed != log_index) {
        return Err(CommandError::alarm("log-index-other", "license is sealed for another place in the log")
            .cause(format!("the proof is of document {log_index}"))
            .hint("stop, keep both files, and call the auditor"));
    }
    match published {
        Some(published) if published.head().size == checkpoint.head().size => {
            if published.head().root != checkpoint.head().root {
                return Err(CommandError::alarm("log-forked", "two logs of one size have different roots")
                    .cause("the vendor's key signed both: somebody was shown another log")
                    .hint("stop, keep both files, and call the auditor"));
            }
            Ok(Audit { log_index, checkpoint: published, whole: None })
        }
        Some(published) => {
            let message = format!(
                "the proof is for the log of {} documents, and the checkpoint of {}",
                checkpoint.head().size,
                published.head().size
            );
            Err(CommandError::refused("checkpoint-size-other", message)
                .hint("ask the vendor for the proof under this checkpoint: `chancery log prove --size`"))
        }
        None => Ok(Audit { log_index, checkpoint, whole: None }),
    }
}

fn refused(path: &Path, refusal: &LogRefusal) -> CommandError {
    let what = match refusal {
        LogRefusal::NotIncluded => "the license is not in the log",
        _ => "the log cannot be relied on",
    };
    CommandError::refused(refusal.code(), format!("{}: {what}", shown_path(path)))
        .cause(refusal.to_string())
        .hint("check that the files belong together; if they do, keep them and ask the vendor")
}

fn print(
    context: &Context,
    trust: &Trust,
    verified: &VerifiedLicense<'_>,
    audit: &Audit,
    witnesses: &[VerifyingKey],
) -> Result<(), CommandError> {
    let Audit { log_index, checkpoint, whole } = audit;
    let (license, head) = (verified.license(), checkpoint.head());
    let root: String = head.root.iter().map(|byte| format!("{byte:02x}")).collect();
    let cosigned = checkpoint.cosignatures();
    let mut printer = context.printer();
    printer.line(format_args!("License {} is in the log", license.id))?;
    let mut fields = vec![
        ("log index", log_index.to_string()),
        ("log size", head.size.to_string()),
        ("root", root.clone()),
        ("log key", checkpoint.log_key().key_id().to_string()),
        ("witnesses", format!("{} of {} certified", cosigned.len(), witnesses.len())),
    ];
    let seen = cosigned.iter().map(|one| format!("{} at {}", one.witness.key_id(), time::utc(one.time)));
    fields.extend(seen.map(|seen| ("cosigned by", seen)));
    fields.extend(whole.iter().flat_map(Whole::fields));
    fields.push((
        "issuing key",
        format!("{}, {}", verified.issuer().key_id(), show::protection(verified.protection())),
    ));
    fields.push(("authority", trust.name().into()));
    fields.push(("authority id", trust.authority().to_string()));
    printer.fields(&fields)?;
    let cosigned: Vec<_> =
        cosigned.iter().map(|one| json!({"witness": one.witness.to_string(), "at": one.time})).collect();
    printer.json(&json!({
        "in_log": true,
        "log_index": log_index,
        "size": head.size,
        "root": root,
        "log_key": checkpoint.log_key().to_string(),
        "cosigned": cosigned,
        "log": whole.as_ref().map(Whole::json),
        "license": show::license_json(verified),
        "authority": show::authority_json(trust),
    }))?;
    Ok(())
}
