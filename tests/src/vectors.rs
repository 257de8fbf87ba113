//! The vectors: inputs with one fault each, and the code that a verifier answers.
//!
//! `tests/vectors/` holds them as JSON for implementers in any language. `cargo run -p chancery-tests --bin
//! vectors` writes those files; a test makes them anew and compares. `tests/vectors/README.md` tells the
//! format.

use std::path::PathBuf;

use chancery_formats::approval::ApprovalRequest;
use chancery_formats::key::PublicKey;
use chancery_formats::seal::Role;
use chancery_verifier::approval as approval_of;
use chancery_verifier::{
    ApprovalRefusal, Demands, Inclusion, LogKeys, LogRefusal, Minima, Pin, Refusal, Trust, verify_approval,
    verify_checkpoint, verify_inclusion, verify_license_in_log, verify_request,
};
use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::hex;

mod algorithms;
mod approval;
mod ceremony;
mod claims;
mod closing;
mod demands;
mod envelope;
mod exchange;
mod hybrid;
mod key_record;
mod license;
mod log;
mod manifest;
mod minima;
mod recovery;
mod request;
mod revocation;
mod seal;
mod trust;
mod weak;
mod witness;

pub use revocation::{revoking, with_list};
mod world;

pub use world::World;

/// What an input claims to be, and so which function judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An approval, judged by the key, the request and the time of the case.
    Approval,
    /// A checkpoint of the log, judged by the log keys of the bundle that the case names.
    Checkpoint,
    /// A checkpoint and an older one, with the proof that the log went on.
    Consistency,
    /// A ceremony exchange, decoded.
    Exchange,
    /// A license, judged under the bundle that the case names.
    License,
    /// A proof of possession, decoded.
    Possession,
    /// A proof that the leaf of the case is in the log, with its checkpoint.
    Proof,
    /// An activation request.
    Request,
    /// The transcript of a ceremony, judged under the bundle that the case names.
    Transcript,
    /// A trust bundle, loaded under the pin where the case has one.
    Trust,
    /// A witness exchange, either way.
    Witness,
}

/// One vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is special about it, unique within its file.
    pub name: String,
    /// What it claims to be.
    pub kind: Kind,
    /// The trust bundle of a license or a log: a name in `bundles.json`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bundle: Option<String>,
    /// A trust bundle's pinned authority, in hexadecimal; absent on first use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pin: Option<String>,
    /// The input, in hexadecimal.
    pub input: String,
    /// The leaf hash of the document that a proof is for, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub leaf: Option<String>,
    /// The older checkpoint that the input goes on from, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub older: Option<String>,
    /// The hashes that show it, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hashes: Option<String>,
    /// Length up to which zeros follow the input.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub padded_to: Option<usize>,
    /// A trust bundle's minima: what a site remembers, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub minima: Option<String>,
    /// What a product demands of the keys of a license: `hardware`, `witness`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub demands: Vec<Demand>,
    /// The key of an approval, as COSE_Key in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// The request that an approval is to answer, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<String>,
    /// When an approval comes in, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<u64>,
    /// What shows that a license is in the log.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub inclusion: Option<Proof>,
    /// `ok`, or the code of the refusal.
    pub expect: String,
}

/// What a product demands of keys beyond what the authority's records say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// Every key that signs a license lives in a device.
    Hardware,
    /// A witness has signed every license.
    Witness,
}

/// An inclusion proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Index of the document in the log.
    pub index: u64,
    /// Number of leaves of the tree that the path leads into.
    pub size: u64,
    /// Hashes of 32 bytes, lowest first, in hexadecimal.
    pub path: String,
}

impl Case {
    /// Judges the input as a verifier would: `ok`, or the code of the refusal.
    #[must_use]
    pub fn judge(&self, bundles: &[NamedBundle]) -> &'static str {
        let mut input = hex::decode(&self.input);
        input.resize(self.padded_to.unwrap_or(input.len()), 0);
        let named = || {
            let name = self.bundle.as_deref().expect("a bundle");
            bundles.iter().find(|named| named.name == name).expect("a bundle of that name")
        };
        let judged = match self.kind {
            Kind::Approval => {
                return self.judge_approval(&input).map_or_else(|refusal| refusal.code(), |()| "ok");
            }
            Kind::Checkpoint | Kind::Consistency | Kind::Proof => {
                return self.judge_log(&input, named()).map_or_else(|refusal| refusal.code(), |()| "ok");
            }
            Kind::License => {
                let trust = named().trust().demanding(Demands {
                    hardware: self.demands.contains(&Demand::Hardware),
                    witness: self.demands.contains(&Demand::Witness),
                });
                let proof = self.inclusion.as_ref().map(|proof| (proof, hex::decode(&proof.path)));
                let inclusion = proof.as_ref().map(|(Proof { index, size, .. }, path)| Inclusion {
                    index: *index,
                    size: *size,
                    path,
                });
                verify_license_in_log(&input, &trust, inclusion.as_ref()).map(drop)
            }
            Kind::Exchange => {
                chancery_formats::trust::Exchange::decode(&input).map(drop).map_err(Refusal::from)
            }
            Kind::Possession => {
                chancery_formats::trust::Possession::decode(&input).map(drop).map_err(Refusal::from)
            }
            Kind::Request => verify_request(&input).map(drop),
            Kind::Transcript => named().trust().verify_transcript(&input).map(drop),
            Kind::Witness => {
                chancery_formats::witness::Exchange::decode(&input).map(drop).map_err(Refusal::from)
            }
            Kind::Trust => {
                let pin = self.pin.as_ref().map(|pin| Pin::Authority(pin.parse().expect("an authority id")));
                Trust::load(&input, pin.unwrap_or(Pin::FirstUse)).and_then(|trust| {
                    let Some(known) = &self.minima else { return Ok(()) };
                    trust.check_minima(&Minima::decode(&hex::decode(known))?)
                })
            }
        };
        judged.map_or_else(|refusal: Refusal| refusal.code(), |()| "ok")
    }

    fn judge_approval(&self, input: &[u8]) -> Result<(), ApprovalRefusal> {
        let field = |field: &Option<String>| field.as_deref().map(hex::decode).expect("a field of that kind");
        let key = PublicKey::decode(&field(&self.key)).expect("a key");
        let request = field(&self.request);
        let request = ApprovalRequest::decode(&request).expect("a request");
        let asked = approval_of::Asked::of(&request);
        verify_approval(input, &key)?.require_answer(&asked, self.at.expect("a time"))
    }

    fn judge_log(&self, input: &[u8], named: &NamedBundle) -> Result<(), LogRefusal> {
        let trust = named.trust();
        let keys = |role| trust.keys_of(role).cloned().collect::<Vec<_>>();
        let (log, witnesses) = (keys(Role::Log), keys(Role::Witness));
        let keys = LogKeys { log: &log, witnesses: &witnesses };
        let field = |field: &Option<String>| field.as_deref().map(hex::decode).expect("a field of that kind");
        let verified = match self.kind {
            Kind::Proof => {
                let leaf = field(&self.leaf).try_into().expect("a hash");
                verify_inclusion(input, leaf, trust.authority(), &keys)?.1
            }
            _ => verify_checkpoint(input, trust.authority(), &keys)?,
        };
        if self.kind == Kind::Consistency {
            let older = verify_checkpoint(&field(&self.older), trust.authority(), &keys)?;
            verified.extends(&older, &field(&self.hashes))?;
        }
        Ok(())
    }
}

/// A trust bundle that cases name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedBundle {
    /// Its name.
    pub name: String,
    /// Its authority, in hexadecimal.
    pub authority: String,
    /// Its bytes, in hexadecimal.
    pub bundle: String,
}

impl NamedBundle {
    fn of(name: &str, authority: &Authority) -> Self {
        let bundle = hex::encode(&authority.bundle());
        Self { name: name.into(), authority: authority.id.to_string(), bundle }
    }

    /// Returns what a site trusts that has loaded it.
    #[must_use]
    pub fn trust(&self) -> Trust {
        let pin = Pin::Authority(self.authority.parse().expect("an authority id"));
        Trust::load(&hex::decode(&self.bundle), pin).expect("a good bundle")
    }
}

/// The cases of one file.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The file's name, without its ending.
    pub name: &'static str,
    /// The cases.
    pub cases: Vec<Case>,
}

impl Suite {
    const fn new(name: &'static str) -> Self {
        Self { name, cases: Vec::new() }
    }

    /// Adds a license judged under the bundle `main`.
    fn license(&mut self, name: impl Into<String>, input: &[u8], expect: &str) {
        self.license_under("main", name, input, expect);
    }

    fn license_under(&mut self, bundle: &str, name: impl Into<String>, input: &[u8], expect: &str) {
        self.add(Kind::License, Some(bundle), name.into(), input, expect);
    }

    fn request(&mut self, name: impl Into<String>, input: &[u8], expect: &str) {
        self.add(Kind::Request, None, name.into(), input, expect);
    }

    fn witness(&mut self, name: impl Into<String>, input: &[u8], expect: &str) {
        self.add(Kind::Witness, None, name.into(), input, expect);
    }

    fn possession(&mut self, name: impl Into<String>, input: &[u8], expect: &str) {
        self.add(Kind::Possession, None, name.into(), input, expect);
    }

    fn transcript(&mut self, name: &str, input: &[u8], expect: &str) {
        self.transcript_under("ceremony", name, input, expect);
    }

    fn transcript_under(&mut self, bundle: &str, name: &str, input: &[u8], expect: &str) {
        self.add(Kind::Transcript, Some(bundle), name.into(), input, expect);
    }

    fn exchange(&mut self, name: impl Into<String>, input: &[u8], expect: &str) {
        self.add(Kind::Exchange, None, name.into(), input, expect);
    }

    fn trust(&mut self, name: impl Into<String>, input: &[u8], expect: &str) {
        self.add(Kind::Trust, None, name.into(), input, expect);
    }

    fn add(&mut self, kind: Kind, bundle: Option<&str>, name: String, input: &[u8], expect: &str) {
        self.cases.push(Case {
            name,
            kind,
            bundle: bundle.map(String::from),
            pin: None,
            input: hex::encode(input),
            leaf: None,
            older: None,
            hashes: None,
            padded_to: None,
            minima: None,
            demands: Vec::new(),
            key: None,
            request: None,
            at: None,
            inclusion: None,
            expect: expect.into(),
        });
    }

    /// Adds an approval that is to be signed by `key`, to answer `request` and to come in at `at`.
    fn approval(&mut self, name: &str, input: &[u8], key: &PublicKey, request: &[u8], at: u64, expect: &str) {
        self.add(Kind::Approval, None, name.into(), input, expect);
        let case = self.cases.last_mut().expect("a case");
        case.key = Some(hex::encode(&key.encode()));
        case.request = Some(hex::encode(request));
        case.at = Some(at);
    }

    /// Lets the site of the last case remember something.
    fn remembering(&mut self, minima: &[u8]) {
        self.cases.last_mut().expect("a case").minima = Some(hex::encode(minima));
    }

    /// Lets the product of the last case demand something.
    fn demanding(&mut self, demands: &[Demand]) {
        self.cases.last_mut().expect("a case").demands = demands.to_vec();
    }

    /// Puts an inclusion proof beside the license of the last case.
    fn included(&mut self, index: u64, size: u64, path: &[u8]) {
        let path = hex::encode(path);
        self.cases.last_mut().expect("a case").inclusion = Some(Proof { index, size, path });
    }

    /// Pads the input of the last case with zeros.
    fn padded_to(&mut self, length: usize) {
        self.cases.last_mut().expect("a case").padded_to = Some(length);
    }

    /// Pins an authority in the last case.
    fn pinned(&mut self, authority: &Authority) {
        self.cases.last_mut().expect("a case").pin = Some(authority.id.to_string());
    }
}

/// Makes every suite, in order of name.
#[must_use]
pub fn suites() -> Vec<Suite> {
    let world = World::new();
    vec![
        algorithms::suite(&world),
        approval::suite(),
        ceremony::suite(),
        claims::suite(&world),
        closing::suite(&world),
        demands::suite(&world),
        envelope::suite(&world),
        exchange::suite(),
        hybrid::suite(),
        key_record::suite(&world),
        license::suite(&world),
        log::suite(&world),
        manifest::suite(),
        minima::suite(),
        recovery::suite(),
        request::suite(),
        revocation::suite(&world),
        seal::suite(&world),
        trust::suite(&world),
        witness::suite(),
    ]
}

/// Makes the bundles that licenses are judged under.
#[must_use]
pub fn bundles() -> Vec<NamedBundle> {
    let world = World::new();
    let mut bundles = vec![NamedBundle::of("main", &world.main), NamedBundle::of("rotated", &world.rotated)];
    bundles.extend(ceremony::bundles());
    bundles.extend(closing::bundles(&world));
    bundles.extend(demands::bundles(&world));
    bundles.extend(hybrid::bundles());
    bundles.extend(revocation::bundles(&world));
    bundles
}

/// Returns the folder of the files.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Renders every file: its name and text.
#[must_use]
pub fn files() -> Vec<(String, String)> {
    let mut files = vec![("bundles.json".to_owned(), render(&bundles()))];
    files.extend(suites().iter().map(|suite| (format!("{}.json", suite.name), render(&suite.cases))));
    files
}

fn render(list: &impl Serialize) -> String {
    serde_json::to_string_pretty(list).expect("plain data") + "\n"
}
