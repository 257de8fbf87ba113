//! Comparing a device with its profile, object by object and right by right.

use std::fmt;

use super::profile::{LoginProfile, Profile, WrapKeyProfile};
use super::{ProvisionError, apply};
use crate::backend::yubihsm::administer::{
    self, Administration, FoundObject, capability_names, capability_set, command_number, domain_numbers,
    domain_set, key_capabilities,
};
use crate::reference::TokenRef;
use crate::secret::PinSource;

/// One way in which a device is not as its profile has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The object or the setting, such as `authentication key 2`.
    pub object: String,
    /// What is different.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.what)
    }
}

/// Compares a device with a profile and returns every difference; none is an exact match.
///
/// `device` names a login that is in all sixteen domains and may read options, such as the one for audit.
///
/// # Errors
///
/// [`ProvisionError::LoginTooNarrow`] for a login that would not see every object; otherwise what the device
/// answers.
pub fn verify_device(
    profile: &Profile,
    device: &TokenRef,
    pins: &mut PinSource,
) -> Result<Vec<Difference>, ProvisionError> {
    let token = apply::yubihsm(device)?;
    let mut found = firmware(profile, Administration::firmware(token)?);
    let mut administration = Administration::open(token, pins)?;
    let objects = administration.objects()?;
    let own = objects.iter().find(|object| object.is_login() && object.id == token.auth_id);
    if own.is_none_or(|login| login.domains != u16::MAX) {
        return Err(ProvisionError::LoginTooNarrow);
    }
    found.extend(compare(profile, &objects));
    found.extend(settings(profile, &mut administration)?);
    Ok(found)
}

fn firmware(profile: &Profile, firmware: [u8; 3]) -> Vec<Difference> {
    match apply::check_firmware(profile, firmware) {
        Err(error) => vec![Difference { object: "firmware".into(), what: error.to_string() }],
        Ok(()) => Vec::new(),
    }
}

fn settings(profile: &Profile, device: &mut Administration) -> Result<Vec<Difference>, ProvisionError> {
    let mut found = Vec::new();
    let mut add = |object: &str, what: String| found.push(Difference { object: object.into(), what });
    match (profile.audit.force, device.is_audit_forced()?) {
        (true, false) => add("audit log", "the device works on when its log is full".into()),
        (false, true) => add("audit log", "the device stops when its log is full".into()),
        _ => {}
    }
    let audited = device.audited_commands()?;
    for name in &profile.audit.commands {
        if command_number(name).is_some_and(|number| !audited.contains(&number)) {
            add("audit log", format!("{name} is not recorded for good"));
        }
    }
    Ok(found)
}

/// What the profile has for one object, in the terms of the device.
struct Wanted {
    name: String,
    label: String,
    domains: u16,
    capabilities: u64,
    delegated: Option<u64>,
}

/// Compares the objects of a device with those of a profile.
pub(super) fn compare(profile: &Profile, objects: &[FoundObject]) -> Vec<Difference> {
    let mut found = Vec::new();
    for login in &profile.logins {
        let object = objects.iter().find(|object| object.is_login() && object.id == login.id);
        found.extend(object_differences(&wanted_login(login), object));
    }
    for key in &profile.keys {
        let object = objects.iter().find(|object| object.is_key() && object.id == key.id);
        let algorithm = key.algorithm();
        let wanted = Wanted {
            name: format!("asymmetric key {}", key.id),
            label: key.label.clone(),
            domains: domain_set(&key.domains),
            capabilities: algorithm.map_or(0, |algorithm| key_capabilities(algorithm, key.exportable)),
            delegated: None,
        };
        found.extend(object_differences(&wanted, object));
        if let Some(object) = object {
            let difference = |what: &str| Difference { object: wanted.name.clone(), what: what.into() };
            if object.algorithm != algorithm {
                found.push(difference("its algorithm is another"));
            }
            // A key that may be backed up may be the one that came back.
            if !(object.generated_inside || key.exportable && object.restored) {
                found.push(difference("it was not made inside this device"));
            }
        }
    }
    for key in &profile.wrap_keys {
        let object = objects.iter().find(|object| object.is_wrap_key() && object.id == key.id);
        found.extend(object_differences(&wanted_wrap_key(key), object));
    }
    let is_wanted = |object: &FoundObject| {
        object.is_login() && profile.logins.iter().any(|login| login.id == object.id)
            || object.is_key() && profile.keys.iter().any(|key| key.id == object.id)
            || object.is_wrap_key() && profile.wrap_keys.iter().any(|key| key.id == object.id)
    };
    let extra = objects.iter().filter(|object| !is_wanted(object));
    found.extend(extra.map(|object| Difference {
        object: object.name.clone(),
        what: format!("not in the profile (label {:?})", object.label),
    }));
    found
}

fn wanted_login(login: &LoginProfile) -> Wanted {
    Wanted {
        name: format!("authentication key {}", login.id),
        label: login.label.clone(),
        domains: domain_set(&login.domains),
        capabilities: capability_set(&login.capabilities),
        delegated: Some(capability_set(&login.delegated)),
    }
}

fn wanted_wrap_key(key: &WrapKeyProfile) -> Wanted {
    Wanted {
        name: format!("wrap key {}", key.id),
        label: key.label.clone(),
        domains: domain_set(&key.domains),
        capabilities: capability_set(&key.capabilities),
        delegated: Some(capability_set(&key.delegated)),
    }
}

fn object_differences(wanted: &Wanted, object: Option<&FoundObject>) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |what: String| found.push(Difference { object: wanted.name.clone(), what });
    let Some(object) = object else {
        add("missing".into());
        return found;
    };
    if object.label != wanted.label {
        add(format!("its label is {:?}, not {:?}", object.label, wanted.label));
    }
    if object.domains != wanted.domains {
        let (is, wanted) = (domain_numbers(object.domains), domain_numbers(wanted.domains));
        add(format!("its domains are {is:?}, not {wanted:?}"));
    }
    let exportable = administer::capability("exportable-under-wrap").unwrap_or(0);
    if object.is_key() && object.capabilities & !wanted.capabilities & exportable != 0 {
        add("it can leave the device under wrap".into());
    }
    for name in capability_names(object.capabilities & !wanted.capabilities) {
        add(format!("it has also the capability {name}"));
    }
    for name in capability_names(wanted.capabilities & !object.capabilities) {
        add(format!("it lacks the capability {name}"));
    }
    if let Some(delegated) = wanted.delegated {
        for name in capability_names(object.delegated & !delegated) {
            add(format!("it may also give away the capability {name}"));
        }
        for name in capability_names(delegated & !object.delegated) {
            add(format!("it may not give away the capability {name}"));
        }
    }
    found
}
