//! The intent comes before the signature, and an entitlement is never overdrawn.

use std::sync::Barrier;

use super::*;

#[test]
fn an_intent_is_numbered_and_pending_until_it_is_completed() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let entitlement = grant(&mut repository, 1, 2);
    let first = begin(&mut repository, &license(entitlement, 1, 1, 1)).unwrap();
    let second = begin(&mut repository, &license(entitlement, 2, 2, 1)).unwrap();
    assert_eq!(first, Intent { log_index: 0, operation_id: 0 });
    assert_eq!(second, Intent { log_index: 1, operation_id: 1 });

    repository.complete(second, b"second", NOW + 1).unwrap();
    let pending = repository.pending().unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].license, Some((LicenseId([1; 16]), entitlement)));
    assert_eq!(pending[0].open_operations.len(), 1);
    assert_eq!(repository.signed_document(0).unwrap(), None);

    repository.complete(first, b"first", NOW + 2).unwrap();
    assert_eq!(repository.pending().unwrap(), []);
    let documents = repository.documents_of_kind(Kind::License).unwrap();
    assert_eq!(documents, [(0, b"first".to_vec()), (1, b"second".to_vec())]);
    let shown = repository.license(LicenseId([2; 16])).unwrap();
    assert_eq!((shown.log_index, shown.signed_at), (1, Some(NOW + 1)));
    assert_eq!(repository.licenses().unwrap().len(), 2);
    assert_eq!(repository.leaf(0).unwrap().payload, [1; 16]);
}

#[test]
fn an_intent_survives_the_process() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let entitlement = grant(&mut repository, 1, 1);
    let intent = begin(&mut repository, &license(entitlement, 1, 1, 1)).unwrap();
    repository.fail(intent.operation_id, "wrong PIN", NOW).unwrap();
    drop(repository);

    let mut repository = Repository::open(&folder.home()).unwrap();
    let pending = repository.pending().unwrap();
    assert_eq!(pending[0].open_operations, []);
    assert_eq!(pending[0].last_failure.as_deref(), Some("wrong PIN"));
    assert_eq!(repository.entitlement(entitlement).unwrap().used, 1);

    let retry = repository.begin_retry(intent.log_index, &operation(), NOW).unwrap();
    assert_eq!(retry, Intent { log_index: 0, operation_id: 1 });
    repository.complete(retry, b"signed", NOW).unwrap();
    assert_eq!(repository.entitlement(entitlement).unwrap().used, 1);
    let again = repository.begin_retry(0, &operation(), NOW).unwrap_err();
    assert_eq!(again.code(), "already-signed");
    assert_eq!(repository.begin_retry(7, &operation(), NOW).unwrap_err().code(), "document-unknown");
}

#[test]
fn of_two_signed_attempts_the_first_recorded_stands() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let entitlement = grant(&mut repository, 1, 1);
    let first = begin(&mut repository, &license(entitlement, 1, 1, 1)).unwrap();
    let second = repository.begin_retry(first.log_index, &operation(), NOW).unwrap();
    assert_eq!(repository.complete(second, b"second", NOW).unwrap(), b"second");
    assert_eq!(repository.complete(first, b"first", NOW).unwrap(), b"second");
    assert_eq!(repository.signed_document(0).unwrap().as_deref(), Some(&b"second"[..]));
    assert_eq!(count(&repository, "SELECT count(*) FROM operation_outcome WHERE outcome = 'signed'"), 2);
}

#[test]
fn a_device_draws_one_activation_however_often_it_asks() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let entitlement = grant(&mut repository, 1, 2);
    begin(&mut repository, &license(entitlement, 1, 1, 1)).unwrap();
    assert_eq!(repository.next_revision(entitlement, Some(Thumbprint([1; 32]))).unwrap(), 2);
    begin(&mut repository, &license(entitlement, 1, 2, 2)).unwrap();
    begin(&mut repository, &license(entitlement, 2, 3, 1)).unwrap();
    let found = repository.entitlement(entitlement).unwrap();
    assert_eq!((found.used, found.left()), (2, 0));

    let error = begin(&mut repository, &license(entitlement, 3, 4, 1)).unwrap_err();
    assert!(matches!(error, RepositoryError::EntitlementExhausted { used: 2, quantity: 2, .. }), "{error}");
    // A device that has its activation is served when none is left.
    begin(&mut repository, &license(entitlement, 1, 5, 3)).unwrap();
}

#[test]
fn a_refused_intent_leaves_no_trace() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let entitlement = grant(&mut repository, 1, 1);
    begin(&mut repository, &license(entitlement, 1, 1, 1)).unwrap();
    let same_request = NewLicense { id: LicenseId([9; 16]), ..license(entitlement, 1, 1, 2) };
    let unknown = license(EntitlementId([9; 8]), 1, 3, 1);
    for (new, code) in [
        (license(entitlement, 2, 2, 1), "entitlement-exhausted"),
        (license(entitlement, 1, 2, 1), "revision-taken"),
        (license(entitlement, 1, 2, 3), "revision-taken"),
        (same_request, "request-known"),
        (unknown, "entitlement-unknown"),
    ] {
        assert_eq!(begin(&mut repository, &new).unwrap_err().code(), code);
    }
    let same_id = NewLicense { request_hash: Some([8; 32]), ..license(entitlement, 1, 1, 2) };
    assert_eq!(begin(&mut repository, &same_id).unwrap_err().code(), "database-failed");
    for table in ["log_leaf", "operation", "license"] {
        assert_eq!(count(&repository, &format!("SELECT count(*) FROM {table}")), 1, "{table}");
    }
    let known = repository.license_by_request(&[1; 32]).unwrap().unwrap();
    assert_eq!((known.id, known.customer.as_str()), (LicenseId([1; 16]), "acme"));
    assert_eq!(repository.license_by_request(&[2; 32]).unwrap(), None);
}

#[test]
fn an_operation_needs_a_known_key() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let leaf = NewLeaf { kind: Kind::Root, protected: &[], payload: &[] };
    let unknown = NewOperation { key: Thumbprint([9; 32]), ..operation() };
    assert_eq!(repository.begin(&leaf, &unknown, None, NOW).unwrap_err().code(), "key-unknown");
    assert_eq!(count(&repository, "SELECT count(*) FROM log_leaf"), 0);
    let intent = repository.begin(&leaf, &operation(), None, NOW).unwrap();
    repository.complete(intent, b"root", NOW).unwrap();
    repository.set_key_record(ISSUER.thumbprint(), intent.log_index).unwrap();
    let keys = repository.keys().unwrap();
    assert_eq!((keys.len(), keys[0].record_index, &keys[0].public_key), (1, Some(0), &ISSUER));
}

#[test]
fn of_two_processes_racing_for_the_last_activation_one_wins() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    for round in 1..=10 {
        let entitlement = grant(&mut repository, round, 1);
        let barrier = Barrier::new(2);
        let race = |device: u8| {
            let mut own = Repository::open(&folder.home()).unwrap();
            barrier.wait();
            begin(&mut own, &license(entitlement, device, 2 * round + device, 1))
        };
        let results = std::thread::scope(|scope| {
            let racers = [1, 2].map(|device| scope.spawn(move || race(device)));
            racers.map(|racer| racer.join().unwrap())
        });
        let losers: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        assert_eq!(losers.len(), 1, "{results:?}");
        assert!(matches!(losers[0], RepositoryError::EntitlementExhausted { used: 1, quantity: 1, .. }));
        assert_eq!(repository.entitlement(entitlement).unwrap().used, 1);
    }
}
