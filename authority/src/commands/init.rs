//! `chancery init`: a new authority in a new home.

use chancery_hsm_config::KeyRef;
use serde_json::json;

use super::Context;
use super::argument::Reference;
use crate::error::CommandError;
use crate::workflow::init::{Plan, init};

/// Create an authority: its home, keys and root
///
/// Makes the home with software keys, or uses the keys that are named; a named key that does not exist
/// is generated, and said so. Refuses a home that holds an authority.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery init --home /srv/authority\n  \
    chancery init --issuing-key 'pkcs11:token=vendor;object=issuing' --pin-fd 3 3< pins")]
pub struct InitArgs {
    /// Name of the authority, as licenses show it
    #[arg(long, value_name = "NAME", default_value = "authority")]
    pub name: String,
    /// Key that signs roots and key records [default: a new key file]
    #[arg(long, value_name = "REF")]
    pub root_key: Option<Reference<KeyRef>>,
    /// Key that signs licenses [default: a new key file]
    #[arg(long, value_name = "REF")]
    pub issuing_key: Option<Reference<KeyRef>>,
}

/// Runs `chancery init`.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(args: &InitArgs, context: &Context) -> Result<(), CommandError> {
    let home = context.home()?;
    let reference =
        |given: &'_ Option<Reference<KeyRef>>| given.as_ref().map(|given| given.get().cloned()).transpose();
    let (root_key, issuing_key) = (reference(&args.root_key)?, reference(&args.issuing_key)?);
    let plan = Plan { name: &args.name, root_key: root_key.as_ref(), issuing_key: issuing_key.as_ref() };
    let made = init(&home, &plan, &mut context.pins()?, context.now()?)?;
    let mut printer = context.printer();
    printer.line(format_args!("Created authority {} in {}", args.name, home.path().display()))?;
    let mut keys = Vec::new();
    for (role, reference, opened) in &made.keys {
        let (kid, protection) = (opened.key.public_key().key_id(), opened.key.protection().name());
        let origin = if opened.generated { "generated" } else { "found" };
        printer.line(format_args!("{origin} {} key {kid}, {protection}: {reference}", role.name()))?;
        keys.push(json!({
            "role": role.name(),
            "kid": kid.to_string(),
            "protection": protection,
            "generated": opened.generated,
            "reference": reference.to_string(),
        }));
    }
    printer.fields(&[("authority id", made.authority.to_string())])?;
    printer.line("Pin the authority id in your product. Next: `chancery catalog apply FILE.toml`")?;
    Ok(printer.json(&json!({"id": made.authority.to_string(), "name": args.name, "keys": keys}))?)
}
