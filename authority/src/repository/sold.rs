//! What a sale comes to under one catalog: everything that an entitlement copies, so that no later catalog alters
//! what was sold.
//!
//! Not here: how it is put together from packages and add-ons (`workflow::sale`), what an entitlement is beyond it
//! (`entitlement`).

use std::collections::BTreeSet;

use chancery_formats::license::{Enforcement, Version};

use super::Binding;
use super::catalog::Features;

/// How a right runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Model {
    /// Never; which versions it covers may be bounded by maintenance.
    #[default]
    Perpetual,
    /// With its term, unless it is renewed.
    Subscription,
    /// With its term; once on a device, and what it is converted into goes on with the same entitlement.
    Trial,
}

impl Model {
    const ALL: [Self; 3] = [Self::Perpetual, Self::Subscription, Self::Trial];

    /// Returns the word that people, files, JSON and the database see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Perpetual => "perpetual",
            Self::Subscription => "subscription",
            Self::Trial => "trial",
        }
    }

    /// Returns the model of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }
}

/// The rules of a policy, as they hold for one sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long the term is, in days from its beginning; none is perpetual, and always so for [`Model::Perpetual`].
    pub term_days: Option<u32>,
    /// For how many days from the beginning released versions are covered; none is all.
    pub maintenance_days: Option<u32>,
    /// The highest version covered; none is all.
    pub highest_version: Option<Version>,
    /// What licenses are bound to.
    pub binding: Binding,
    /// Concurrent seats of each license.
    pub seats: Option<u64>,
    /// How many users may be named; none where users are not named.
    pub named_users: Option<u32>,
    /// Where it may be used: ISO 3166-1 alpha-2 codes; empty is anywhere.
    pub territory: BTreeSet<String>,
    /// The support level sold.
    pub support: Option<String>,
    /// What happens when the term ends.
    pub enforcement: Enforcement,
    /// On how many devices one license document may be installed.
    pub devices: Option<u64>,
    /// The channels through which a license may be passed on; empty is any.
    pub channels: BTreeSet<String>,
    /// How many devices may be bound by typed code.
    pub bindings: Option<u64>,
    /// Whether it may be transferred to another site or customer.
    pub transferable: bool,
}

impl Default for Rules {
    /// Perpetual, bound to the device that asks, without limits.
    fn default() -> Self {
        Self {
            term_days: None,
            maintenance_days: None,
            highest_version: None,
            binding: Binding::Device,
            seats: None,
            named_users: None,
            territory: BTreeSet::new(),
            support: None,
            enforcement: Enforcement::default(),
            devices: None,
            channels: BTreeSet::new(),
            bindings: None,
            transferable: true,
        }
    }
}

/// What a sale comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    /// Product.
    pub product: String,
    /// Edition of it.
    pub edition: String,
    /// The package that it was sold in.
    pub package: Option<String>,
    /// The add-ons sold with it.
    pub add_ons: BTreeSet<String>,
    /// Number of the catalog change that it was sold under, from 1.
    pub catalog: u64,
    /// The policy that the rules are of; none where nobody named one.
    pub policy: Option<String>,
    /// How it runs out.
    pub model: Model,
    /// Features of the edition with what add-ons add.
    pub features: Features,
    /// The rules of the policy.
    pub rules: Rules,
}
