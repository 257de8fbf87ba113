//! Looking for PKCS#11 modules, and for what is on their tokens without a PIN.
//!
//! Modules are looked for in the usual places and where p11-kit has them registered.

use std::fs;
use std::path::{Path, PathBuf};

use chancery_formats::key::Algorithm;
use cryptoki::mechanism::MechanismType;
use cryptoki::slot::{Slot, TokenInfo};

use super::module::Module;
use super::object;
use crate::probe::{FoundKey, FoundToken, Probed, Unreachable};
use crate::reference::{KeyRef, Location, Partial, Pkcs11Object, Pkcs11Token, Scheme, TokenRef};

/// Where vendors and distributions install their modules.
const DIRECTORIES: [&str; 8] = [
    "/usr/lib/softhsm",
    "/usr/lib64/softhsm",
    "/usr/local/lib/softhsm",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
];
const NAMES: [&str; 8] = [
    "libsofthsm2.so",
    "libykcs11.so",
    "libykcs11.so.2",
    "opensc-pkcs11.so",
    "libtpm2_pkcs11.so.1",
    "libcryptoki.so",
    "libCryptoki2_64.so",
    "libkryoptic_pkcs11.so",
];

/// Where p11-kit keeps its registrations, and what their relative names are relative to.
const REGISTRATIONS: [&str; 2] = ["/usr/share/p11-kit/modules", "/etc/pkcs11/modules"];
const REGISTERED: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/pkcs11",
    "/usr/lib/aarch64-linux-gnu/pkcs11",
    "/usr/lib64/pkcs11",
    "/usr/lib/pkcs11",
];
const MAX_REGISTRATION_BYTES: u64 = 64 * 1_024;

/// Adds the tokens behind the modules that match.
pub(crate) fn look(wanted: &Partial, probed: &mut Probed) {
    if !wanted.wants(Scheme::Pkcs11) {
        return;
    }
    let modules = match &wanted.module_path {
        Some(path) => vec![path.clone()],
        None => installed(),
    };
    for path in modules {
        probed.modules.push(path.display().to_string());
        match Module::load(&path).and_then(|module| module.tokens(&path).map(|tokens| (module, tokens))) {
            Ok((module, tokens)) => {
                let found = tokens.into_iter().filter(|(_, info)| matches(wanted, info));
                probed.tokens.extend(found.map(|(slot, info)| describe(&path, &module, slot, &info)));
            }
            Err(error) => probed.unreachable.push(Unreachable { what: path.display().to_string(), error }),
        }
    }
}

/// Returns the modules of this machine, each once.
fn installed() -> Vec<PathBuf> {
    let usual =
        DIRECTORIES.iter().flat_map(|folder| NAMES.iter().map(move |name| Path::new(folder).join(name)));
    let mut found: Vec<PathBuf> = Vec::new();
    let mut seen = Vec::new();
    for path in usual.chain(registered()) {
        if let Ok(real) = fs::canonicalize(&path)
            && !seen.contains(&real)
        {
            seen.push(real);
            found.push(path);
        }
    }
    found
}

fn registered() -> Vec<PathBuf> {
    let files = REGISTRATIONS.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut found = Vec::new();
    for file in files {
        let is_small = file.metadata().is_ok_and(|metadata| metadata.len() <= MAX_REGISTRATION_BYTES);
        let Some(text) = is_small.then(|| fs::read_to_string(file.path()).ok()).flatten() else { continue };
        let Some(name) = text.lines().find_map(|line| line.strip_prefix("module:")) else { continue };
        // p11-kit's own modules speak to other programs or hold certificates: no keys are theirs.
        if name.contains("p11-kit") {
            continue;
        }
        match Path::new(name.trim()) {
            path if path.is_absolute() => found.push(path.to_owned()),
            path => found.extend(REGISTERED.iter().map(|folder| Path::new(folder).join(path))),
        }
    }
    found
}

fn matches(wanted: &Partial, info: &TokenInfo) -> bool {
    let same = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    info.token_initialized()
        && same(&wanted.token, info.label())
        && same(&wanted.manufacturer, info.manufacturer_id())
        && same(&wanted.serial, info.serial_number())
        && same(&wanted.model, info.model())
}

fn describe(path: &Path, module: &Module, slot: Slot, info: &TokenInfo) -> FoundToken {
    let device = super::device(info);
    let label = Some(info.label().to_owned()).filter(|label| chancery_formats::id::is_label(label));
    let token = Pkcs11Token {
        module_path: path.to_owned(),
        token: label,
        manufacturer: None,
        serial: device.serial.clone(),
        model: None,
        pin_source: None,
    };
    let mut notes = Vec::new();
    let flags = [
        (info.user_pin_locked(), "its PIN is locked"),
        (info.user_pin_final_try(), "one more wrong PIN locks it"),
        (info.user_pin_count_low(), "a wrong PIN was given"),
        (!info.user_pin_initialized() && info.login_required(), "it has no user PIN yet"),
        (info.protected_authentication_path(), "its PIN is typed on the device"),
    ];
    notes.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, text)| text.to_owned()));
    FoundToken {
        reference: TokenRef::Pkcs11(token.clone()).reference(),
        name: TokenRef::Pkcs11(token.clone()).to_string(),
        algorithms: algorithms(module, slot),
        keys: public_keys(module, slot, &token),
        notes,
        device,
    }
}

/// Returns what the module lists. One lists the making of Ed25519 keys and not the signing, which it does.
fn algorithms(module: &Module, slot: Slot) -> Vec<Algorithm> {
    let listed = module.mechanisms(slot);
    let mut found = Vec::new();
    if listed.contains(&MechanismType::EDDSA) || listed.contains(&MechanismType::ECC_EDWARDS_KEY_PAIR_GEN) {
        found.push(Algorithm::Ed25519);
    }
    if listed.contains(&MechanismType::ECDSA) {
        found.push(Algorithm::Esp256);
    }
    if listed.contains(&MechanismType::ML_DSA) {
        found.push(Algorithm::MlDsa87);
    }
    found
}

/// Returns the keys whose public halves the token shows to anybody.
fn public_keys(module: &Module, slot: Slot, token: &Pkcs11Token) -> Vec<FoundKey> {
    let keys = module.in_public_session(slot, object::public_keys).unwrap_or_default();
    let found = keys.into_iter().map(|(label, id, public_key)| {
        // Some modules label the two halves of a key differently; their id is the same.
        let object = Pkcs11Object { object: label.clone().filter(|_| id.is_none()), id };
        let reference = KeyRef::new(Location::Pkcs11(token.clone(), object));
        FoundKey {
            reference: reference.with_public_key(public_key.thumbprint()),
            label: label.unwrap_or_default(),
            algorithm: public_key.algorithm(),
            exportable: None,
            generated_inside: None,
        }
    });
    found.collect()
}
