//! What a document says, as fields for people and as JSON. Nothing here says that it is true.

use chancery_formats::approval::{Approval, ApprovalRequest};
use chancery_formats::cose::{Envelope, Mode};
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::license::{Feature, License, Names};
use chancery_formats::request::Request;
use chancery_formats::site_record::SiteRecord;
use chancery_formats::trust::{Bundle, Closing, Exchange, KeyMode, KeyRecord, Quorum, RevocationList, Root};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{approval, end, exchange, time, time_json};
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
    if Exchange::looks_like(bytes) {
        return describe_exchange(bytes);
    }
    if ApprovalRequest::looks_like(bytes) {
        let (fields, json) = approval::describe_request(&ApprovalRequest::decode(bytes)?);
        return Ok(Described { kind: Kind::ApprovalRequest, fields, json });
    }
    let envelope = Envelope::decode(bytes)?;
    let kind = Kind::from_typ(envelope.header.typ).ok_or_else(|| {
        CommandError::refused("typ-unknown", "document of a kind that this release does not know")
            .hint("use a newer release of `chancery`")
    })?;
    let (mut fields, json) = match kind {
        Kind::Approval => approval::describe(&Approval::decode(envelope.payload)?),
        Kind::SiteRecord => approval::describe_site(&SiteRecord::decode(envelope.payload)?),
        Kind::License => {
            let license = License::decode(envelope.payload)?;
            (license_fields(&license), license_json(&license))
        }
        Kind::Request => describe_request(&Request::decode(envelope.payload)?),
        Kind::Root => describe_root(&Root::decode(envelope.payload)?, envelope.payload),
        Kind::KeyRecord => {
            let record = KeyRecord::decode(envelope.payload)?;
            (key_record_fields(&record), key_record_json(&record))
        }
        Kind::Closing => {
            let closing = Closing::decode(envelope.payload)?;
            (exchange::closing_fields(&closing), exchange::closing_json(&closing))
        }
        Kind::RevocationList => describe_list(&RevocationList::decode(envelope.payload)?),
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
    let names = |names: &Names<'_>| names.iter().collect::<Vec<_>>().join(", ");
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
    let id = (root.version == 1).then(|| Root::authority_id(payload).to_string());
    let mut fields = vec![
        ("authority", root.name.to_owned()),
        ("version", root.version.to_string()),
        ("threshold", format!("{} of {}", root.quorum.threshold, root.quorum.custodians.len())),
        ("custodians", key_ids(&root.quorum).join(", ")),
        ("made", time(root.made_at)),
    ];
    fields.extend(id.clone().map(|id| ("authority id", id)));
    let mut json = root_json(root);
    if let Value::Object(fields) = &mut json {
        fields.insert("authority_id".to_owned(), json!(id));
    }
    (fields, json)
}

fn key_ids(quorum: &Quorum<'_>) -> Vec<String> {
    quorum.custodians.iter().map(|key| key.key_id().to_string()).collect()
}

/// Describes a root for programs.
#[must_use]
pub fn root_json(root: &Root<'_>) -> Value {
    let recovery = root.recovery.map(|hash| Thumbprint(hash).to_string());
    json!({
        "name": root.name,
        "version": root.version,
        "threshold": root.quorum.threshold,
        "custodians": key_ids(&root.quorum),
        "made_at": time_json(root.made_at),
        "recovery": recovery,
        "recovered": root.revealed.is_some(),
        "manifests": root.manifests,
    })
}

fn describe_list(list: &RevocationList<'_>) -> (Fields, Value) {
    let licenses: Vec<_> = list.licenses.iter().map(|id| LicenseId(*id).to_string()).collect();
    let devices: Vec<_> = list.devices.iter().map(|id| Thumbprint(*id).device_id().to_string()).collect();
    let entitlements: Vec<_> = list.entitlements.iter().map(|id| EntitlementId(*id).to_string()).collect();
    let customers: Vec<_> = list.customers.iter().flat_map(|names| names.iter().map(str::to_owned)).collect();
    let keys: Vec<_> = list.keys.iter().map(|(key, _)| key.key_id().to_string()).collect();
    let mut fields = vec![("list", list.number.to_string()), ("made", time(list.time))];
    let named = [
        ("licenses", &licenses),
        ("devices", &devices),
        ("entitlements", &entitlements),
        ("customers", &customers),
        ("keys", &keys),
    ];
    fields.extend(named.iter().filter(|(_, ids)| !ids.is_empty()).map(|(name, ids)| (*name, ids.join(", "))));
    let json = json!({
        "number": list.number,
        "made_at": time_json(list.time),
        "licenses": licenses,
        "devices": devices,
        "entitlements": entitlements,
        "customers": customers,
        "keys": keys,
    });
    (fields, json)
}

/// Describes a key record for people.
#[must_use]
pub fn key_record_fields(record: &KeyRecord<'_>) -> Fields {
    let list = |names: &Names<'_>| names.iter().collect::<Vec<_>>().join(", ");
    let mut fields = vec![
        ("key", record.key.key_id().to_string()),
        ("role", record.role.name().to_owned()),
        ("algorithm", record.key.algorithm().to_string()),
        ("mode", mode_name(record.mode).to_owned()),
        ("protection", record.protection.name().to_owned()),
    ];
    fields.extend(record.attestation.map(|certificate| ("attestation", attestation(certificate))));
    if !record.co_signers.is_empty() {
        let names: Vec<_> = record.co_signers.iter().map(|role| role.name()).collect();
        fields.push(("co-signers", names.join(", ")));
    }
    fields.extend(record.scope.products.as_ref().map(|names| ("products", list(names))));
    fields.extend(record.scope.territories.as_ref().map(|names| ("territories", list(names))));
    fields.extend(record.scope.longest_term_secs.map(|term| ("longest term", format!("{term} seconds"))));
    fields.push(("from", time(record.not_before)));
    fields.push(("until", record.not_after.map_or_else(|| "no end".to_owned(), time)));
    fields.push(("authority id", record.authority.to_string()));
    fields
}

/// Tells a certificate by its hash; what it states is for `key attest`, which has the vendor's roots.
fn attestation(certificate: &[u8]) -> String {
    let hash = Thumbprint(Sha256::digest(certificate).into());
    format!("certificate of {} bytes, SHA-256 {hash}", certificate.len())
}

const fn mode_name(mode: KeyMode) -> &'static str {
    match mode {
        KeyMode::Direct => "direct",
        KeyMode::Seal => "seal",
    }
}

fn names(names: Names<'_>) -> Vec<&str> {
    names.iter().collect()
}

/// Describes a key record for programs.
#[must_use]
pub fn key_record_json(record: &KeyRecord<'_>) -> Value {
    json!({
        "kid": record.key.key_id().to_string(),
        "thumbprint": record.key.thumbprint().to_string(),
        "role": record.role.name(),
        "algorithm": record.key.algorithm().name(),
        "mode": mode_name(record.mode),
        "protection": record.protection.name(),
        "attestation_sha256":
            record.attestation.map(|bytes| Thumbprint(Sha256::digest(bytes).into()).to_string()),
        "co_signers": record.co_signers.iter().map(|role| role.name()).collect::<Vec<_>>(),
        "typs": record.typs,
        "products": record.scope.products.map(names),
        "territories": record.scope.territories.map(names),
        "longest_term_secs": record.scope.longest_term_secs,
        "not_before": time_json(record.not_before),
        "not_after": record.not_after.map(time_json),
        "authority_id": record.authority.to_string(),
    })
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

/// Says what an exchange asks for or answers; `root sign` tells the documents below its statements.
fn describe_exchange(bytes: &[u8]) -> Result<Described, CommandError> {
    let (authority, what, count) = match Exchange::decode(bytes)? {
        Exchange::Request(request) => {
            let count = request.batches.iter().map(|batch| batch.documents.len()).sum::<usize>();
            (request.authority, "documents to be signed", count)
        }
        Exchange::Answer(answer) => (answer.authority, "signatures", answer.signatures.len()),
    };
    let fields = vec![("authority id", authority.to_string()), (what, count.to_string())];
    let json = json!({"authority_id": authority.to_string(), what.replace(' ', "_"): count});
    Ok(Described { kind: Kind::CeremonyExchange, fields, json })
}
