//! What a witness is about to sign, in figures that a person can judge.

use std::collections::BTreeMap;

use chancery_formats::license::License;

/// Figures of a batch of licenses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of licenses.
    pub licenses: u64,
    /// How many each customer gets.
    pub customers: BTreeMap<String, u64>,
    /// How many there are of each product.
    pub products: BTreeMap<String, u64>,
    /// First and last time at which licenses say they were issued, in Unix seconds.
    pub issued: Option<(u64, u64)>,
    /// First and last end of a term, in Unix seconds, of those that end.
    pub ends: Option<(u64, u64)>,
    /// How many never end.
    pub perpetual: u64,
}

impl Summary {
    /// Counts a license.
    pub fn add(&mut self, license: &License<'_>) {
        self.licenses += 1;
        let customer = license.subject.split('/').next().unwrap_or_default();
        for (counts, name) in [(&mut self.customers, customer), (&mut self.products, license.product)] {
            match counts.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(counts.insert(name.to_owned(), 1)),
            }
        }
        self.issued = Some(widened(self.issued, license.issued_at));
        match license.not_after {
            Some(end) => self.ends = Some(widened(self.ends, end)),
            None => self.perpetual += 1,
        }
    }
}

fn widened(range: Option<(u64, u64)>, time: u64) -> (u64, u64) {
    range.map_or((time, time), |(first, last)| (first.min(time), last.max(time)))
}
