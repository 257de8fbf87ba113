//! Where sites stand: records against territories, and prohibited destinations.

use super::*;
use chancery_formats::approval::ApprovalRequest;
use chancery_formats::site_record::SiteRecord;
use site::Attestation;

fn attestation(territory: &'static str) -> Attestation<'static> {
    Attestation {
        authority: AuthorityId([1; 32]),
        customer: "acme",
        site: "north",
        territory,
        evidence: "seen on 2027-01-10",
        not_after: NOW + 50 * DAY,
    }
}

fn attester(desk: &mut Desk) -> Key {
    desk.approver_with("Lee Brandt", "attester", &ApproverBounds::default())
}

fn record(desk: &mut Desk, attestation: &Attestation<'_>, key: &Key) -> Result<u64, CommandError> {
    let bytes = site::attest(attestation, key, desk.now).unwrap();
    let now = desk.now;
    site::import(&mut desk.repository, &bytes, now).map(|row| row.id)
}

#[test]
fn a_grant_for_some_countries_is_for_sites_that_stand_there() {
    let mut desk = Desk::new();
    let lee = attester(&mut desk);
    assert_eq!(code(desk.grant_to("acme", Some("north"), &["DE", "FR"])), "site-unrecorded");
    record(&mut desk, &attestation("DE"), &lee).unwrap();
    desk.grant_to("acme", Some("north"), &["DE", "FR"]).unwrap();
    assert_eq!(code(desk.grant_to("acme", Some("north"), &["FR"])), "site-elsewhere");
    assert_eq!(code(desk.grant_to("globex", Some("north"), &["DE"])), "site-unrecorded");
    assert_eq!(code(desk.grant_to("acme", Some("south"), &["DE"])), "site-unrecorded");
    // What is for anywhere, or for no site, needs no record.
    desk.grant_to("acme", Some("south"), &[]).unwrap();
    desk.grant_to("acme", None, &["DE"]).unwrap();
    // The newest record counts, and only in its time.
    desk.now += DAY;
    record(&mut desk, &attestation("FR"), &lee).unwrap();
    assert_eq!(code(desk.grant_to("acme", Some("north"), &["DE"])), "site-elsewhere");
    desk.now = NOW + 51 * DAY;
    assert_eq!(code(desk.grant_to("acme", Some("north"), &["FR"])), "site-record-ended");
}

#[test]
fn a_site_that_moved_before_the_decision_is_refused() {
    let mut desk = Desk::new();
    let (lee, robin) = (attester(&mut desk), desk.approver("Robin Vogt"));
    record(&mut desk, &attestation("DE"), &lee).unwrap();
    desk.grant_to("acme", Some("north"), &["DE"]).unwrap();
    let made = desk.ask();
    desk.now += DAY;
    record(&mut desk, &attestation("FR"), &lee).unwrap();
    assert_eq!(code(desk.take(&approve(&made, &robin))), "site-elsewhere");
}

#[test]
fn other_site_records_are_refused() {
    let mut desk = Desk::new();
    let lee = attester(&mut desk);
    let robin = desk.approver("Robin Vogt");
    let good = attestation("DE");
    for territory in ["UK", "EU", "de", "XX"] {
        assert_eq!(code(site::attest(&Attestation { territory, ..good }, &lee, NOW)), "country-unknown");
    }
    assert_eq!(code(site::attest(&Attestation { evidence: "", ..good }, &lee, NOW)), "evidence-refused");
    assert_eq!(code(site::attest(&Attestation { not_after: NOW - 1, ..good }, &lee, NOW)), "usage");
    assert_eq!(code(record(&mut desk, &good, &robin)), "attester-unknown");
    assert_eq!(code(record(&mut desk, &good, &key())), "attester-unknown");
    let elsewhere = Attestation { authority: AuthorityId([2; 32]), ..good };
    assert_eq!(code(record(&mut desk, &elsewhere, &lee)), "record-authority");
    assert_eq!(
        code(record(&mut desk, &Attestation { customer: "initech", ..good }, &lee)),
        "customer-unknown"
    );

    let mut bytes = site::attest(&good, &lee, desk.now).unwrap();
    let now = desk.now;
    site::import(&mut desk.repository, &bytes, now).unwrap();
    assert_eq!(code(site::import(&mut desk.repository, &bytes, now)), "record-known");
    let older = site::attest(&good, &lee, desk.now - 1).unwrap();
    assert_eq!(code(site::import(&mut desk.repository, &older, now)), "site-record-older");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(code(site::import(&mut desk.repository, &bytes, now)), "signature-wrong");
    let soon = site::attest(&Attestation { not_after: now, ..good }, &lee, now).unwrap();
    assert_eq!(code(site::import(&mut desk.repository, &soon, now + 1)), "site-record-ended");
    let decoded = SiteRecord::decode(chancery_formats::cose::Envelope::decode(&soon).unwrap().payload);
    assert_eq!(decoded.unwrap().territory, "DE");
    approver::revoke(&mut desk.repository, 1, "clerk", "left", now).unwrap();
    desk.now += 1;
    assert_eq!(code(record(&mut desk, &good, &lee)), "attester-unknown");
}

#[test]
fn a_prohibited_destination_needs_two_approvers_and_a_named_override() {
    let mut desk = Desk::new();
    let (robin, kim) = (desk.approver("Robin Vogt"), desk.approver("Kim Sato"));
    let id = desk.grant_to("acme", None, &["KP"]).unwrap().id;
    let wish = desk.wish();
    assert_eq!(code(ask(&mut desk.repository, &wish)), "destination-prohibited");
    let wish = Wish { overriding: Some(("export license 17", "humanitarian pumps")), ..desk.wish() };
    let made = ask(&mut desk.repository, &wish).unwrap();
    let seen = ApprovalRequest::decode(&made.bytes).unwrap().head.overriding.unwrap();
    assert_eq!((seen.name, seen.reason), ("export license 17", "humanitarian pumps"));
    let taken = desk.take(&approve(&made, &robin)).unwrap();
    assert!(taken.lacks.is_some());
    assert_eq!(desk.repository.entitlement(id).unwrap_err().code(), "entitlement-unknown");
    assert!(desk.take(&approve(&made, &kim)).unwrap().lacks.is_none());
    desk.vouched(id).unwrap();
}

#[test]
fn where_a_site_stands_counts_although_nothing_bounds_the_use() {
    let mut desk = Desk::new();
    let lee = attester(&mut desk);
    record(&mut desk, &attestation("KP"), &lee).unwrap();
    desk.grant_to("acme", Some("north"), &[]).unwrap();
    let wish = desk.wish();
    assert_eq!(code(ask(&mut desk.repository, &wish)), "destination-prohibited");
}

#[test]
fn a_record_that_was_changed_is_an_alarm() {
    let mut desk = Desk::new();
    let lee = attester(&mut desk);
    record(&mut desk, &attestation("DE"), &lee).unwrap();
    let sql = "UPDATE site_record SET bytes = substr(bytes, 1, length(bytes) - 1)";
    crate::repository::tests::tampering::tamper(&Home::new(&desk.folder), sql, &[]);
    assert_eq!(code(desk.grant_to("acme", Some("north"), &["DE"])), "site-record-void");
}
