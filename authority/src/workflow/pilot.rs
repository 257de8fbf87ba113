//! Who is in a pilot: a share of the customers, chosen by hashing, the same whenever and wherever it is asked.
//!
//! Not here: which catalog a pilot holds (`catalog::change`).
//!
//! Spec: `docs/spec/catalog.md` §5.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// What is hashed before the seed and the customer, so that no other use of SHA-256 yields the same.
const CONTEXT: &[u8] = b"chancery catalog pilot v1\0";

/// A share of the customers in hundredths of a percent, from 0.01 % to 99.99 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

/// Text that is not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a percentage above 0 and below 100 with at most two decimals, such as 5% or 0.25%")]
pub struct ShareError;

impl Share {
    /// Makes a share of hundredths of a percent, from 1 to 9,999.
    #[must_use]
    pub const fn new(hundredths: u16) -> Option<Self> {
        if hundredths >= 1 && hundredths <= 9_999 { Some(Self(hundredths)) } else { None }
    }

    /// Returns it in hundredths of a percent.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// Returns whether a customer is in the pilot that `seed` chooses.
    ///
    /// A customer in a share is in every greater share of the same seed.
    #[must_use]
    pub fn holds(self, seed: u64, customer: &str) -> bool {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(CONTEXT)
            .chain_update(seed.to_be_bytes())
            .chain_update(customer)
            .finalize()
            .into();
        let [first, second, third, fourth, fifth, sixth, seventh, eighth, ..] = hash;
        let draw = u64::from_be_bytes([first, second, third, fourth, fifth, sixth, seventh, eighth]);
        u128::from(draw) * 10_000 < u128::from(self.0) << 64
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = text.strip_suffix('%').ok_or(ShareError)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "00"));
        let is_digits = |text: &str| {
            !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_digits(whole) || !is_digits(part) {
            return Err(ShareError);
        }
        let whole: u16 = whole.parse().map_err(|_| ShareError)?;
        let tenths_or_more: u16 = part.parse().map_err(|_| ShareError)?;
        let hundredths = if part.len() == 1 { tenths_or_more * 10 } else { tenths_or_more };
        Self::new(whole * 100 + hundredths).ok_or(ShareError)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole} %"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{} %", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02} %"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn customers() -> impl Iterator<Item = String> {
        (0..10_000).map(|number| format!("customer-{number}"))
    }

    #[test]
    fn shares_are_exact_and_nothing_else_is_one() {
        for (text, hundredths, shown) in [
            ("5%", 500, "5 %"),
            ("0.25%", 25, "0.25 %"),
            ("0.01%", 1, "0.01 %"),
            ("12.5%", 1_250, "12.5 %"),
            ("99.99%", 9_999, "99.99 %"),
            ("05%", 500, "5 %"),
        ] {
            let share: Share = text.parse().unwrap();
            assert_eq!((share.hundredths(), share.to_string().as_str()), (hundredths, shown));
        }
        for text in [
            "", "%", "5", "0%", "0.00%", "100%", "-5%", "+5%", "5 %", "5.%", ".5%", "5.001%", "5e1%", "５%",
            "NaN%",
        ] {
            assert_eq!(text.parse::<Share>(), Err(ShareError), "{text}");
        }
    }

    #[test]
    fn a_pilot_of_ten_thousand_customers_lies_within_binomial_bounds() {
        for (text, share) in [("5%", 0.05), ("0.5%", 0.005), ("50%", 0.5), ("95%", 0.95)] {
            let pilot: Share = text.parse().unwrap();
            for seed in 1..=20 {
                let chosen = customers().filter(|customer| pilot.holds(seed, customer)).count() as f64;
                // Five standard deviations: all eighty draws lie within them, by chance one in 20,000 times.
                let (mean, deviation) = (10_000.0 * share, (10_000.0 * share * (1.0_f64 - share)).sqrt());
                assert!((chosen - mean).abs() <= 5.0 * deviation, "{text} of seed {seed}: {chosen}");
            }
        }
    }

    #[test]
    fn a_greater_share_holds_the_smaller_and_another_seed_holds_others() {
        let (small, large): (Share, Share) = ("5%".parse().unwrap(), "20%".parse().unwrap());
        let (mut both, mut first, mut second) = (0, 0, 0);
        for customer in customers() {
            assert!(!small.holds(7, &customer) || large.holds(7, &customer));
            first += usize::from(small.holds(7, &customer));
            second += usize::from(small.holds(8, &customer));
            both += usize::from(small.holds(7, &customer) && small.holds(8, &customer));
        }
        // Independent draws share a twentieth.
        assert!(first > 390 && second > 390 && both < 70, "{first} {second} {both}");
    }
}
