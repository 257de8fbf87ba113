//! What approvers see: a request as fields and a table, and an approval as a document.
//!
//! Everything is computed from the grants in the request. Not here: whether anybody may approve it.

use std::collections::BTreeMap;

use chancery_formats::approval::{Approval, ApprovalRequest, Item, Price};
use chancery_formats::grant::Grant;
use chancery_formats::merkle::Hash;
use chancery_formats::site_record::SiteRecord;
use serde_json::{Value, json};

use super::document::Fields;
use super::{end, time, time_json};
use crate::workflow::approval::review::Review;
use crate::workflow::catalog::currency::amount;

/// The columns of the table of grants.
pub const COLUMNS: [&str; 8] =
    ["CHANGE", "ENTITLEMENT", "CUSTOMER", "PRODUCT", "QUANTITY", "TERRITORY", "UNTIL", "PRICE"];

/// Digits of a digest that a person compares.
const COMPARED: usize = 12;

/// Names that are shown one by one; of more, the number of the rest.
const SHOWN: usize = 12;

/// Returns a hash in hexadecimal digits.
#[must_use]
pub fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the end of a digest, in groups of four digits: what is compared on both sides.
#[must_use]
pub fn tail(hash: &Hash) -> String {
    let digits = hex(hash);
    let tail = digits.get(digits.len() - COMPARED..).unwrap_or_default();
    let groups: Vec<_> = tail.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

/// Returns one grant as a row of the table.
#[must_use]
pub fn row(item: &Item<'_>) -> Vec<String> {
    let Ok(grant) = Grant::decode(item.grant) else { return vec!["malformed".to_owned()] };
    let site = grant.site.map(|site| format!("/{site}")).unwrap_or_default();
    let territory: Vec<_> = grant.terms.territory.iter().flat_map(|names| names.iter()).collect();
    vec![
        grant.change.name().to_owned(),
        grant.terms.entitlement.to_string(),
        format!("{}{site}", grant.customer),
        format!("{} {}", grant.product, grant.terms.edition),
        grant.quantity.to_string(),
        if territory.is_empty() { "anywhere".to_owned() } else { territory.join(" ") },
        end(grant.not_after),
        price(item.price.as_ref()),
    ]
}

/// Shows a price: `1200.00 EUR`.
#[must_use]
pub fn price(price: Option<&Price<'_>>) -> String {
    price.map_or_else(|| "unknown".to_owned(), |price| amount(price.minor_units, price.currency))
}

/// Returns what a request says beside its grants.
#[must_use]
pub fn fields(review: &Review<'_>) -> Fields {
    let head = &review.request.head;
    let mut fields = vec![
        ("authority id", head.authority.to_string()),
        ("requested by", head.requester.to_owned()),
        ("requested", time(head.requested_at)),
        ("answer until", time(head.not_after)),
        ("policy", format!("{}, {}", head.policy.number, hex(&head.policy.hash))),
    ];
    if let Some(overriding) = &head.overriding {
        fields.push(("override", overriding.name.to_owned()));
        fields.push(("because", overriding.reason.to_owned()));
    }
    fields.extend([
        ("grants", review.request.count().to_string()),
        ("changes", counts(&review.changes)),
        ("customers", counts(&review.customers)),
        ("products", counts(&review.products)),
        ("territories", counts(&review.territories)),
        ("prices", prices(review)),
        ("digest", hex(&review.covers.digest)),
    ]);
    fields
}

/// Lists names with their counts, those with most first.
fn counts(counts: &BTreeMap<&str, u64>) -> String {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let shown = sorted.iter().take(SHOWN);
    let mut shown: Vec<String> = shown.map(|&(text, count)| format!("{} {count}", place(text))).collect();
    if sorted.len() > SHOWN {
        shown.push(format!("and {} more", sorted.len() - SHOWN));
    }
    shown.join(", ")
}

/// Shows a country; `*` is anywhere.
fn place(name: &str) -> &str {
    if name == "*" { "anywhere" } else { name }
}

fn prices(review: &Review<'_>) -> String {
    let sum = |(currency, sum): (&&str, &u128)| match u64::try_from(*sum) {
        Ok(sum) => amount(sum, currency),
        Err(_) => format!("{sum} in minor units of {currency}"),
    };
    let mut shown: Vec<String> = review.prices.iter().map(sum).collect();
    if review.unpriced > 0 {
        shown.push(format!("unknown for {}", review.unpriced));
    }
    shown.join(", ")
}

/// Returns a request as JSON, with each of its grants.
#[must_use]
pub fn request_json(review: &Review<'_>) -> Value {
    let head = &review.request.head;
    let grants: Vec<_> = review.request.items().map(|item| item_json(&item)).collect();
    json!({
        "authority_id": head.authority.to_string(),
        "nonce": hex_of(&head.nonce),
        "requester": head.requester,
        "requested_at": time_json(head.requested_at),
        "not_after": time_json(head.not_after),
        "policy": {"number": head.policy.number, "sha256": hex(&head.policy.hash)},
        "override": head.overriding.map(|one| json!({"name": one.name, "reason": one.reason})),
        "count": review.request.count(),
        "root": hex(&review.covers.root),
        "digest": hex(&review.covers.digest),
        "grants": grants,
    })
}

fn item_json(item: &Item<'_>) -> Value {
    let Ok(grant) = Grant::decode(item.grant) else { return Value::Null };
    let territory: Vec<_> = grant.terms.territory.iter().flat_map(|names| names.iter()).collect();
    json!({
        "sha256": hex(&Grant::hash(item.grant)),
        "change": grant.change.name(),
        "entitlement": grant.terms.entitlement.to_string(),
        "revision": grant.terms.revision,
        "customer": grant.customer,
        "site": grant.site,
        "product": grant.product,
        "edition": grant.terms.edition,
        "quantity": grant.quantity,
        "territory": territory,
        "not_before": time_json(grant.not_before),
        "not_after": grant.not_after.map(time_json),
        "by": grant.by,
        "reason": grant.reason,
        "price": item.price.map(|price| json!({
            "currency": price.currency,
            "minor_units": price.minor_units,
        })),
    })
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Describes an approval.
#[must_use]
pub fn describe(approval: &Approval<'_>) -> (Fields, Value) {
    let mut fields = vec![
        ("authority id", approval.authority.to_string()),
        ("decision", approval.decision.name().to_owned()),
    ];
    fields.extend(approval.reason.map(|reason| ("reason", reason.to_owned())));
    fields.extend([
        ("grants", approval.covers.count.to_string()),
        ("digest", hex(&approval.covers.digest)),
        ("policy", approval.policy.number.to_string()),
        ("signed", time(approval.signed_at)),
        ("until", time(approval.not_after)),
    ]);
    let json = json!({
        "authority_id": approval.authority.to_string(),
        "nonce": hex_of(&approval.nonce),
        "count": approval.covers.count,
        "root": hex(&approval.covers.root),
        "digest": hex(&approval.covers.digest),
        "decision": approval.decision.name(),
        "reason": approval.reason,
        "policy": {"number": approval.policy.number, "sha256": hex(&approval.policy.hash)},
        "signed_at": time_json(approval.signed_at),
        "not_after": time_json(approval.not_after),
    });
    (fields, json)
}

/// Describes a request, by what it says of itself.
#[must_use]
pub fn describe_request(request: &ApprovalRequest<'_>) -> (Fields, Value) {
    let (head, covers) = (&request.head, request.commitment());
    let fields = vec![
        ("authority id", head.authority.to_string()),
        ("requested by", head.requester.to_owned()),
        ("requested", time(head.requested_at)),
        ("answer until", time(head.not_after)),
        ("policy", head.policy.number.to_string()),
        ("grants", covers.count.to_string()),
        ("digest", hex(&covers.digest)),
    ];
    let json = json!({
        "authority_id": head.authority.to_string(),
        "nonce": hex_of(&head.nonce),
        "requester": head.requester,
        "requested_at": time_json(head.requested_at),
        "not_after": time_json(head.not_after),
        "policy": {"number": head.policy.number, "sha256": hex(&head.policy.hash)},
        "count": covers.count,
        "root": hex(&covers.root),
        "digest": hex(&covers.digest),
    });
    (fields, json)
}

/// Describes a site record.
#[must_use]
pub fn describe_site(record: &SiteRecord<'_>) -> (Fields, Value) {
    let fields = vec![
        ("authority id", record.authority.to_string()),
        ("customer", record.customer.to_owned()),
        ("site", record.site.to_owned()),
        ("territory", record.territory.to_owned()),
        ("attested", time(record.attested_at)),
        ("until", time(record.not_after)),
        ("evidence", record.evidence.to_owned()),
    ];
    let json = json!({
        "authority_id": record.authority.to_string(),
        "customer": record.customer,
        "site": record.site,
        "territory": record.territory,
        "attested_at": time_json(record.attested_at),
        "not_after": time_json(record.not_after),
        "evidence": record.evidence,
    });
    (fields, json)
}
