//! `chancery key move`: a key of the authority that is in another device now, or another file.

use chancery_formats::id::KeyId;
use chancery_hsm_config::KeyRef;
use serde_json::json;

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::error::CommandError;
use crate::repository::KeyRecord;
use crate::workflow::role::portable;
use crate::workflow::signing::open_key;

/// Tell where a key is now
///
/// For a key that came into another device from its backup under a wrap key, or whose file or module has another path.
/// The key that is there must have the same public key and the same protection. Where it was before stays recorded.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  chancery key move 0123456789abcdef 'yubihsm:serial=0007654321;id=0x0100;auth-id=2;audit-id=3?connector=usb'")]
pub struct MoveArgs {
    /// Key, as `key list` shows it
    #[arg(value_name = "KID")]
    pub key: KeyId,
    /// Where it is now
    #[arg(value_name = "REF")]
    pub reference: Reference<KeyRef>,
}

pub(super) fn run(args: &MoveArgs, context: &Context) -> Result<(), CommandError> {
    let home = context.home()?;
    let mut repository = context.repository()?;
    let found = repository.keys()?.into_iter().find(|key| key.public_key.key_id() == args.key);
    let record = found.ok_or_else(|| {
        CommandError::failed("key-unknown", format!("key {} is unknown", args.key))
            .hint("list keys with `chancery key list`")
    })?;
    let reference = portable(&home, args.reference.get()?).to_string();
    let moved = KeyRecord { reference: Some(reference.clone()), ..record.clone() };
    // Refuses any other key than this one, before anything is recorded.
    let key = open_key(&home, &moved, &mut context.pins()?)?;
    if key.protection() != record.protection {
        let message = format!(
            "key {} was certified as one in {}, and is in {} there",
            args.key,
            record.protection.name(),
            key.protection().name()
        );
        return Err(CommandError::refused("protection-differs", message)
            .hint("certify a new key with `chancery role add`, and close this one"));
    }
    drop(key);
    repository.move_key(record.public_key.thumbprint(), &reference, context.now()?)?;
    let before = record.reference.as_deref().unwrap_or("on another machine");
    let mut printer = context.printer();
    printer.line(format_args!("Key {} is found there from now on", args.key))?;
    printer.fields(&[("was", before.to_owned()), ("is", reference.clone())])?;
    Ok(printer.json(&json!({
        "kid": args.key.to_string(),
        "reference_before": record.reference,
        "reference": reference,
    }))?)
}
