//! The vectors: inputs with one fault each, and the code that a verifier answers.
//!
//! `tests/vectors/` holds them as JSON for implementers in any language. `cargo run -p chancery-tests --bin
//! vectors` writes those files; a test makes them anew and compares. `tests/vectors/README.md` tells the
//! format.

use std::path::PathBuf;

use chancery_verifier::{Pin, Refusal, Trust, verify_license, verify_request};
use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::hex;

mod algorithms;
mod claims;
mod envelope;
mod key_record;
mod license;
mod request;
mod seal;
mod trust;
mod weak;
mod world;

pub use world::World;

/// What an input claims to be, and so which function judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A license, judged under the bundle that the case names.
    License,
    /// An activation request.
    Request,
    /// A trust bundle, loaded under the pin where the case has one.
    Trust,
}

/// One vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is special about it, unique within its file.
    pub name: String,
    /// What it claims to be.
    pub kind: Kind,
    /// A license's trust bundle: a name in `bundles.json`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bundle: Option<String>,
    /// A trust bundle's pinned authority, in hexadecimal; absent on first use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pin: Option<String>,
    /// The input, in hexadecimal.
    pub input: String,
    /// Length up to which zeros follow the input.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub padded_to: Option<usize>,
    /// `ok`, or the code of the refusal.
    pub expect: String,
}

impl Case {
    /// Judges the input as a verifier would: `ok`, or the code of the refusal.
    #[must_use]
    pub fn judge(&self, bundles: &[NamedBundle]) -> &'static str {
        let mut input = hex::decode(&self.input);
        input.resize(self.padded_to.unwrap_or(input.len()), 0);
        let judged = match self.kind {
            Kind::License => {
                let name = self.bundle.as_deref().expect("a license has a bundle");
                let named = bundles.iter().find(|named| named.name == name).expect("a bundle of that name");
                verify_license(&input, &named.trust()).map(drop)
            }
            Kind::Request => verify_request(&input).map(drop),
            Kind::Trust => {
                let pin = self.pin.as_ref().map(|pin| Pin::Authority(pin.parse().expect("an authority id")));
                Trust::load(&input, pin.unwrap_or(Pin::FirstUse)).map(drop)
            }
        };
        judged.map_or_else(|refusal: Refusal| refusal.code(), |()| "ok")
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
            padded_to: None,
            expect: expect.into(),
        });
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
        claims::suite(&world),
        envelope::suite(&world),
        key_record::suite(&world),
        license::suite(&world),
        request::suite(),
        seal::suite(&world),
        trust::suite(&world),
    ]
}

/// Makes the bundles that licenses are judged under.
#[must_use]
pub fn bundles() -> Vec<NamedBundle> {
    let world = World::new();
    vec![NamedBundle::of("main", &world.main), NamedBundle::of("rotated", &world.rotated)]
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
