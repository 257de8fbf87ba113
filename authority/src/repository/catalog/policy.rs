//! What the catalog says beside products: policies, territories, support levels and price books.

use std::collections::{BTreeMap, BTreeSet};

use chancery_formats::license::{EnforcementMode, Version};
use serde::{Deserialize, Serialize};

use super::super::{Binding, Model};
use super::words;

/// The rules of a sale. Spans are whole days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// For people.
    pub name: String,
    /// How the right runs out.
    #[serde(with = "words::model")]
    pub model: Model,
    /// How long the term is; always for subscriptions and trials, never for what is perpetual.
    pub term_days: Option<u32>,
    /// For how long from the beginning released versions are covered; none is all.
    pub maintenance_days: Option<u32>,
    /// The highest version covered; none is all.
    #[serde(with = "words::version")]
    pub highest_version: Option<Version>,
    /// How long features run on after the term.
    pub grace_days: u32,
    /// How long before its end the user is told.
    pub notice_days: u32,
    /// What happens after term and grace.
    #[serde(with = "words::mode")]
    pub enforcement: EnforcementMode,
    /// What licenses are bound to.
    #[serde(with = "words::binding")]
    pub binding: Binding,
    /// Concurrent seats of each license.
    pub seats: Option<u64>,
    /// How many users may be named.
    pub named_users: Option<u32>,
    /// Whether it may be transferred to another site or customer.
    pub transferable: bool,
    /// On how many devices one license document may be installed.
    pub devices: Option<u64>,
    /// The channels through which a license may be passed on; empty is any.
    pub channels: BTreeSet<String>,
    /// How many devices may be bound by typed code.
    pub typed_bindings: Option<u64>,
}

/// Where something may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Territory {
    /// For people.
    pub name: String,
    /// ISO 3166-1 alpha-2 codes; at least one.
    pub countries: BTreeSet<String>,
}

/// What help comes with a sale. It never decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportLevel {
    /// For people.
    pub name: String,
}

/// What things cost, in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceBook {
    /// For people.
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    /// By product; what is not listed has no price in this book.
    pub prices: BTreeMap<String, Prices>,
}

/// Prices of one product, by name, in minor units of the book's currency: cents of euros, whole yen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// Of editions sold by themselves.
    pub editions: BTreeMap<String, u64>,
    /// Of packages, with everything in them.
    pub packages: BTreeMap<String, u64>,
    /// Of add-ons sold beside an edition or a package.
    pub add_ons: BTreeMap<String, u64>,
}
