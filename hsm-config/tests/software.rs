//! The software backend under the suite that every backend passes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use chancery_formats::key::Algorithm;
use chancery_hsm_config::backend::conformance::{Behaviour, Fault, Fixture, Unavailable, run};
use chancery_hsm_config::{KeyRef, PinSource};

struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Fixture for Files {
    fn name(&self) -> &'static str {
        "software"
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        Algorithm::ALL.to_vec()
    }

    fn key(&self, index: u8) -> KeyRef {
        KeyRef::file(self.0.join(format!("key-{index}.pem")))
    }

    fn pins(&self) -> PinSource {
        PinSource::lines(Cursor::new("right"))
    }

    fn wrong_pins(&self) -> PinSource {
        PinSource::lines(Cursor::new("wrong"))
    }

    fn key_on_missing_token(&self) -> Result<KeyRef, Unavailable> {
        Err(Unavailable("a key file is its own token: it is missing as a key"))
    }

    fn duplicate(&mut self, _: &KeyRef) -> Result<(), Unavailable> {
        Err(Unavailable("a path names one file"))
    }

    fn remove_token(&mut self) -> Result<(), Unavailable> {
        Err(Unavailable("an open key is in memory"))
    }

    fn return_token(&mut self) -> Result<(), Unavailable> {
        Err(Unavailable("an open key is in memory"))
    }

    fn pin_tries(&self) -> Option<u8> {
        None
    }

    fn signatures(&self) -> Option<u64> {
        None
    }

    fn provoke(&mut self, _: Fault, _: &KeyRef) -> Result<(), Unavailable> {
        Err(Unavailable("a key file is read once; it does not fail by itself"))
    }

    fn mend(&mut self) {}
}

#[test]
fn conforms() {
    let path = std::env::temp_dir().join(format!("chancery-conformance-{}", std::process::id()));
    fs::create_dir(&path).unwrap();
    let report = run(&mut Files(path));
    println!("{report}");
    assert!(report.failures().is_empty(), "\n{report}");
    let expected = [
        Behaviour::LacksOthers,
        Behaviour::MissingToken,
        Behaviour::AmbiguousKey,
        Behaviour::SessionLost,
        Behaviour::SessionRecovered,
        Behaviour::PinLimit,
        Behaviour::WrongSignature,
        Behaviour::OtherKey,
        Behaviour::ReplyLost,
        Behaviour::SessionTableFull,
        Behaviour::AuditLogFull,
        Behaviour::ModuleUnloaded,
        Behaviour::DeviceReset,
    ];
    assert_eq!(report.unavailable(), expected, "\n{report}");
}
