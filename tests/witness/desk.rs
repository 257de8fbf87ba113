//! A witness with a home of its own and a key in software.

use std::io::Cursor;

use chancery_authority::error::CommandError;
use chancery_authority::home::Home;
use chancery_authority::witness::Memory;
use chancery_authority::workflow::witness::found::{Founded, Plan, found};
use chancery_authority::workflow::witness::judge::{Verdict, judge};
use chancery_authority::workflow::witness::sign::{repeat, sign};
use chancery_formats::key::PublicKey;
use chancery_hsm_config::PinSource;
use chancery_tests::folder::Folder;

use crate::vendor::{NOW, Vendor};

/// The passphrase of every key file here, as often as it may be asked for.
pub fn pins() -> PinSource {
    PinSource::lines(Cursor::new("correct horse battery staple\n".repeat(8)))
}

/// A witness.
#[derive(Debug)]
pub struct Desk {
    folder: Folder,
    pub key: PublicKey,
}

impl Desk {
    /// Founds a witness of an authority, which certifies it.
    pub fn of(vendor: Vendor) -> (Self, Vendor) {
        let folder = Folder::new("witness");
        let founded = Self::found(&folder, &vendor, None).unwrap();
        let desk = Self { folder, key: founded.identity.public_key };
        let vendor = vendor.with_witness(&desk.key);
        (desk, vendor)
    }

    pub fn found(folder: &Folder, vendor: &Vendor, note: Option<&str>) -> Result<Founded, CommandError> {
        let plan = Plan {
            authority: vendor.authority.id,
            bundle: &vendor.authority.bundle(),
            checkpoint: note.map(str::as_bytes),
            key: None,
        };
        found(&Home::new(folder.path().join("witness")), &plan, &mut pins(), NOW)
    }

    pub fn home(&self) -> Home {
        Home::new(self.folder.path().join("witness"))
    }

    pub fn memory(&self) -> Memory {
        Memory::open(&self.home()).unwrap()
    }

    pub fn judge(&self, request: &[u8]) -> Result<Verdict, CommandError> {
        self.judge_at(request, NOW)
    }

    pub fn judge_at(&self, request: &[u8], now: u64) -> Result<Verdict, CommandError> {
        judge(&self.memory(), request, now, &mut |_, _| {})
    }

    /// What becomes of a request: `new`, `known`, or the code and exit code of the refusal.
    pub fn says(&self, request: &[u8]) -> (&'static str, u8) {
        match self.judge(request) {
            Ok(Verdict::New(_)) => ("new", 0),
            Ok(Verdict::Known { .. }) => ("known", 0),
            Err(error) => (error.code(), error.report().exit as u8),
        }
    }

    /// Signs what is asked, as a person would who says yes.
    pub fn sign(&self, request: &[u8]) -> Vec<u8> {
        match self.judge(request).unwrap() {
            Verdict::New(agreed) => sign(&mut self.memory(), &agreed, &mut pins()).unwrap(),
            Verdict::Known { number, request } => {
                repeat(&self.memory(), number, request, &mut pins()).unwrap()
            }
        }
    }
}
