//! A vendor in memory and a site in a folder, for the journeys of `site.rs`.
//!
//! The vendor has one custodian and one issuing key, both Ed25519 in software. Not here: the seals of
//! batches, hardware keys and malformed documents, which the verifier's own vectors cover.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, EntitlementId, LicenseId};
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::license::{Device, Enforcement, Feature, Features, License, Terms};
use chancery_formats::seal::{Role, Seal, Signer, Statement};
use chancery_formats::trust::Custodians;
use chancery_formats::trust::{Bundle, KeyMode, KeyRecord, Root, Scope};
use chancery_verifier::verify_request;
use ed25519_dalek::{Signer as _, SigningKey};

pub const ISSUED_AT: u64 = 1_700_000_000;
/// 2099-06-30 23:59:59 UTC.
pub const END: u64 = 4_086_547_199;

pub struct Vendor {
    pub id: AuthorityId,
    custodian: SigningKey,
    issuing_key: SigningKey,
    roots: Vec<Vec<u8>>,
    pub bundle: Vec<u8>,
}

impl Vendor {
    /// Makes a vendor whose keys follow from `seed`.
    pub fn new(seed: u8) -> Self {
        Self::with_roots(seed, 1)
    }

    /// Makes a vendor that has renewed its root up to version `versions`.
    pub fn with_roots(seed: u8, versions: u32) -> Self {
        Self::with_roots_made_at(seed, versions, ISSUED_AT)
    }

    /// The same, with the later versions made at a time.
    pub fn with_roots_made_at(seed: u8, versions: u32, made_at: u64) -> Self {
        let custodian = SigningKey::from_bytes(&[seed; 32]);
        let custodians = Custodians::encode(&[public(&custodian)]);
        let mut roots: Vec<Vec<u8>> = Vec::new();
        for version in 1..=versions {
            let root = Root {
                name: "Example Vendor",
                version,
                previous: roots.last().map(|root| Root::authority_id(root).0),
                quorum: chancery_formats::trust::Quorum {
                    threshold: 1,
                    custodians: Custodians::decode(&custodians).unwrap(),
                    partners: None,
                },
                // Later versions can be made anew with another time, as somebody does who forks a chain.
                made_at: if version == 1 { ISSUED_AT } else { made_at },
                recovery: None,
                revealed: None,
                manifests: false,
            };
            roots.push(root.encode());
        }
        let (id, issuing_key) = (Root::authority_id(&roots[0]), SigningKey::from_bytes(&[!seed; 32]));
        let mut vendor = Self { id, custodian, issuing_key, roots, bundle: Vec::new() };
        vendor.bundle = vendor.publish();
        vendor
    }

    /// The same authority with another issuing key, in a bundle that lacks the first.
    pub fn with_issuing_key(&self, seed: u8) -> Self {
        let (custodian, issuing_key) = (self.custodian.clone(), SigningKey::from_bytes(&[seed; 32]));
        let mut vendor =
            Self { id: self.id, custodian, issuing_key, roots: self.roots.clone(), bundle: Vec::new() };
        vendor.bundle = vendor.publish();
        vendor
    }

    /// The newest root version.
    pub fn root_version(&self) -> u32 {
        self.roots.len() as u32
    }

    /// The public half of the issuing key.
    pub fn issuer(&self) -> PublicKey {
        public(&self.issuing_key)
    }

    fn publish(&self) -> Vec<u8> {
        self.publish_with(&[])
    }

    /// The bundle with records of further keys.
    pub fn publish_with(&self, keys: &[(Role, &SigningKey)]) -> Vec<u8> {
        Bundle::encode(&self.members(keys, None))
    }

    /// Roots and key records; all but issuing keys end at `until`.
    pub fn members(&self, keys: &[(Role, &SigningKey)], until: Option<u64>) -> Vec<Vec<u8>> {
        let record = |role, key| KeyRecord {
            authority: self.id,
            role,
            key: public(key),
            mode: if role == Role::Issuer { KeyMode::Direct } else { KeyMode::Seal },
            co_signers: Vec::new(),
            typs: match role {
                Role::Log => vec![Kind::Manifest.typ()],
                Role::Revoker => vec![Kind::RevocationList.typ()],
                _ => vec![Kind::License.typ()],
            },
            scope: Scope::default(),
            not_before: ISSUED_AT,
            not_after: until.filter(|_| role != Role::Issuer),
            protection: Protection::Software,
            attestation: None,
            partner: None,
        };
        let roots = self.roots.iter().zip(1..);
        let mut members: Vec<_> =
            roots.map(|(root, version)| self.seal(version, Kind::Root, root.clone())).collect();
        let version = members.len() as u32;
        for (role, key) in [(Role::Issuer, &self.issuing_key)].into_iter().chain(keys.iter().copied()) {
            members.push(self.seal(version, Kind::KeyRecord, record(role, key).encode()));
        }
        members
    }

    /// Seals a document as a batch of one, by the custodian.
    pub fn seal(&self, root_version: u32, kind: Kind, payload: Vec<u8>) -> Vec<u8> {
        self.seal_by(Role::Custodian, &self.custodian, root_version, kind, payload)
    }

    /// Seals a document as a batch of one.
    pub fn seal_by(
        &self,
        role: Role,
        key: &SigningKey,
        root_version: u32,
        kind: Kind,
        payload: Vec<u8>,
    ) -> Vec<u8> {
        let thumbprint = public(key).thumbprint();
        let header = Header { mode: Mode::Seal, kid: thumbprint.key_id(), typ: kind.typ() };
        let unsigned = Unsigned::new(&header, payload);
        let signer = Signer { role, thumbprint, algorithm: Algorithm::Ed25519 };
        let statement = Statement {
            authority: self.id,
            root_version,
            leaf_typ: kind.typ(),
            size: 1,
            root: unsigned.leaf_hash(),
            first_index: None,
            time: ISSUED_AT,
            signers: &[signer],
        };
        let signature = key.sign(&statement.to_sign(&signer).sig_structure()).to_bytes().to_vec();
        unsigned.sign(&Seal::encode(&statement, 0, &[], &[signature]))
    }

    /// Signs a license.
    pub fn sign(&self, license: &License<'_>) -> Vec<u8> {
        let kid = public(&self.issuing_key).key_id();
        let header = Header { mode: Mode::Direct(Algorithm::Ed25519), kid, typ: Kind::License.typ() };
        let unsigned = Unsigned::new(&header, license.encode());
        unsigned.sign(&self.issuing_key.sign(&unsigned.sig_structure()).to_bytes())
    }

    /// Answers a request with a license of `logging` and 16 `channels` until [`END`], changed by `change`.
    pub fn answer(&self, request: &[u8], change: impl FnOnce(&mut License<'_>)) -> Vec<u8> {
        let verified = verify_request(request).unwrap();
        let request = verified.request();
        let features = Features::encode(&[("logging", Feature::On), ("channels", Feature::Limit(16))]);
        let mut license = bare(request.product, request.entitlement, Features::decode(&features).unwrap());
        license.device_key = Some(verified.device());
        license.terms.device =
            request.components.map(|components| Device { k: 1, salt: request.salt(), components });
        change(&mut license);
        self.sign(&license)
    }
}

/// A license that is bound to nothing.
pub fn bare<'a>(product: &'a str, entitlement: EntitlementId, features: Features<'a>) -> License<'a> {
    License {
        issuer: "Example Vendor",
        subject: "acme/north",
        product,
        not_after: Some(END),
        not_before: None,
        issued_at: ISSUED_AT,
        id: LicenseId([9; 16]),
        device_key: None,
        terms: Terms {
            entitlement,
            edition: "standard",
            revision: 1,
            features,
            versions: None,
            seats: None,
            device: None,
            territory: None,
            support: None,
            enforcement: Enforcement::default(),
            distribution: None,
            least_revocation_list: None,
            bindings: None,
            users: None,
        },
    }
}

pub fn public(key: &SigningKey) -> PublicKey {
    PublicKey::Ed25519(key.verifying_key().to_bytes())
}

/// A folder of its own, in which the program runs.
pub struct Site {
    pub folder: PathBuf,
}

impl Site {
    pub fn new(name: &str) -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("site-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// The program with arguments separated by spaces; its state is the folder `state`.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery-site"));
        command.current_dir(&self.folder).args(args.split_whitespace());
        command.env("CHANCERY_SITE", "state").env("TZ", "UTC");
        command
    }

    /// Runs the program and returns exit code, stdout and stderr.
    pub fn run(&self, args: &str) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// Runs the program, which must succeed, and returns stdout.
    pub fn ok(&self, args: &str) -> String {
        let (code, stdout, stderr) = self.run(args);
        assert_eq!(code, 0, "{args}: {stderr}");
        stdout
    }

    /// Runs the program, which must fail so.
    #[track_caller]
    pub fn fails(&self, args: &str, exit: i32, expected: &str) {
        let (code, stdout, stderr) = self.run(args);
        assert_eq!((code, stderr.as_str(), stdout.as_str()), (exit, expected, ""), "{args}");
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.folder.join(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
