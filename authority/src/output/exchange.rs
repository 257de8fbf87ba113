//! What custodians are asked to sign, in plain words and as JSON. Every document below every statement is told.

use chancery_formats::id::{KeyId, Thumbprint};
use chancery_formats::key::PublicKey;
use chancery_formats::trust::{Closed, Closing, KeyRecord, Root};
use serde_json::{Value, json};

use super::document::{self, Fields};
use super::time;
use crate::workflow::custodian::{Item, Review};
use crate::workflow::custody::{Custodian, Quorum};

/// Returns a heading and fields for each thing that is to be signed, and for what follows from it.
#[must_use]
pub fn sections(review: &Review<'_>) -> Vec<(String, Fields)> {
    let name = review.items.iter().find_map(|item| match item {
        Item::Root(root, _) => Some(root.name),
        _ => review.before.as_ref().map(|root| root.name),
    });
    let mut intro = vec![
        ("authority", name.unwrap_or_default().to_owned()),
        ("authority id", review.request.authority.to_string()),
    ];
    intro.push(("root version", review.root_version.to_string()));
    let mut sections = vec![("Asked for by".to_owned(), intro)];
    sections.extend(review.items.iter().map(|item| match item {
        Item::Root(root, hash) => root_section(root, *hash, review.before.as_ref()),
        Item::KeyRecord(record, known) => record_section(record, *known),
        Item::Closing(closing, role, known) => closing_section(closing, role.name(), *known),
    }));
    if !review.dropped.is_empty() {
        let keys = list(review.dropped.iter().copied());
        sections.push(("No longer certified under this root".to_owned(), vec![("keys", keys)]));
    }
    sections
}

fn root_section(root: &Root<'_>, hash: [u8; 32], before: Option<&Root<'_>>) -> (String, Fields) {
    let quorum = Quorum::of(&root.quorum);
    let heading = match before {
        Some(before) => {
            format!("Root version {} -> {}: who holds the authority", before.version, root.version)
        }
        None => format!("Root version {}: who holds the new authority", root.version),
    };
    let mut fields = vec![("root hash", Thumbprint(hash).to_string())];
    let old = before.map(|before| Quorum::of(&before.quorum));
    let threshold = |quorum: &Quorum| format!("{} of {}", quorum.threshold, quorum.custodians.len());
    fields.push((
        "must sign",
        match &old {
            Some(old) if threshold(old) != threshold(&quorum) => {
                format!("{} -> {}", threshold(old), threshold(&quorum))
            }
            _ => threshold(&quorum),
        },
    ));
    let known =
        |quorum: Option<&Quorum>, key: &PublicKey| quorum.is_some_and(|quorum| quorum.find(key).is_some());
    for custodian in &quorum.custodians {
        let is_new = !known(old.as_ref(), &custodian.key);
        fields.push((if is_new { "custodian added" } else { "custodian kept" }, shown(custodian)));
    }
    for custodian in old.iter().flat_map(|old| &old.custodians) {
        if !known(Some(&quorum), &custodian.key) {
            fields.push(("custodian removed", shown(custodian)));
        }
    }
    if let Some(before) = before.filter(|before| before.name != root.name) {
        fields.push(("name", format!("{} -> {}", before.name, root.name)));
    }
    if let Some(set) = &root.revealed {
        let set = threshold(&Quorum::of(set));
        fields.push(("recovery", format!("{set} of the recovery set sign in place of the quorum before")));
    }
    if let Some(commitment) = &root.recovery {
        fields.push(("recovery set", format!("SHA-256 {}", Thumbprint(*commitment))));
    }
    fields.push(("bundles", if root.manifests { "must be numbered" } else { "need no number" }.to_owned()));
    fields.push(("made", time(root.made_at)));
    (heading, fields)
}

fn shown(custodian: &Custodian) -> String {
    let key = custodian.key.thumbprint();
    match &custodian.partner {
        None => key.to_string(),
        Some(partner) => format!("{key}, with ML-DSA-87 partner {}", partner.thumbprint()),
    }
}

fn record_section(record: &KeyRecord<'_>, known: bool) -> (String, Fields) {
    let role = record.role.name();
    let heading = if known {
        format!("Key record, as it is in force: {role} key {}", record.key.key_id())
    } else {
        format!("NEW key record: {role} key {}", record.key.key_id())
    };
    let mut fields = vec![("thumbprint", record.key.thumbprint().to_string())];
    fields.extend(document::key_record_fields(record));
    (heading, fields)
}

fn closing_section(closing: &Closing<'_>, role: &str, known: bool) -> (String, Fields) {
    let kid = closing.thumbprint.key_id();
    let heading = match known {
        true => format!("Closing, as it is in force: {role} key {kid}"),
        false => format!("CLOSES {role} key {kid}"),
    };
    (heading, closing_fields(closing))
}

/// Describes a closing for people.
#[must_use]
pub fn closing_fields(closing: &Closing<'_>) -> Fields {
    let mut fields = vec![("key", closing.thumbprint.to_string())];
    match &closing.closed {
        Closed::Retired => fields.push(("how", "retired: its documents stand".to_owned())),
        Closed::Compromised(head) => {
            let how = format!("compromised: what is in the log below size {} can stand", head.size);
            fields.push(("how", how));
            fields.push(("log root", Thumbprint(head.root).to_string()));
        }
    }
    fields.push(("reason", closing.reason.to_owned()));
    fields.push(("decided", time(closing.time)));
    fields
}

/// Describes a closing for programs.
#[must_use]
pub fn closing_json(closing: &Closing<'_>) -> Value {
    let head = match &closing.closed {
        Closed::Retired => None,
        Closed::Compromised(head) => Some(head),
    };
    json!({
        "key": closing.thumbprint.to_string(),
        "how": if head.is_some() { "compromised" } else { "retired" },
        "tree_size": head.map(|head| head.size),
        "tree_root": head.map(|head| Thumbprint(head.root).to_string()),
        "reason": closing.reason,
        "decided_at": super::time_json(closing.time),
    })
}

/// Describes all that is to be signed, for programs.
#[must_use]
pub fn json(review: &Review<'_>) -> Value {
    let described = review.items.iter().map(|item| match item {
        Item::Root(root, hash) => json!({
            "document": "root",
            "content": document::root_json(root),
            "hash": Thumbprint(*hash).to_string(),
        }),
        Item::KeyRecord(record, known) => json!({
            "document": "key record",
            "content": document::key_record_json(record),
            "in_force": known,
        }),
        Item::Closing(closing, _, known) => json!({
            "document": "key closing",
            "content": closing_json(closing),
            "in_force": known,
        }),
    });
    described.collect()
}

fn list(kids: impl Iterator<Item = KeyId>) -> String {
    kids.map(|kid| kid.to_string()).collect::<Vec<_>>().join(", ")
}
