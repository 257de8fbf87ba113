//! A log that agrees with itself and not with the device, and files that are no device logs.

use chancery_formats::id::AuthorityId;
use sha2::{Digest, Sha256};

use super::*;

const SERIAL: &str = "0001234567";
const NOW: u64 = 1_800_000_000;
const KEY: DeviceKey =
    DeviceKey { thumbprint: Thumbprint([7; 32]), object: 0x0100, algorithm: Algorithm::Ed25519 };

/// The log of a device from its reset on, that signed messages of these lengths.
fn log(lengths: &[u16]) -> Vec<AuditEntry> {
    let reset = [&[0, 1][..], &[0xff; 14], &[9; 16]].concat();
    let mut entries = vec![AuditEntry::from_bytes(&reset.try_into().unwrap())];
    for length in lengths {
        let newest = entries.last().unwrap();
        let mut entry = AuditEntry {
            number: newest.number + 1,
            command: 0x6a,
            length: length + 2,
            session_key: 2,
            target_key: KEY.object,
            second_key: 0xffff,
            result: 0xea,
            tick: 5,
            digest: [0; 16],
        };
        let hash = Sha256::new().chain_update(&entry.to_bytes()[..16]).chain_update(newest.digest).finalize();
        entry.digest = hash[..16].try_into().unwrap();
        entries.push(entry);
    }
    entries
}

fn file(entries: &[AuditEntry]) -> DeviceLogFile {
    DeviceLogFile::new(SERIAL, entries, &[KEY], NOW)
}

fn export(lengths: &[u16]) -> Export {
    let operation = |(id, length): (u64, &u16)| Operation {
        id,
        key: KEY.thumbprint,
        message_bytes: Some(u64::from(*length)),
        started_at: NOW,
        signed: Some(true),
    };
    let operations = (0..).zip(lengths).map(operation).collect();
    Export { authority: AuthorityId([1; 32]), made_at: NOW, operations }
}

/// What an auditor finds; the code of the error where it is one.
fn found(
    export: &Export,
    kept: Option<&DeviceLogFile>,
    own: &[DeviceLogFile],
) -> Result<Vec<&'static str>, &'static str> {
    let compared = reconcile_export(export, kept, own, &[], NOW).map_err(|error| error.code())?;
    Ok(compared.1.findings.iter().map(|finding| finding.code).collect())
}

#[test]
fn what_was_kept_and_what_was_read_agree() {
    let entries = log(&[10, 20, 30]);
    let (kept, own) = (file(&entries), file(&entries[3..]));
    assert_eq!(found(&export(&[10, 20, 30]), Some(&kept), std::slice::from_ref(&own)), Ok(vec![]));
    // Read before the authority kept the last, and after; and the auditor alone from the beginning on.
    let earlier = file(&entries[1..3]);
    assert_eq!(found(&export(&[10, 20, 30]), Some(&file(&entries[..3])), &[earlier, own]), Ok(vec![]));
    assert_eq!(found(&export(&[10, 20, 30]), None, &[file(&entries[..2]), file(&entries[2..])]), Ok(vec![]));
    // The device signed once more, or the export says so.
    assert_eq!(
        found(&export(&[10, 20]), Some(&kept), &[file(&entries[3..])]),
        Ok(vec!["hsm-operation-extra"])
    );
    let more = export(&[10, 20, 30, 40]);
    assert_eq!(found(&more, Some(&kept), &[file(&entries[3..])]), Ok(vec!["hsm-operation-missing"]));
}

#[test]
fn a_log_that_was_made_up_does_not_lead_to_the_auditors_reading() {
    let entries = log(&[10, 20, 30, 40]);
    let own = file(&entries[4..]);
    // The signature of 20 never was, and everything after it is computed anew: export and entries agree.
    let made_up = log(&[10, 30, 40]);
    let told = export(&[10, 30, 40]);
    assert_eq!(
        found(&told, Some(&file(&made_up)), &[file(&made_up[3..])]),
        Ok(vec![]),
        "it agrees with itself"
    );
    assert_eq!(found(&told, Some(&file(&made_up)), std::slice::from_ref(&own)), Err("audit-broken"));
    // As many entries, one of them about something else.
    let changed = log(&[10, 21, 30, 40]);
    let told = export(&[10, 21, 30, 40]);
    assert_eq!(found(&told, Some(&file(&changed)), std::slice::from_ref(&own)), Err("audit-broken"));
    // The newest entry as the device shows it, behind others.
    let mut spliced = log(&[10, 30]);
    spliced.push(entries[4].clone());
    let findings = found(&export(&[10, 30, 40]), Some(&file(&spliced)), std::slice::from_ref(&own));
    assert!(findings.unwrap().contains(&"audit-broken"));
    // A reading of an earlier visit that is not among what was kept.
    let told = export(&[10, 20, 30, 40]);
    let other = log(&[11]);
    assert_eq!(found(&told, Some(&file(&entries)), &[file(&other[1..]), own]), Err("audit-broken"));
}

#[test]
fn what_no_reading_vouches_for_is_told() {
    let entries = log(&[10, 20, 30]);
    let told = export(&[20, 30]);
    let tail = file(&entries[2..]);
    assert_eq!(found(&told, None, std::slice::from_ref(&tail)), Ok(vec!["device-log-partial"]));
    assert_eq!(
        found(&told, Some(&file(&entries[2..])), std::slice::from_ref(&tail)),
        Ok(vec!["device-log-partial"])
    );
    let accepted = [Acceptable::Beginning(0)];
    let compared = reconcile_export(&told, None, &[tail], &accepted, NOW).unwrap();
    assert!(compared.1.findings.is_empty());
    // Begun anew after a reset: the old log is the authority's word.
    let again = log(&[40]);
    let mut kept = file(&[entries, again.clone()].concat());
    kept.begins_anew.push(FileChain { entry: 4, reason: "reset".into(), begun_at: NOW });
    let told = export(&[10, 20, 30, 40]);
    assert_eq!(found(&told, Some(&kept), &[file(&again[1..])]), Ok(vec!["device-log-begun-anew"]));
    // Not said, it is no chain.
    kept.begins_anew.clear();
    assert!(found(&told, Some(&kept), &[file(&again[1..])]).unwrap().contains(&"audit-broken"));
}

#[test]
fn files_of_two_devices_are_not_compared() {
    let entries = log(&[10]);
    let other = DeviceLogFile { serial: "0007654321".into(), ..file(&entries) };
    assert_eq!(found(&export(&[10]), Some(&other), &[file(&entries)]), Err("device-log-other"));
    assert_eq!(found(&export(&[10]), None, &[]), Err("usage"));
}

#[test]
fn a_file_reads_back_and_others_are_refused() {
    let folder = std::env::temp_dir().join(format!("chancery-device-log-file-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("log.json");
    let whole = file(&log(&[10, 20]));
    let text = serde_json::to_string(&whole).unwrap();
    std::fs::write(&path, &text).unwrap();
    assert_eq!(DeviceLogFile::read(&path).unwrap(), whole);
    assert_eq!(whole.device_keys().unwrap(), [KEY]);
    assert_eq!(whole.audit_entries().unwrap(), log(&[10, 20]));
    for wrong in [
        String::new(),
        "{}".to_owned(),
        text.replace("chancery-device-log/1", "chancery-device-log/2"),
        text.replace("\"serial\"", "\"extra\":1,\"serial\""),
        text.replace("ffff", "fff"),
        text.replace("ffff", "FFFF"),
        text.replace("Ed25519", "ML-DSA-87"),
        text.replace("0707", "07"),
        format!("{text}x"),
    ] {
        assert_ne!(wrong, text);
        std::fs::write(&path, &wrong).unwrap();
        assert_eq!(DeviceLogFile::read(&path).unwrap_err().code(), "device-log-malformed", "{wrong}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_export_is_read_whole_or_not_at_all() {
    let folder = std::env::temp_dir().join(format!("chancery-export-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("vendor.clog");
    let mut bytes = Vec::new();
    let mut put = |record: &Record<'_>| {
        let record = record.encode();
        bytes.extend_from_slice(&u32::try_from(record.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&record);
    };
    put(&Record::Start { authority: AuthorityId([1; 32]), made_at: NOW });
    let leaf = Record::Leaf { index: 0, protected: &[], payload: &[], signature: None, recorded_at: NOW };
    put(&leaf);
    for (id, failure) in [(0, None), (1, Some("session-lost")), (2, Some("bad-signature"))] {
        put(&Record::Operation(chancery_formats::log::export::Operation {
            id,
            key: KEY.thumbprint,
            message_hash: [0; 32],
            message_bytes: Some(10),
            first_index: Some(0),
            leaf_count: 1,
            started_at: NOW,
            outcome: Some(Outcome { failure, ended_at: NOW }),
        }));
    }
    put(&Record::End { leaves: 1, operations: 3, checkpoints: 0 });
    std::fs::write(&path, &bytes).unwrap();
    let signed: Vec<_> = read_export(&path).unwrap().operations.iter().map(|one| one.signed).collect();
    assert_eq!(signed, [Some(true), Some(false), Some(true)]);
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert_eq!(read_export(&path).unwrap_err().code(), "log-malformed", "{length} bytes");
    }
    std::fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
    assert_eq!(read_export(&path).unwrap_err().code(), "log-malformed", "something after its end");
    std::fs::remove_dir_all(folder).unwrap();
}
