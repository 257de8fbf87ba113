//! The operator's desk: an authority with its own keys, and the requests and pictures that lie beside it.
//!
//! Made through the workflow, so every key, device and license is a new one; entitlements are not, and
//! cases name them. Not here: what the cases expect (`cmd/`).

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use chancery_authority::home::Home;
use chancery_authority::repository::{Customer, Repository};
use chancery_authority::workflow::export::{Targets, reserve};
use chancery_authority::workflow::init::{Plan, init};
use chancery_authority::workflow::{catalog, issue, trust};
use chancery_carriers::picture::{self, Format};
use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::id::EntitlementId;
use chancery_formats::key::Algorithm;
use chancery_formats::seal::Role;
use chancery_formats::text::armor;
use chancery_formats::trust::Bundle;
use chancery_hsm_config::{Key, PinSource, SoftwareKey};
use chancery_verifier::Draft;
use image::{GrayImage, Luma, imageops};

use crate::homes::{self, ENTITLEMENT, Folder, NOW, content};

/// The passphrase of both key files, as cases give it on a line of standard input.
pub const PASSPHRASE: &str = "correct horse battery";

/// An entitlement whose one activation is used.
const SPENT: EntitlementId = EntitlementId([2; 8]);

/// An entitlement under which a license was begun and is not signed.
const INTERRUPTED: EntitlementId = EntitlementId([3; 8]);

/// A folder with a home and documents, removed when it is dropped.
pub struct Desk {
    folder: Folder,
}

impl Desk {
    /// Makes a desk whose authority has its keys in encrypted files.
    pub fn new() -> Self {
        Self::with_home(|home| {
            let mut pins = PinSource::lines(Cursor::new(format!("{PASSPHRASE}\n")));
            let plan = Plan { name: "vendor", root_key: None, issuing_key: None };
            init(home, &plan, &mut pins, NOW).unwrap();
        })
    }

    /// Makes a desk with a home that `initialize` makes, and sells what requests ask for.
    pub fn with_home(initialize: impl FnOnce(&Home)) -> Self {
        let desk = Self { folder: Folder::new() };
        initialize(&desk.home());
        sell(&mut Repository::open(&desk.home()).unwrap());
        desk.write("pump.creq", &request("pump", ENTITLEMENT));
        desk
    }

    /// Lays out every document that cases hand in, and has one license issued and one interrupted.
    pub fn laid_out() -> Self {
        let desk = Self::new();
        let request_bytes = fs::read(desk.file("pump.creq")).unwrap();
        desk.write("second.creq", &request("pump", ENTITLEMENT));
        desk.write("spent.creq", &request("pump", SPENT));
        desk.write("valve.creq", &request("valve", ENTITLEMENT));
        let mut damaged = request_bytes.clone();
        *damaged.last_mut().unwrap() ^= 1;
        desk.write("damaged.creq", &damaged);
        desk.write("cut.creq", &request_bytes[..request_bytes.len() / 2]);
        desk.write("request.txt", armor::encode(Kind::Request, &request_bytes).unwrap().as_bytes());
        desk.write("garbage.creq", &[0xfe, 0xed, 0xfa, 0xce].repeat(64));
        desk.write("empty.creq", b"");
        desk.write("rows.jsonl", b"{\"entitlement\":\"ent_040G2081040G2\",\"request\":\"pump.creq\"}\n");
        desk.write("taken.clic", b"what is here stays here\n");
        desk.write("taken.png", b"so does this\n");
        desk.pictures(&request_bytes);
        desk.documents();
        desk
    }

    fn pictures(&self, request: &[u8]) {
        let sharp = picture::encode(Kind::Request, request).unwrap()[0].draw(Format::Png);
        let loaded = image::load_from_memory(&sharp).unwrap().into_luma8();
        self.write("request.png", &sharp);
        // One module is 8 pixels: what is drawn over its neighbours by more than that is lost.
        imageops::blur(&loaded, 10.0).save(self.file("blurred.png")).unwrap();
        let wall = GrayImage::from_fn(640, 480, |x, y| Luma([u8::try_from((x + y) % 200 + 40).unwrap()]));
        wall.save(self.file("wall.png")).unwrap();
    }

    /// Issues the one license of an entitlement, begins another, and publishes what sites trust.
    fn documents(&self) {
        let mut repository = Repository::open(&self.home()).unwrap();
        let asked = request("pump", SPENT);
        let mut pins = PinSource::lines(Cursor::new(format!("{PASSPHRASE}\n")));
        let prepared = issue::prepare(&repository, SPENT, Some(&asked), NOW).unwrap();
        let (file, qr, text) = (self.file("old.clic"), self.file("old.png"), self.file("old.txt"));
        let targets = Targets { file: &file, qr: Some(&qr), armor: Some(&text) };
        let reserved = reserve(&targets, prepared.document_len()).unwrap();
        let license = prepared.sign(&mut repository, Some(&asked), &mut pins, NOW).unwrap();
        reserved.write(Kind::License, &license).unwrap();
        self.write("answered.creq", &asked);
        let mut forged = license;
        *forged.last_mut().unwrap() ^= 1;
        self.write("forged.clic", &forged);

        let (bundle, _) = trust::bundle(&repository).unwrap();
        self.write("vendor.ctrust", &bundle);
        for member in Bundle::decode(&bundle).unwrap().members() {
            let typ = Envelope::decode(member).unwrap().header.typ;
            let name = if typ == Kind::Root.typ() { "root.bin" } else { "key-record.bin" };
            self.write(name, member);
        }
        let keys = repository.keys().unwrap();
        let issuer = keys.iter().find(|key| key.role == Role::Issuer).unwrap().public_key.thumbprint();
        homes::interrupt_by(&mut repository, issuer, INTERRUPTED);
    }

    pub fn home(&self) -> Home {
        self.folder.home()
    }

    /// Returns the path of a file on the desk.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Lays out the request of a device that has no license, and returns the entitlement that it asks under.
    pub fn request_as(&self, name: &str) -> EntitlementId {
        self.write(name, &request("pump", ENTITLEMENT));
        ENTITLEMENT
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).unwrap();
    }

    /// Every file, those of the home included, with mode and hash.
    pub fn content(&self) -> Vec<(PathBuf, u32, String)> {
        content(self.path())
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the cases of a folder of `cmd/` here.
    pub fn run(&self, group: &str, environment: &[(&str, &Path)]) {
        crate::run_with(&format!("{group}/*"), &self.home(), |cases| {
            cases.default_bin_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/at-desk.sh"));
            cases.env("CHANCERY_TEST_DESK", self.path().to_str().unwrap());
            cases.env("CHANCERY_TEST_PROGRAM", env!("CARGO_BIN_EXE_chancery"));
            for (name, value) in environment {
                cases.env(*name, value.to_str().unwrap());
            }
        });
    }
}

fn sell(repository: &mut Repository) {
    let text = include_str!("pump.toml");
    repository.apply_catalog(&catalog::read(text).unwrap(), text, NOW).unwrap();
    let customer = Customer { id: "acme".to_owned(), name: "Müller & Søn".to_owned(), added_at: NOW };
    repository.add_customer(&customer).unwrap();
    for (id, quantity) in [(ENTITLEMENT, 2), (SPENT, 1), (INTERRUPTED, 1)] {
        homes::grant(repository, id, quantity, None);
    }
}

/// What a device with a new key asks for.
fn request(product: &str, entitlement: EntitlementId) -> Vec<u8> {
    let key = Key::from_software(SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap()).unwrap();
    let draft = Draft {
        product,
        entitlement,
        device_key: key.public_key(),
        nonce: [9; 16],
        site_clock: NOW,
        components: &[],
        root_version: 0,
        revocation_list: 0,
    };
    let unsigned = draft.prepare().unwrap();
    unsigned.sign(&key.sign(&unsigned.sig_structure()).unwrap())
}
