//! `chancery key provision` and `verify-device`: a device made from a reviewed profile, and compared with it.

use std::path::{Path, PathBuf};

use chancery_carriers::files;
use chancery_carriers::report::Exit;
use chancery_hsm_config::TokenRef;
use chancery_hsm_config::provision::{self, Profile, ProfileError, ProvisionError, Step};
use serde_json::json;

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::error::CommandError;

/// Set up a device from a reviewed profile
///
/// Makes the profile's logins and keys on a fresh YubiHSM 2, has its log record what the profile lists, and
/// takes the factory's login away. Asks for the factory's password first, then for a new one for each login.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  chancery key provision yubihsm2.toml --device 'yubihsm:serial=0001234567?connector=usb'
  chancery key provision yubihsm2.toml --device 'yubihsm:serial=0001234567?connector=usb' --pin-fd 3 3< passwords")]
pub struct ProvisionArgs {
    /// Profile to make the device from
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// Device, under its factory login
    #[arg(long, value_name = "REF")]
    pub device: Reference<TokenRef>,
}

/// Compare a device with its profile
///
/// Names every object and right that differs. Ends with exit code 3 where anything does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  chancery key verify-device yubihsm2.toml --device 'yubihsm:serial=0001234567;auth-id=3?connector=usb'")]
pub struct VerifyArgs {
    /// Profile that the device was made from
    #[arg(value_name = "PROFILE")]
    pub profile: PathBuf,
    /// Device, under a login that sees all of it, such as the one for audit
    #[arg(long, value_name = "REF")]
    pub device: Reference<TokenRef>,
}

/// Longest profile that is read, in bytes.
const MAX_PROFILE_BYTES: u64 = 64 * 1_024;

pub(super) fn provision(args: &ProvisionArgs, context: &Context) -> Result<(), CommandError> {
    let device = args.device.get()?;
    let profile = read(&args.profile)?;
    let mut printer = context.printer();
    let (mut unprinted, mut at) = (None, None);
    let mut watch = |step: Step| {
        let told = describe(&step);
        if unprinted.is_none() {
            unprinted = printer.line(&told).err();
        }
        at = Some(told);
    };
    let made = provision::provision(&profile, device, &mut context.pins()?, &mut watch);
    let made = made.map_err(|error| match &at {
        Some(step) => CommandError::from(error).cause(format!("it failed at this step: {step}")),
        None => error.into(),
    })?;
    if let Some(error) = unprinted {
        return Err(error.into());
    }
    printer.line(format_args!("YubiHSM 2 {} is as the profile has it", made.serial))?;
    for key in &made.keys {
        printer.fields(&[("key", key.to_string())])?;
    }
    Ok(printer.json(&json!({
        "serial": made.serial,
        "keys": made.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))?)
}

fn describe(step: &Step) -> String {
    match step {
        Step::Login { id, role } => format!("Login {id} ({})", role.name()),
        Step::Key { id } => format!("Key {id}, made inside the device"),
        Step::WrapKey { id } => format!("Wrap key {id}, made inside the device"),
        Step::Audit => "Audit log".to_owned(),
        Step::FactoryLogin => "Factory login taken away".to_owned(),
        Step::Compare => "Comparing with the profile".to_owned(),
    }
}

pub(super) fn verify(args: &VerifyArgs, context: &Context) -> Result<(), CommandError> {
    let device = args.device.get()?;
    let profile = read(&args.profile)?;
    let found = provision::verify_device(&profile, device, &mut context.pins()?)?;
    let mut printer = context.printer();
    for difference in &found {
        printer.line(difference)?;
    }
    if found.is_empty() {
        printer.line("The device is exactly as the profile has it")?;
    }
    printer.json(&json!({
        "matches": found.is_empty(),
        "differences": found.iter().map(|difference| json!({
            "object": difference.object,
            "what": difference.what,
        })).collect::<Vec<_>>(),
    }))?;
    match found.len() {
        0 => Ok(()),
        count => Err(CommandError::refused(
            "device-differs",
            format!(
                "the device differs from the profile in {count} {}",
                if count == 1 { "way" } else { "ways" }
            ),
        )
        .hint("find out who changed the device; a device in doubt is reset and provisioned anew")),
    }
}

fn read(path: &Path) -> Result<Profile, CommandError> {
    let bytes = files::read_document(path, MAX_PROFILE_BYTES)?;
    let read = match std::str::from_utf8(&bytes) {
        Ok(text) => Profile::read(text),
        Err(error) => Err(ProfileError::Syntax(error.to_string())),
    };
    read.map_err(|error| {
        let reason = match &error {
            ProfileError::Syntax(reason) | ProfileError::Content(reason) => reason.clone(),
            other => other.to_string(),
        };
        CommandError::refused(error.code(), format!("{} is not a profile", path.display()))
            .cause(reason)
            .hint(error.hint())
    })
}

impl From<ProvisionError> for CommandError {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::Hsm(error) => error.into(),
            error => Self::from_error(Exit::Refused, error.code(), &error).hint(error.hint()),
        }
    }
}
