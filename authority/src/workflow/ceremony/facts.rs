//! What is to be known of a step: shown to people, and kept for the transcript.

use chancery_formats::id::{Thumbprint, is_hidden, is_label};
use chancery_formats::merkle::Hash;
use chancery_formats::trust::transcript::{Fact, Step, Value};

use crate::error::CommandError;

/// Longest text of a fact, in bytes.
const MAX_TEXT: usize = 128;

/// Facts in the order in which they are told.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<(String, Told)>);

#[derive(Debug)]
enum Told {
    Text(String),
    Hash(Hash),
}

/// What is kept of a step that is done.
pub(super) struct Kept {
    /// Unix seconds.
    pub time: u64,
}

impl Facts {
    /// Adds a text, in the form that a transcript holds.
    pub(super) fn text(&mut self, what: &str, value: impl AsRef<str>) {
        self.0.push((label(what), Told::Text(label(value.as_ref()))));
    }

    /// Adds a hash or a thumbprint.
    pub(super) fn hash(&mut self, what: &str, hash: Hash) {
        self.0.push((label(what), Told::Hash(hash)));
    }

    /// Returns what people are shown.
    pub(super) fn shown(&self) -> Vec<(String, String)> {
        let shown = |told: &Told| match told {
            Told::Text(text) => text.clone(),
            Told::Hash(hash) => grouped(hash),
        };
        self.0.iter().map(|(what, told)| (what.clone(), shown(told))).collect()
    }

    /// Encodes the step as the transcript will hold it.
    pub(super) fn encode(&self, name: &str, time: u64, confirmed: bool) -> Result<Vec<u8>, CommandError> {
        let fact = |(what, told): &'_ (String, Told)| -> (String, Option<String>, Hash) {
            match told {
                Told::Text(text) => (what.clone(), Some(text.clone()), Hash::default()),
                Told::Hash(hash) => (what.clone(), None, *hash),
            }
        };
        let owned: Vec<_> = self.0.iter().map(fact).collect();
        let facts = owned
            .iter()
            .map(|(what, text, hash)| Fact {
                what,
                value: text.as_deref().map_or(Value::Hash(*hash), Value::Text),
            })
            .collect();
        let bytes = Step { name, time, confirmed, facts }.encode();
        // What readers would refuse is not kept.
        Step::decode(&bytes)?;
        Ok(bytes)
    }
}

/// Reads a step that was kept, which must be the one of this name.
pub(super) fn decode(bytes: &[u8], name: &str) -> Result<Kept, CommandError> {
    match Step::decode(bytes) {
        Ok(step) if step.name == name => Ok(Kept { time: step.time }),
        _ => {
            Err(CommandError::alarm("ceremony-damaged", format!("what is kept of step `{name}` is damaged"))
                .hint("end this ceremony: remove the folder of the home in the making, and begin anew"))
        }
    }
}

/// Returns the link of the transcript's chain after the last of the steps.
pub(super) fn last_link(plan: &Hash, steps: &[Vec<u8>]) -> Result<Hash, CommandError> {
    let mut link = *plan;
    for bytes in steps {
        link = Step::decode(bytes)?.link(&link);
    }
    Ok(link)
}

/// Shows a hash in groups of four, to be read aloud and written down.
#[must_use]
pub fn grouped(hash: &Hash) -> String {
    let text = Thumbprint(*hash).to_string();
    let groups: Vec<_> = text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

/// Returns a text that is a label: nothing hidden, not too long, not empty.
fn label(text: &str) -> String {
    let clean: String = text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect();
    let mut clean = clean.trim().to_owned();
    if clean.len() > MAX_TEXT {
        let mut end = MAX_TEXT - '…'.len_utf8();
        while !clean.is_char_boundary(end) {
            end -= 1;
        }
        clean.truncate(end);
        clean = format!("{}…", clean.trim_end());
    }
    if is_label(&clean) { clean } else { "-".to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_text_becomes_a_label() {
        for text in ["", " ", "a\u{202e}b\n", &"é".repeat(100), &"a ".repeat(80), "plain"] {
            assert!(is_label(&label(text)), "{text:?}");
        }
        assert_eq!(label("plain"), "plain");
    }

    #[test]
    fn steps_are_kept_as_transcripts_hold_them() {
        let mut facts = Facts::default();
        facts.text("clock", "noon");
        facts.hash("program", [7; 32]);
        let bytes = facts.encode("machine", 5, true).unwrap();
        assert_eq!(decode(&bytes, "machine").unwrap().time, 5);
        assert_eq!(decode(&bytes, "devices").map(|_| ()).unwrap_err().code(), "ceremony-damaged");
        assert_eq!(Facts::default().encode("machine", 5, true).unwrap_err().code(), "out-of-range");
        assert!(facts.shown()[1].1.starts_with("0707 0707 "));
        let steps = [bytes];
        assert_eq!(last_link(&[1; 32], &steps).unwrap(), Step::decode(&steps[0]).unwrap().link(&[1; 32]));
    }
}
