//! What a document says, as fields for people and as JSON. Nothing here says that it is true.

use chancery_formats::cose::{Envelope, Mode};
use chancery_formats::document::Kind;
use chancery_formats::license::{Feature, License};
use chancery_formats::request::Request;
use chancery_formats::trust::{Bundle, KeyMode, KeyRecord, Root};
use serde_json::{Value, json};

use super::{end, time, time_json};
use crate::error::CommandError;

/// Fields for people: name and value.
pub type Fields = Vec<(&'static str, String)>;

/// A document, described.
#[derive(Debug)]
pub struct Described {
    /// Its kind.
    pub kind: Kind,
    /// For people.
    pub fields: Fields,
    /// For programs.
    pub json: Value,
}

/// Describes a document of any kind.
///
/// # Errors
///
/// A refusal for bytes that are no document.
pub fn describe(bytes: &[u8]) -> Result<Described, CommandError> {
    if Bundle::looks_like(bytes) {
        return describe_bundle(bytes);
    }
    let envelope = Envelope::decode(bytes)?;
    let kind = Kind::from_typ(envelope.header.typ).ok_or_else(|| {
        CommandError::refused("typ-unknown", "document of a kind that this release does not know")
            .hint("use a newer release of `chancery`")
    })?;
    let (mut fields, json) = match kind {
        Kind::License => {
            let license = License::decode(envelope.payload)?;
            (license_fields(&license), license_json(&license))
        }
        Kind::Request => describe_request(&Request::decode(envelope.payload)?),
        Kind::Root => describe_root(&Root::decode(envelope.payload)?, envelope.payload),
        Kind::KeyRecord => describe_key_record(&KeyRecord::decode(envelope.payload)?),
        _ => (Vec::new(), Value::Null),
    };
    let mode = match envelope.header.mode {
        Mode::Direct(algorithm) => algorithm.to_string(),
        Mode::Seal => "seal".to_owned(),
    };
    fields.push(("signed by key", format!("{} ({mode})", envelope.header.kid)));
    Ok(Described { kind, fields, json })
}

/// Describes a license for people.
#[must_use]
pub fn license_fields(license: &License<'_>) -> Fields {
    let terms = &license.terms;
    let mut fields = vec![
        ("license", license.id.to_string()),
        ("issuer", license.issuer.to_owned()),
        ("customer", license.subject.to_owned()),
        ("product", license.product.to_owned()),
        ("edition", terms.edition.to_owned()),
        ("entitlement", terms.entitlement.to_string()),
        ("revision", terms.revision.to_string()),
        (
            "features",
            terms.features.iter().map(|(name, feature)| shown(name, feature)).collect::<Vec<_>>().join(", "),
        ),
        ("issued", time(license.issued_at)),
        ("from", license.not_before.map_or_else(|| "always".to_owned(), time)),
        ("until", end(license.not_after)),
        (
            "device",
            license
                .device_key
                .map_or_else(|| "any".to_owned(), |thumbprint| thumbprint.device_id().to_string()),
        ),
    ];
    if let Some(device) = &terms.device {
        fields.push(("components", format!("{} of {} must match", device.k, device.components.len())));
    }
    fields.extend(other_terms(license));
    fields
}

/// The terms that most licenses do not have.
fn other_terms(license: &License<'_>) -> Fields {
    let terms = &license.terms;
    let names = |names: &chancery_formats::license::Names<'_>| names.iter().collect::<Vec<_>>().join(", ");
    let mut fields = Vec::new();
    let mut push = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    push("seats", terms.seats.map(|seats| seats.to_string()));
    push("territory", terms.territory.as_ref().map(names));
    push("support", terms.support.map(str::to_owned));
    push(
        "lowest version",
        terms.versions.and_then(|versions| versions.lowest).map(|version| version.to_string()),
    );
    push(
        "highest version",
        terms.versions.and_then(|versions| versions.highest).map(|version| version.to_string()),
    );
    push("released until", terms.versions.and_then(|versions| versions.released_until).map(time));
    push(
        "after the end",
        (terms.enforcement != Default::default()).then(|| terms.enforcement.mode.name().to_owned()),
    );
    push("grace", seconds(terms.enforcement.grace_secs));
    push("notice", seconds(terms.enforcement.notice_secs));
    push("revocation list", terms.least_revocation_list.map(|number| format!("at least {number}")));
    push("typed bindings", terms.bindings.map(|bindings| bindings.to_string()));
    push("devices", terms.distribution.and_then(|limits| limits.devices).map(|devices| devices.to_string()));
    push("channels", terms.distribution.and_then(|limits| limits.channels).as_ref().map(names));
    push("users", terms.users.and_then(|users| users.users).as_ref().map(names));
    push("groups", terms.users.and_then(|users| users.groups).as_ref().map(names));
    fields
}

fn seconds(seconds: u64) -> Option<String> {
    (seconds > 0).then(|| format!("{seconds} seconds"))
}

fn shown(name: &str, feature: Feature) -> String {
    match feature {
        Feature::On => name.to_owned(),
        Feature::Limit(limit) => format!("{name} {limit}"),
        Feature::Quota { quota, overdraft } => format!("{name} {quota} metered, overdraft {overdraft}"),
    }
}

/// Describes a license for programs.
#[must_use]
pub fn license_json(license: &License<'_>) -> Value {
    let terms = &license.terms;
    let features = terms.features.iter().map(|(name, feature)| {
        let value = match feature {
            Feature::On => json!(true),
            Feature::Limit(limit) => json!(limit),
            Feature::Quota { quota, overdraft } => json!({"quota": quota, "overdraft": overdraft}),
        };
        (name.to_owned(), value)
    });
    let others: serde_json::Map<String, Value> = other_terms(license)
        .into_iter()
        .map(|(name, value)| (name.replace(' ', "_"), json!(value)))
        .collect();
    json!({
        "id": license.id.to_string(),
        "issuer": license.issuer,
        "subject": license.subject,
        "product": license.product,
        "edition": terms.edition,
        "entitlement": terms.entitlement.to_string(),
        "revision": terms.revision,
        "features": Value::Object(features.collect()),
        "issued_at": time_json(license.issued_at),
        "not_before": license.not_before.map(time_json),
        "not_after": license.not_after.map(time_json),
        "device": license.device_key.map(|thumbprint| thumbprint.device_id().to_string()),
        "components": terms.device.as_ref().map(|device| json!({"needed": device.k, "of": device.components.len()})),
        "terms": Value::Object(others),
    })
}

fn describe_request(request: &Request<'_>) -> (Fields, Value) {
    let device = request.device_key.thumbprint().device_id();
    let components = request.components.map_or(0, |components| components.len());
    let fields = vec![
        ("device", device.to_string()),
        ("product", request.product.to_owned()),
        ("entitlement", request.entitlement.to_string()),
        ("components", components.to_string()),
        ("clock at the site", time(request.site_clock)),
        ("root version known", request.minima.root_version.to_string()),
    ];
    let json = json!({
        "device": device.to_string(),
        "product": request.product,
        "entitlement": request.entitlement.to_string(),
        "components": components,
        "site_clock": time_json(request.site_clock),
        "terms_schema": request.minima.terms_schema,
        "root_version": request.minima.root_version,
        "revocation_list": request.minima.revocation_list,
    });
    (fields, json)
}

fn describe_root(root: &Root<'_>, payload: &[u8]) -> (Fields, Value) {
    let custodians: Vec<String> = root.custodians.iter().map(|key| key.key_id().to_string()).collect();
    let id = (root.version == 1).then(|| Root::authority_id(payload).to_string());
    let mut fields = vec![
        ("authority", root.name.to_owned()),
        ("version", root.version.to_string()),
        ("threshold", format!("{} of {}", root.threshold, custodians.len())),
        ("custodians", custodians.join(", ")),
        ("made", time(root.made_at)),
    ];
    fields.extend(id.clone().map(|id| ("authority id", id)));
    let json = json!({
        "name": root.name,
        "version": root.version,
        "threshold": root.threshold,
        "custodians": custodians,
        "made_at": time_json(root.made_at),
        "authority_id": id,
    });
    (fields, json)
}

fn describe_key_record(record: &KeyRecord<'_>) -> (Fields, Value) {
    let kid = record.key.key_id().to_string();
    let mode = match record.mode {
        KeyMode::Direct => "direct",
        KeyMode::Seal => "seal",
    };
    let fields = vec![
        ("key", kid.clone()),
        ("role", record.role.name().to_owned()),
        ("algorithm", record.key.algorithm().to_string()),
        ("mode", mode.to_owned()),
        ("protection", record.protection.name().to_owned()),
        ("from", time(record.not_before)),
        ("until", end(record.not_after)),
        ("authority id", record.authority.to_string()),
    ];
    let json = json!({
        "kid": kid,
        "thumbprint": record.key.thumbprint().to_string(),
        "role": record.role.name(),
        "algorithm": record.key.algorithm().name(),
        "mode": mode,
        "protection": record.protection.name(),
        "typs": record.typs,
        "not_before": time_json(record.not_before),
        "not_after": record.not_after.map(time_json),
        "authority_id": record.authority.to_string(),
    });
    (fields, json)
}

fn describe_bundle(bytes: &[u8]) -> Result<Described, CommandError> {
    let bundle = Bundle::decode(bytes)?;
    let members = bundle.members().map(describe).collect::<Result<Vec<_>, _>>()?;
    let mut fields = vec![("members", members.len().to_string())];
    for member in &members {
        fields.push(("member", member.kind.name().to_owned()));
        fields.extend(member.fields.iter().cloned());
    }
    let json = members
        .iter()
        .map(|member| json!({"document": member.kind.name(), "content": member.json}))
        .collect();
    Ok(Described { kind: Kind::TrustBundle, fields, json })
}
