//! Everybody who answers the question "may this feature of this product run now?" from a signed text.
//!
//! All carry the same license: ten features, a term of a year, one product, and are signed with Ed25519.
//! Each verifies the bytes anew for every question, with the key loaded before, as a product would.

pub mod biscuit;
pub mod chancery;
pub mod jwt;
pub mod paseto;

use chancery_formats::license::Feature;
use chancery_tests::license::{FEATURES, PRODUCT};

/// What the license of all contenders says.
#[derive(Clone, Copy)]
pub struct Facts {
    /// First and last second of the term.
    pub term: (u64, u64),
    /// The product.
    pub product: &'static str,
}

/// One way to license a product.
pub trait Contender {
    /// Returns the name for the table.
    fn name(&self) -> String;

    /// Returns the bytes that travel.
    fn token_len(&self) -> usize;

    /// Verifies the token and decides whether `feature` of [`PRODUCT`] may run at the present time.
    fn allows(&self, feature: &str) -> bool;
}

/// Returns the features of the license: a name, and the limit where there is one.
pub fn features() -> impl Iterator<Item = (&'static str, Option<u64>)> {
    FEATURES.iter().map(|(name, feature)| match feature {
        Feature::Limit(limit) => (*name, Some(*limit)),
        _ => (*name, None),
    })
}

/// Checks that a kind of contender decides as all must, so that none is fast by looking less.
///
/// # Panics
///
/// Where it allows what it must not, or denies what it must allow.
pub fn require_teeth<C: Contender>(make: impl Fn(Facts) -> C, now: u64) {
    let year = 365 * 86_400;
    let good = Facts { term: (now - year / 2, now + year / 2), product: PRODUCT };
    let name = make(good).name();
    for (feature, _) in features() {
        assert!(make(good).allows(feature), "{name} denies {feature}");
    }
    assert!(!make(good).allows("no-such-feature"), "{name} grants what nobody bought");
    let ended = Facts { term: (now - year, now - year / 2), ..good };
    assert!(!make(ended).allows("logging"), "{name} ignores the end of the term");
    let other = Facts { product: "another-product", ..good };
    assert!(!make(other).allows("logging"), "{name} ignores the product");
}
