//! Issuing that reconciliation has locked: what an alarm calls for goes on, and nothing else does, not even what
//! others have signed meanwhile.

use std::fs;

use chancery_authority::repository::Repository;
use chancery_formats::id::KeyId;
use chancery_formats::seal::Role;

use crate::desk::Desk;
use crate::homes::{ENTITLEMENT, NOW};
use crate::log::{fails, issue, ok, with_log_key};

fn lock(desk: &Desk) {
    let mut repository = Repository::open(&desk.home()).unwrap();
    repository.lock_issuing("hsm-operation-extra", "entry 17 of device 0001234567", NOW).unwrap();
}

fn release(desk: &Desk) {
    let mut repository = Repository::open(&desk.home()).unwrap();
    for lock in repository.issuing_locks().unwrap() {
        repository.release_issuing(lock.id, "J. Roe: rehearsal", NOW).unwrap();
    }
}

fn size(desk: &Desk) -> u64 {
    Repository::open(&desk.home()).unwrap().log_size().unwrap()
}

/// The key id of the first key of a role.
fn first_of(desk: &Desk, role: Role) -> KeyId {
    let keys = Repository::open(&desk.home()).unwrap().keys().unwrap();
    keys.into_iter().find(|key| key.role == role).unwrap().public_key.key_id()
}

#[test]
fn what_an_alarm_calls_for_goes_on_under_a_lock_and_nothing_else() {
    let desk = Desk::new();
    with_log_key(&desk);
    ok(&desk, "role add revoker --key file:home/keys/revoker.pem");
    let license = issue(&desk);
    desk.request_as("second.creq");
    desk.request_as("third.creq");
    ok(&desk, "log checkpoint -o before.checkpoint");
    lock(&desk);
    let before = size(&desk);
    let direct = format!("license issue --entitlement {ENTITLEMENT} --request second.creq -o second.clic");
    for refused in [
        direct.as_str(),
        "role add issuer --key file:home/keys/next.pem",
        "root rotate --add-key file:home/keys/bob.pem --threshold 1",
    ] {
        assert_eq!(fails(&desk, refused, 3), "issuing-locked", "{refused}");
    }
    assert_eq!((size(&desk), desk.file("second.clic").exists()), (before, false));

    let stolen = first_of(&desk, Role::Issuer);
    for goes_on in [
        format!("license export {license} -o again.clic"),
        format!("role close {stolen} --compromised --reason stolen"),
        format!("revocation add --license {license} --reason stolen"),
        "revocation publish".to_owned(),
        "log checkpoint -o after.checkpoint".to_owned(),
        "bundle publish -o vendor.ctrust".to_owned(),
        format!("log prove {license} -o pump.tlog-proof"),
        "log export -o vendor.clog".to_owned(),
        "log verify --checkpoint before.checkpoint".to_owned(),
    ] {
        ok(&desk, &goes_on);
    }
    let told = ok(&desk, "bundle show 1");
    assert_eq!(told["revocation_list"].as_u64(), Some(1), "{told}");
    // Released, it goes on; with a key that is open.
    assert_eq!(fails(&desk, "role add issuer --key file:home/keys/next.pem", 3), "issuing-locked");
    release(&desk);
    ok(&desk, "role add issuer --key file:home/keys/next.pem");
    ok(&desk, &direct);
}

#[test]
fn what_others_signed_before_or_under_a_lock_waits_for_its_end() {
    let desk = Desk::new();
    with_log_key(&desk);
    let published = ok(&desk, "bundle publish -o first.ctrust");
    let authority = published["authority_id"].as_str().unwrap().to_owned();
    ok(
        &desk,
        &format!("witness init --home witness --trust first.ctrust --authority {authority} -o witness.pem"),
    );
    ok(&desk, "role add witness --public-key witness.pem");
    ok(&desk, "role add issuer --key file:home/keys/sealing.pem --mode seal --co-signer witness");
    desk.request_as("second.creq");
    let row = format!("{{\"entitlement\":\"{ENTITLEMENT}\",\"request\":\"second.creq\"}}\n");
    fs::write(desk.file("rows.jsonl"), row).unwrap();
    let batch = ok(&desk, "batch issue --input rows.jsonl")["batch"].as_u64().unwrap();
    ok(&desk, &format!("batch request {batch} --out ask.cwit"));

    // A custodian who is elsewhere is asked for a root, and signs it.
    let carol =
        ok(&desk, "key generate file:carol.pem --public carol.public")["kid"].as_str().unwrap().to_owned();
    let here = first_of(&desk, Role::Custodian);
    let rotate = "root rotate --add carol.public --threshold 2 --out two.ccer";
    ok(&desk, &format!("{rotate} --signer {here} --signer {carol}"));
    ok(&desk, "root sign two.ccer --key file:carol.pem --out carol.ccer --yes");
    lock(&desk);
    ok(&desk, "witness sign --home witness ask.cwit --out answer.cwit --yes");
    assert_eq!(fails(&desk, "batch complete answer.cwit", 3), "issuing-locked");
    assert_eq!(fails(&desk, &format!("batch export {batch} --out licenses"), 1), "signature-missing");
    assert_eq!(fails(&desk, "root collect carol.ccer", 3), "issuing-locked");
    assert_eq!(ok(&desk, "root show")["roots"].as_array().map(Vec::len), Some(1));
    release(&desk);
    ok(&desk, "batch complete answer.cwit");
    ok(&desk, &format!("batch export {batch} --out licenses"));
    ok(&desk, "root collect carol.ccer");
    assert_eq!(ok(&desk, "root show")["roots"].as_array().map(Vec::len), Some(2));
}
