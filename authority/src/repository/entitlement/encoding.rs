//! An entitlement as the bytes of a grant, and back.
//!
//! Not here: what the bytes mean (`chancery_formats::grant`), where they are kept (`repository::grant`).

use std::collections::BTreeSet;

use chancery_formats::DecodeError;
use chancery_formats::grant::{self, Change, Grant, State};
use chancery_formats::license::{Distribution, Feature, Features, Names, Terms, Users};
use chancery_formats::merkle::Hash;

use super::{Binding, Entitlement};
use crate::repository::RepositoryError;
use crate::repository::sold::Model;

/// What a grant says beside the state of its entitlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::repository) struct Entry {
    pub(in crate::repository) change: Change,
    pub(in crate::repository) at: u64,
    pub(in crate::repository) by: String,
    pub(in crate::repository) reason: String,
    pub(in crate::repository) previous: Option<Hash>,
}

impl Entitlement {
    /// Gives the terms of its licenses to `work`: with the number of its grant, without device and least list.
    ///
    /// # Errors
    ///
    /// Values that no license can hold.
    pub fn with_terms<T>(&self, work: impl FnOnce(Terms<'_>) -> T) -> Result<T, DecodeError> {
        let features: Vec<(&str, Feature)> =
            self.features.iter().map(|(name, value)| (name.as_str(), Feature::from(*value))).collect();
        let features = Features::encode(&features);
        let encoded = [&self.territory, &self.channels, &self.users, &self.groups].map(encode_names);
        let [territory, channels, users, groups] = encoded.each_ref().map(Option::as_deref);
        let names = |bytes: Option<_>| bytes.map(|bytes| Names::decode(bytes, false)).transpose();
        let (channels, users, groups) = (names(channels)?, names(users)?, names(groups)?);
        let is_distributed = self.devices.is_some() || channels.is_some();
        let are_named = users.is_some() || groups.is_some();
        Ok(work(Terms {
            entitlement: self.id,
            edition: &self.edition,
            revision: self.revision,
            features: Features::decode(&features)?,
            versions: self.versions,
            seats: self.seats,
            device: None,
            territory: territory.map(|bytes| Names::decode(bytes, true)).transpose()?,
            support: self.support.as_deref(),
            enforcement: self.enforcement,
            distribution: is_distributed.then_some(Distribution { devices: self.devices, channels }),
            least_revocation_list: None,
            bindings: self.bindings,
            users: are_named.then_some(Users { users, groups }),
        }))
    }
}

/// Encodes a grant, and reads it once more: what is kept can be read.
pub(in crate::repository) fn encode(
    entitlement: &Entitlement,
    entry: &Entry,
) -> Result<Vec<u8>, RepositoryError> {
    let refused = |fault| RepositoryError::GrantRefused { entitlement: entitlement.id, fault };
    let add_ons = encode_names(&entitlement.add_ons);
    let add_ons = add_ons.as_deref().map(|bytes| Names::decode(bytes, false)).transpose().map_err(refused)?;
    let encode = |terms: Terms<'_>| {
        let grant = Grant {
            change: entry.change,
            at: entry.at,
            by: &entry.by,
            reason: &entry.reason,
            previous: entry.previous,
            state: entitlement.state,
            customer: &entitlement.customer,
            site: entitlement.site.as_deref(),
            product: &entitlement.product,
            package: entitlement.package.as_deref(),
            add_ons,
            catalog: entitlement.catalog,
            model: to_wire(entitlement.model),
            quantity: entitlement.quantity,
            in_islands: entitlement.in_islands,
            returned: entitlement.returned,
            binding: binding_to_wire(entitlement.binding),
            not_before: entitlement.not_before,
            not_after: entitlement.not_after,
            parent: entitlement.parent,
            transferable: entitlement.transferable,
            named_users: entitlement.named_users,
            terms,
        };
        grant.encode()
    };
    let bytes = entitlement.with_terms(encode).map_err(refused)?;
    Grant::decode(&bytes).map_err(refused)?;
    Ok(bytes)
}

/// Decodes a grant; what it does not say of its entitlement is left empty: what is used, when and as what it began,
/// and the state of what it is an island of.
pub(in crate::repository) fn decode(bytes: &[u8]) -> Result<(Entitlement, Entry), RepositoryError> {
    let corrupted = |error: DecodeError| RepositoryError::Corrupted { detail: format!("a grant: {error}") };
    let grant = Grant::decode(bytes).map_err(corrupted)?;
    let terms = &grant.terms;
    let entry = Entry {
        change: grant.change,
        at: grant.at,
        by: grant.by.to_owned(),
        reason: grant.reason.to_owned(),
        previous: grant.previous,
    };
    let distribution = terms.distribution;
    let entitlement = Entitlement {
        id: terms.entitlement,
        revision: terms.revision,
        state: grant.state,
        parent_state: State::Active,
        customer: grant.customer.to_owned(),
        site: grant.site.map(ToOwned::to_owned),
        product: grant.product.to_owned(),
        edition: terms.edition.to_owned(),
        package: grant.package.map(ToOwned::to_owned),
        add_ons: decode_names(grant.add_ons),
        catalog: grant.catalog,
        model: from_wire(grant.model),
        began_as_trial: false,
        quantity: grant.quantity,
        in_islands: grant.in_islands,
        returned: grant.returned,
        used: 0,
        binding: binding_from_wire(grant.binding),
        not_before: grant.not_before,
        not_after: grant.not_after,
        parent: grant.parent,
        transferable: grant.transferable,
        named_users: grant.named_users,
        features: terms.features.iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
        versions: terms.versions,
        seats: terms.seats,
        territory: decode_names(terms.territory),
        support: terms.support.map(ToOwned::to_owned),
        enforcement: terms.enforcement,
        devices: distribution.and_then(|limits| limits.devices),
        channels: decode_names(distribution.and_then(|limits| limits.channels)),
        bindings: terms.bindings,
        users: decode_names(terms.users.and_then(|users| users.users)),
        groups: decode_names(terms.users.and_then(|users| users.groups)),
        granted_at: 0,
    };
    Ok((entitlement, entry))
}

/// Encodes names; none where there is none.
fn encode_names(names: &BTreeSet<String>) -> Option<Vec<u8>> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| Names::encode(&names))
}

fn decode_names(names: Option<Names<'_>>) -> BTreeSet<String> {
    names.iter().flat_map(Names::iter).map(ToOwned::to_owned).collect()
}

const fn to_wire(model: Model) -> grant::Model {
    match model {
        Model::Perpetual => grant::Model::Perpetual,
        Model::Subscription => grant::Model::Subscription,
        Model::Trial => grant::Model::Trial,
    }
}

const fn from_wire(model: grant::Model) -> Model {
    match model {
        grant::Model::Perpetual => Model::Perpetual,
        grant::Model::Subscription => Model::Subscription,
        grant::Model::Trial => Model::Trial,
    }
}

const fn binding_to_wire(binding: Binding) -> grant::Binding {
    match binding {
        Binding::Device => grant::Binding::Device,
        Binding::None => grant::Binding::None,
        Binding::Site => grant::Binding::Site,
    }
}

const fn binding_from_wire(binding: grant::Binding) -> Binding {
    match binding {
        grant::Binding::Device => Binding::Device,
        grant::Binding::None => Binding::None,
        grant::Binding::Site => Binding::Site,
    }
}
