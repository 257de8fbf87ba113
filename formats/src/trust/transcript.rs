//! The transcript of a ceremony: who was there, what was done step by step, and the hashes of what came of it.
//!
//! ```text
//! 1 schema · 2 authority id · 3 hash of the plan · 4 operator · 5 [observer, …] · 6 [step, …]
//! step: [name, time, confirmed, [[what, text / hash], …]]
//! ```
//!
//! Steps are chained, so that observers can write one short value on paper after each: link 0 is the hash of the
//! plan; link n is SHA-256(link n-1 ‖ SHA-256(step n)). Sealed by the log key. Not here: verifying it
//! (`chancery-verifier`), and which steps a ceremony has.
//!
//! Spec: `docs/spec/transcript.md`.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::cbor::{MapWriter, Reader, Writer, scan};
use crate::error::{DecodeError, Fault};
use crate::id::{AuthorityId, is_label, is_name};
use crate::license::{text, time};
use crate::merkle::Hash;

const SCHEMA: u64 = 1;

/// Most observers.
pub const MAX_OBSERVERS: usize = 32;

/// Most steps.
pub const MAX_STEPS: usize = 64;

/// Most facts of a step.
pub const MAX_FACTS: usize = 128;

/// The payload of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript<'a> {
    /// Key 2: the authority.
    pub authority: AuthorityId,
    /// Key 3: SHA-256 of the plan file.
    pub plan: Hash,
    /// Key 4: who ran the ceremony.
    pub operator: &'a str,
    /// Key 5: who watched, in the order of the plan.
    pub observers: Vec<&'a str>,
    /// Key 6: what was done, in its order; at least one.
    pub steps: Vec<Step<'a>>,
}

/// What was done in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Its name: a word with dashes.
    pub name: &'a str,
    /// When it was done, in Unix seconds, by the clock of the machine.
    pub time: u64,
    /// Whether somebody confirmed it at the machine; without that, it ran unattended.
    pub confirmed: bool,
    /// What is to be known of it.
    pub facts: Vec<Fact<'a>>,
}

/// One thing that is to be known of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// What it is.
    pub what: &'a str,
    /// Its value.
    pub value: Value<'a>,
}

/// The value of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A label.
    Text(&'a str),
    /// SHA-256 of a file or a document, or the thumbprint of a key.
    Hash(Hash),
}

impl<'a> Transcript<'a> {
    /// Decodes the payload of a transcript.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`, `wrong-length`,
    /// `out-of-range`, `text-forbidden`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(payload, "transcript")?;
        let entries = reader.map("transcript")?;
        let (mut schema, mut authority, mut plan, mut operator) = (None, None, None, None);
        let (mut observers, mut steps) = (Vec::new(), None);
        for _ in 0..entries {
            let at = reader;
            match reader.int("transcript")? {
                1 if reader.uint("transcript.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "transcript.schema")),
                2 => authority = Some(AuthorityId(reader.array_of("transcript.authority")?)),
                3 => plan = Some(reader.array_of("transcript.plan")?),
                4 => operator = Some(text(&mut reader, "transcript.operator", is_label)?),
                5 => {
                    let read = |reader: &mut Reader<'a>| text(reader, "transcript.observers", is_label);
                    observers = list(&mut reader, "transcript.observers", MAX_OBSERVERS, read)?;
                }
                6 => steps = Some(list(&mut reader, "transcript.steps", MAX_STEPS, Step::read)?),
                _ => return Err(at.fault(Fault::UnknownField, "transcript")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("transcript.schema"))?;
        Ok(Self {
            authority: authority.ok_or(missing("transcript.authority"))?,
            plan: plan.ok_or(missing("transcript.plan"))?,
            operator: operator.ok_or(missing("transcript.operator"))?,
            observers,
            steps: steps.ok_or(missing("transcript.steps"))?,
        })
    }

    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.authority.0);
        map.entry(3).bytes(&self.plan);
        map.entry(4).text(self.operator);
        if !self.observers.is_empty() {
            let writer = map.entry(5).array(self.observers.len());
            self.observers.iter().fold(writer, |writer, observer| writer.text(observer));
        }
        let writer = map.entry(6).array(self.steps.len());
        self.steps.iter().for_each(|step| step.write(writer));
        map.finish()
    }

    /// Returns the links of the chain, one a step: what observers write down after it.
    #[must_use]
    pub fn links(&self) -> Vec<Hash> {
        let next = |link: &mut Hash, step: &Step<'_>| {
            *link = step.link(link);
            Some(*link)
        };
        self.steps.iter().scan(self.plan, next).collect()
    }
}

impl<'a> Step<'a> {
    /// Decodes one step, as [`Step::encode`] writes it.
    ///
    /// # Errors
    ///
    /// As [`Transcript::decode`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(&mut scan(bytes, "transcript.step")?)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.array("transcript.step")? != 4 {
            return Err(start.fault(Fault::WrongLength, "transcript.step"));
        }
        Ok(Self {
            name: text(reader, "transcript.step.name", is_name)?,
            time: time(reader, "transcript.step.time")?,
            confirmed: reader.bool("transcript.step.confirmed")?,
            facts: list(reader, "transcript.step.facts", MAX_FACTS, Fact::read)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(4).text(self.name).uint(self.time).bool(self.confirmed).array(self.facts.len());
        for fact in &self.facts {
            writer.array(2).text(fact.what);
            match &fact.value {
                Value::Text(value) => writer.text(value),
                Value::Hash(hash) => writer.bytes(hash),
            };
        }
    }

    /// Encodes the step alone, as it stands in a transcript.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Returns the link after this step: SHA-256(link before ‖ SHA-256(step)).
    #[must_use]
    pub fn link(&self, before: &Hash) -> Hash {
        Sha256::new().chain_update(before).chain_update(Sha256::digest(self.encode())).finalize().into()
    }
}

impl<'a> Fact<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.array("transcript.fact")? != 2 {
            return Err(start.fault(Fault::WrongLength, "transcript.fact"));
        }
        let what = text(reader, "transcript.fact.what", is_label)?;
        let mut ahead = *reader;
        let value = match ahead.bytes("transcript.fact.value") {
            Ok(_) => Value::Hash(reader.array_of("transcript.fact.value")?),
            Err(_) => Value::Text(text(reader, "transcript.fact.value", is_label)?),
        };
        Ok(Self { what, value })
    }
}

/// Reads an array of 1 to `most` items.
fn list<'a, T>(
    reader: &mut Reader<'a>,
    field: &'static str,
    most: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let start = *reader;
    let count = usize::try_from(reader.array(field)?).ok().filter(|count| (1..=most).contains(count));
    let count = count.ok_or(start.fault(Fault::OutOfRange, field))?;
    (0..count).map(|_| read(reader)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::vec;

    fn transcript<'a>() -> Transcript<'a> {
        let fact = |what, value| Fact { what, value };
        let step = |name, time, facts| Step { name, time, confirmed: true, facts };
        Transcript {
            authority: AuthorityId([1; 32]),
            plan: [2; 32],
            operator: "Dana Keller",
            observers: vec!["Robin Vogt"],
            steps: vec![
                step("machine", 1_700_000_000, vec![fact("program", Value::Hash([3; 32]))]),
                step("keys", 1_700_000_060, vec![fact("Alice Arnold", Value::Text("in the room"))]),
            ],
        }
    }

    fn code(transcript: &Transcript<'_>) -> &'static str {
        Transcript::decode(&transcript.encode()).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn transcripts_survive_encoding() {
        let alone = Transcript { observers: Vec::new(), ..transcript() };
        for transcript in [transcript(), alone] {
            assert_eq!(Transcript::decode(&transcript.encode()), Ok(transcript.clone()));
        }
        let step = &transcript().steps[1];
        assert_eq!(Step::decode(&step.encode()).unwrap(), *step);
    }

    #[test]
    fn links_tell_any_change_of_an_earlier_step() {
        let good = transcript().links();
        assert_eq!(good.len(), 2);
        let mut changed = transcript();
        changed.steps[0].time += 1;
        assert_ne!(changed.links()[0], good[0]);
        assert_ne!(changed.links()[1], good[1]);
        let mut swapped = transcript();
        swapped.steps.swap(0, 1);
        assert_ne!(swapped.links()[1], good[1]);
        assert_ne!(Transcript { plan: [9; 32], ..transcript() }.links()[1], good[1]);
    }

    #[test]
    fn other_transcripts_are_refused() {
        let step = |change: fn(&mut Step<'_>)| {
            let mut transcript = transcript();
            change(&mut transcript.steps[0]);
            code(&transcript)
        };
        assert_eq!(step(|step| step.name = "Machine"), "text-forbidden");
        assert_eq!(step(|step| step.time = u64::MAX), "out-of-range");
        assert_eq!(step(|step| step.facts.clear()), "out-of-range");
        assert_eq!(step(|step| step.facts[0].what = ""), "text-forbidden");
        assert_eq!(step(|step| step.facts[0].value = Value::Text("a\u{202e}b")), "text-forbidden");
        assert_eq!(step(|step| step.facts = vec![step.facts[0]; MAX_FACTS + 1]), "out-of-range");
        assert_eq!(code(&Transcript { steps: Vec::new(), ..transcript() }), "out-of-range");
        assert_eq!(code(&Transcript { operator: " a", ..transcript() }), "text-forbidden");
        let many = Transcript { observers: vec!["a"; MAX_OBSERVERS + 1], ..transcript() };
        assert_eq!(code(&many), "out-of-range");
        let mut writer = Writer::new();
        writer.array(4).text("machine").uint(1).uint(1).array(1);
        assert_eq!(Step::decode(&writer.finish()).unwrap_err().code(), "truncated");
        let mut writer = Writer::new();
        writer.array(4).text("machine").uint(1).uint(1).array(1).array(2).text("a").text("b");
        assert_eq!(Step::decode(&writer.finish()).unwrap_err().code(), "wrong-type");
        let mut writer = Writer::new();
        writer.array(4).text("machine").uint(1).bool(true).array(1).array(2).text("a").bytes(&[1; 31]);
        assert_eq!(Step::decode(&writer.finish()).unwrap_err().code(), "wrong-length");
        assert_eq!(Step::decode(&[0x80]).unwrap_err().code(), "wrong-length");
    }
}
