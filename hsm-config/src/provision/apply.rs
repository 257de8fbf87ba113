//! Setting up a fresh device: logins, keys, audit, and last the factory's login taken away.

use chancery_formats::key::Algorithm;

use super::compare::compare;
use super::profile::{LoginProfile, Profile, Role};
use super::{FACTORY_LOGIN, ProvisionError};
use crate::advisory::{self, Model};
use crate::backend::yubihsm::administer::{
    Administration, FoundObject, NewObject, capability_set, command_number, domain_set, key_capabilities,
};
use crate::reference::{KeyRef, Location, TokenRef, YubiHsmToken};
use crate::secret::{Pin, PinSource};

/// What is being done, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A login is made; its password is asked for.
    Login {
        /// Its object id.
        id: u16,
        /// What it is for.
        role: Role,
    },
    /// A key is made inside the device.
    Key {
        /// Its object id.
        id: u16,
    },
    /// A wrap key is made inside the device.
    WrapKey {
        /// Its object id.
        id: u16,
    },
    /// The log records what the profile lists.
    Audit,
    /// The factory's login is taken away.
    FactoryLogin,
    /// The device is compared with the profile.
    Compare,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioned {
    /// The device's serial number.
    pub serial: String,
    /// A reference to each signing key, under the login that signs, with the login that reads the log.
    pub keys: Vec<KeyRef>,
}

/// Sets up a fresh device as the profile has it. `device` names the factory's login.
///
/// Passwords are asked for in order: the factory's, then each login's, typed twice on a terminal. What was
/// begun and broken off goes on where it stopped: what is there already must be as the profile has it, and
/// its password the one given.
///
/// # Errors
///
/// [`ProvisionError::FirmwareAffected`], [`ProvisionError::FirmwareTooOld`] before anything is asked or made;
/// [`ProvisionError::NotFresh`] for a device that holds something else; otherwise what the device answers.
pub fn provision(
    profile: &Profile,
    device: &TokenRef,
    pins: &mut PinSource,
    watch: &mut dyn FnMut(Step),
) -> Result<Provisioned, ProvisionError> {
    let token = yubihsm(device)?;
    check_firmware(profile, Administration::firmware(token)?)?;
    let mut administration = Administration::open(token, pins)?;
    let there = administration.objects()?;
    refuse_other_objects(profile, &there, token.auth_id)?;
    for login in &profile.logins {
        watch(Step::Login { id: login.id, role: login.role });
        make_login(&mut administration, login, &there, &password(token, login, pins)?)?;
    }
    make_keys(&mut administration, profile, &there, watch)?;
    watch(Step::Audit);
    for number in profile.audit.commands.iter().filter_map(|name| command_number(name)) {
        administration.audit_command(number)?;
    }
    if profile.audit.force {
        administration.force_audit()?;
    }
    watch(Step::FactoryLogin);
    // The session goes on after its login is gone: this is the last thing that it does but look.
    administration.delete_login(token.auth_id)?;
    watch(Step::Compare);
    let objects = administration.objects()?;
    if let Some(first) = compare(profile, &objects).into_iter().next() {
        return Err(ProvisionError::NotAsProvisioned { first });
    }
    Ok(Provisioned { serial: administration.serial().to_owned(), keys: references(profile, token) })
}

pub(super) fn yubihsm(device: &TokenRef) -> Result<&YubiHsmToken, ProvisionError> {
    match device {
        TokenRef::YubiHsm(token) => Ok(token),
        _ => Err(ProvisionError::NotYubiHsm),
    }
}

/// Refuses firmware with a published weakness, and firmware older than the profile wants.
pub(super) fn check_firmware(profile: &Profile, firmware: [u8; 3]) -> Result<(), ProvisionError> {
    let [major, minor, patch] = firmware;
    let text = format!("{major}.{minor}.{patch}");
    if let Some(advisory) = advisory::published(Model::YubiHsm2, firmware).into_iter().next() {
        return Err(ProvisionError::FirmwareAffected { firmware: text, advisory });
    }
    match advisory::version(&profile.minimum_firmware) {
        Some(minimum) if firmware >= minimum => Ok(()),
        _ => {
            Err(ProvisionError::FirmwareTooOld { firmware: text, minimum: profile.minimum_firmware.clone() })
        }
    }
}

/// Refuses whatever is neither the factory's login nor exactly as the profile has it.
fn refuse_other_objects(profile: &Profile, there: &[FoundObject], login: u16) -> Result<(), ProvisionError> {
    let is_own = |object: &FoundObject| object.is_login() && object.id == login;
    let others: Vec<String> =
        there.iter().filter(|object| !is_own(object)).map(|object| object.name.clone()).collect();
    let differs = |name: &String| compare(profile, there).iter().any(|other| other.object == *name);
    match others.into_iter().find(differs) {
        Some(object) => Err(ProvisionError::NotFresh { object }),
        None => Ok(()),
    }
}

fn password(token: &YubiHsmToken, login: &LoginProfile, pins: &mut PinSource) -> Result<Pin, ProvisionError> {
    let login = YubiHsmToken { auth_id: login.id, pin_source: None, ..token.clone() };
    Ok(pins.new_passphrase(&TokenRef::YubiHsm(login))?)
}

/// Makes a login, or tries the one that an earlier attempt made.
fn make_login(
    device: &mut Administration,
    login: &LoginProfile,
    there: &[FoundObject],
    password: &Pin,
) -> Result<(), ProvisionError> {
    if !there.iter().any(|object| object.is_login() && object.id == login.id) {
        let object = NewObject {
            id: login.id,
            label: &login.label,
            domains: domain_set(&login.domains),
            capabilities: capability_set(&login.capabilities),
        };
        device.put_login(&object, capability_set(&login.delegated), password)?;
    }
    Ok(device.try_login(login.id, password)?)
}

fn make_keys(
    device: &mut Administration,
    profile: &Profile,
    there: &[FoundObject],
    watch: &mut dyn FnMut(Step),
) -> Result<(), ProvisionError> {
    for key in &profile.wrap_keys {
        if there.iter().any(|object| object.is_wrap_key() && object.id == key.id) {
            continue;
        }
        watch(Step::WrapKey { id: key.id });
        let object = NewObject {
            id: key.id,
            label: &key.label,
            domains: domain_set(&key.domains),
            capabilities: capability_set(&key.capabilities),
        };
        device.generate_wrap_key(&object, capability_set(&key.delegated))?;
    }
    for key in &profile.keys {
        if there.iter().any(|object| object.is_key() && object.id == key.id) {
            continue;
        }
        watch(Step::Key { id: key.id });
        let algorithm = key.algorithm().unwrap_or(Algorithm::Ed25519);
        let object = NewObject {
            id: key.id,
            label: &key.label,
            domains: domain_set(&key.domains),
            capabilities: key_capabilities(algorithm, key.exportable),
        };
        device.generate_key(&object, algorithm)?;
    }
    Ok(())
}

/// Names each key as the one who signs uses it.
fn references(profile: &Profile, token: &YubiHsmToken) -> Vec<KeyRef> {
    let login = |role| profile.logins.iter().find(|login| login.role == role).map(|login| login.id);
    let signer = YubiHsmToken {
        auth_id: login(Role::Sign).unwrap_or(FACTORY_LOGIN),
        audit_id: login(Role::Audit),
        pin_source: None,
        ..token.clone()
    };
    profile.keys.iter().map(|key| KeyRef::new(Location::YubiHsm(signer.clone(), key.id))).collect()
}
