//! Customers who look like others: told, never refused, because two of them may be right.
//!
//! A look-alike is the way to have a license made out to somebody else's name. What is compared is what an eye sees of
//! names for people, and of ids. Not here: what looks like what (`workflow::lookalike`).

use std::collections::HashMap;
use std::fmt;

use chancery_carriers::text::shown_within;
use sha2::{Digest, Sha256};

use super::fault::MAX_SHOWN;
use crate::error::CommandError;
use crate::repository::{Customer, Repository};
use crate::workflow::lookalike::{mixed, skeleton};

/// Something about a line that a person looks at, although the line is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Number of the line at which it begins, from 1.
    pub line: u64,
    /// Stable kebab-case code.
    pub code: &'static str,
    /// What is strange, for people.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.code, self.message)
    }
}

/// What the customers look like who are known: a hash for each name and id.
#[derive(Debug, Default)]
pub struct Likeness {
    known: HashMap<[u8; 16], Box<str>>,
}

impl Likeness {
    /// Reads every customer.
    ///
    /// # Errors
    ///
    /// Those of the repository.
    pub fn load(repository: &Repository) -> Result<Self, CommandError> {
        let mut likeness = Self::default();
        repository.each_customer(|customer| likeness.add(&customer))?;
        Ok(likeness)
    }

    /// Says what is strange about a customer who is new, as code and message, before they are [`Self::add`]ed.
    #[must_use]
    pub fn strange(&self, id: &str, name: &str) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let shown = shown_within(name, MAX_SHOWN);
        if let Some((place, letter)) = mixed(name) {
            let message = format!(
                "character {place} of the name `{shown}` of customer {id} is U+{:04X}, which is drawn like a Latin letter",
                u32::from(letter)
            );
            found.push(("customer-mixed-scripts", message));
        }
        let like = self.known.get(&face("name", name)).or_else(|| self.known.get(&face("id", id)));
        if let Some(other) = like {
            let message = format!("customer {id}, `{shown}`, looks like customer {other}");
            found.push(("customer-lookalike", message));
        }
        found
    }

    /// Remembers what a customer looks like.
    pub fn add(&mut self, customer: &Customer) {
        for face in [face("name", &customer.name), face("id", &customer.id)] {
            self.known.entry(face).or_insert_with(|| customer.id.as_str().into());
        }
    }
}

/// Returns what a text looks like, in any letters' case.
fn face(kind: &str, text: &str) -> [u8; 16] {
    let seen = skeleton(&text.to_lowercase());
    let hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(seen).finalize();
    let mut short = [0; 16];
    short.iter_mut().zip(hash).for_each(|(short, byte)| *short = byte);
    short
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn likeness() -> Likeness {
        let mut likeness = Likeness::default();
        for (id, name) in [("acme", "Acme Water"), ("modern-1", "Modern Works"), ("globex", "Globex Energy")]
        {
            likeness.add(&Customer { id: id.to_owned(), name: name.to_owned(), added_at: 0 });
        }
        likeness
    }

    fn codes(id: &str, name: &str) -> Vec<&'static str> {
        likeness().strange(id, name).into_iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn who_looks_like_somebody_is_named() {
        assert_eq!(codes("acme-2", "Асme Water"), ["customer-mixed-scripts", "customer-lookalike"]);
        assert_eq!(codes("acme-3", "ACME WATER"), ["customer-lookalike"]);
        assert_eq!(codes("acme-4", "Acme\u{a0}Water"), ["customer-lookalike"]);
        assert_eq!(codes("modem-l", "Another"), ["customer-lookalike"]);
        assert_eq!(codes("modern-2", "Modem Works"), ["customer-lookalike"]);
        let (_, message) = likeness().strange("acme-3", "ACME WATER").remove(0);
        assert_eq!(message, "customer acme-3, `ACME WATER`, looks like customer acme");
    }

    #[test]
    fn who_looks_like_nobody_is_not() {
        for (id, name) in [
            ("initech", "Initech"),
            ("acme-5", "Acme Water North"),
            ("насос", "Насос"),
            ("mueller", "Müller & Søn"),
        ] {
            assert_eq!(codes(id, name), Vec::<&str>::new(), "{name}");
        }
    }
}
