//! Quorums of custodians: who they are, which of their keys this machine can use, and who of them signs.
//!
//! Not here: what they sign (`sealing`, `change`), custodians on other machines (`custodian`).

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, KeyId};
use chancery_formats::key::PublicKey;
use chancery_formats::merkle::Hash;
use chancery_formats::seal::{MAX_SIGNERS, Role, Signer};
use chancery_formats::trust::{self, Custodians, Partners, Root};

use crate::error::CommandError;
use crate::repository::{KeyRecord, Repository};

/// One of those who sign together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custodian {
    /// The key.
    pub key: PublicKey,
    /// The ML-DSA-87 key that signs beside it, in hybrid trust.
    pub partner: Option<PublicKey>,
}

impl Custodian {
    /// Returns the keys: one, or two in hybrid trust.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        std::iter::once(&self.key).chain(&self.partner)
    }
}

/// Custodians of whom a number must sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// How many must sign.
    pub threshold: usize,
    /// The custodians, sorted by their keys as encoded, each once.
    pub custodians: Vec<Custodian>,
}

impl Quorum {
    /// Joins custodians with their threshold.
    ///
    /// # Errors
    ///
    /// A refusal for a threshold that cannot be met or is none, for one key twice, for more custodians than a
    /// root holds, and where some have a partner and others have none.
    pub fn new(threshold: usize, mut custodians: Vec<Custodian>) -> Result<Self, CommandError> {
        custodians.sort_by_cached_key(|custodian| custodian.key.encode());
        let keys: Vec<_> = custodians.iter().flat_map(Custodian::keys).map(PublicKey::encode).collect();
        let mut distinct = keys.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() != keys.len() {
            return Err(CommandError::refused("custodian-twice", "one key is named as two custodians")
                .hint("a custodian is one key: name each once"));
        }
        let paired = custodians.iter().filter(|custodian| custodian.partner.is_some()).count();
        if paired != 0 && paired != custodians.len() {
            return Err(CommandError::refused(
                "partner-missing",
                format!("{paired} of {} custodians have an ML-DSA-87 partner", custodians.len()),
            )
            .hint("give every custodian a partner, or none: trust is hybrid as a whole"));
        }
        if threshold == 0 || threshold > custodians.len() || custodians.len() > MAX_SIGNERS {
            return Err(CommandError::refused(
                "threshold-unmet",
                format!("{threshold} of {} custodians cannot be asked for", custodians.len()),
            )
            .hint("name 1 to 16 custodians, and a threshold from 1 to their number"));
        }
        Ok(Self { threshold, custodians })
    }

    /// Copies a quorum out of a document.
    #[must_use]
    pub fn of(quorum: &trust::Quorum<'_>) -> Self {
        let custodians = quorum.members().map(|(key, partner)| Custodian { key, partner }).collect();
        Self { threshold: quorum.threshold, custodians }
    }

    /// Lends the quorum in the form that documents hold.
    ///
    /// # Errors
    ///
    /// A refusal of keys that no document may hold.
    pub fn lend<T>(&self, then: impl FnOnce(trust::Quorum<'_>) -> T) -> Result<T, CommandError> {
        let keys: Vec<_> = self.custodians.iter().map(|custodian| custodian.key.clone()).collect();
        let partners: Vec<_> =
            self.custodians.iter().filter_map(|custodian| custodian.partner.clone()).collect();
        let (keys, encoded) = (Custodians::encode(&keys), Partners::encode(&partners));
        let partners = if partners.is_empty() { None } else { Some(Partners::decode(&encoded)?) };
        let custodians = Custodians::decode(&keys)?;
        Ok(then(trust::Quorum { threshold: self.threshold, custodians, partners }))
    }

    /// Returns what a root commits to where this is its recovery set.
    ///
    /// # Errors
    ///
    /// As [`Quorum::lend`].
    pub fn commitment(&self) -> Result<Hash, CommandError> {
        self.lend(|quorum| quorum.commitment())
    }

    /// Returns whether every custodian has an ML-DSA-87 partner: then every key that the root certifies has one.
    #[must_use]
    pub fn is_hybrid(&self) -> bool {
        self.custodians.iter().any(|custodian| custodian.partner.is_some())
    }

    /// Returns the custodian with this key.
    #[must_use]
    pub fn find(&self, key: &PublicKey) -> Option<&Custodian> {
        self.custodians.iter().find(|custodian| custodian.key == *key)
    }

    /// Returns how many of these custodians, with their partners, are among the signers.
    #[must_use]
    pub fn count(&self, signers: &[Signer]) -> usize {
        let signs = |key: &PublicKey| signers.iter().any(|signer| signer.thumbprint == key.thumbprint());
        self.custodians.iter().filter(|custodian| custodian.keys().all(signs)).count()
    }
}

/// Who holds the root in force.
#[derive(Clone, Debug)]
pub struct Custody {
    /// The authority.
    pub authority: AuthorityId,
    /// The version of the root in force.
    pub root_version: u32,
    /// Its custodians.
    pub quorum: Quorum,
}

impl Custody {
    /// Reads the newest root of the authority.
    ///
    /// # Errors
    ///
    /// An integrity alarm where the log has no root of the version in force.
    pub fn of(repository: &Repository) -> Result<Self, CommandError> {
        let authority = repository.authority()?;
        let payload = newest_root(repository)?;
        let root = Root::decode(&payload)?;
        Ok(Self { authority: authority.id, root_version: root.version, quorum: Quorum::of(&root.quorum) })
    }

    /// Returns the custodians of every root that the authority ever had.
    ///
    /// # Errors
    ///
    /// Those of the repository and of a root that cannot be read.
    pub fn every_custodian(repository: &Repository) -> Result<Vec<PublicKey>, CommandError> {
        let mut custodians = Vec::new();
        for (_, bytes) in repository.documents_of_kind(Kind::Root)? {
            let quorum = Quorum::of(&Root::decode(Envelope::decode(&bytes)?.payload)?.quorum);
            custodians.extend(quorum.custodians.iter().flat_map(Custodian::keys).cloned());
        }
        Ok(custodians)
    }
}

/// Returns the payload of the root in force.
///
/// # Errors
///
/// An integrity alarm where the log has none of the version in force.
pub fn newest_root(repository: &Repository) -> Result<Vec<u8>, CommandError> {
    let version = repository.authority()?.root_version;
    for (_, bytes) in repository.documents_of_kind(Kind::Root)?.iter().rev() {
        let payload = Envelope::decode(bytes)?.payload;
        if u64::from(Root::decode(payload)?.version) == version {
            return Ok(payload.to_vec());
        }
    }
    Err(CommandError::alarm("root-missing", format!("the log holds no root of version {version}"))
        .hint("stop issuing, keep the home as it is, and call the auditor"))
}

/// Returns the custodians' keys that this machine can use.
///
/// # Errors
///
/// Those of the repository.
pub fn keys_here(repository: &Repository) -> Result<Vec<KeyRecord>, CommandError> {
    let is_here = |key: &KeyRecord| key.role == Role::Custodian && key.reference.is_some();
    Ok(repository.keys()?.into_iter().filter(is_here).collect())
}

/// Whom the operator asks to sign.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Custodians by key id; where none is named, those whose keys are on this machine.
    pub named: &'a [KeyId],
    /// Whether custodians on other machines can be asked.
    pub elsewhere: bool,
}

/// Chooses custodians so that each quorum is met, and nobody more.
///
/// Whoever is in several quorums counts in each. Where nobody is `named`, those whose keys are `here` sign, and
/// the others where all of them are needed.
///
/// # Errors
///
/// A refusal where that leaves a choice, or the named are too few, or are no custodians.
pub fn choose(
    quorums: &[&Quorum],
    here: &[PublicKey],
    named: &[KeyId],
) -> Result<Vec<Custodian>, CommandError> {
    let mut everyone: Vec<Custodian> = Vec::new();
    for custodian in quorums.iter().flat_map(|quorum| &quorum.custodians) {
        match everyone.iter_mut().find(|known| known.key == custodian.key) {
            Some(known) => known.partner = known.partner.take().or_else(|| custodian.partner.clone()),
            None => everyone.push(custodian.clone()),
        }
    }
    let chosen = if named.is_empty() { unnamed(quorums, &everyone, here)? } else { find(&everyone, named)? };
    let chosen: Vec<_> = chosen.into_iter().cloned().collect();
    let signers = signers(chosen.iter().flat_map(Custodian::keys));
    if let Some(quorum) = quorums.iter().find(|quorum| quorum.count(&signers) < quorum.threshold) {
        let (found, needed) = (quorum.count(&signers), quorum.threshold);
        return Err(CommandError::refused(
            "quorum-short",
            format!("{found} of the custodians who are to sign are in a quorum that needs {needed}"),
        )
        .hint("name more custodians with `--signer KID`"));
    }
    if signers.len() > MAX_SIGNERS {
        return Err(CommandError::refused("signers-many", "a statement holds at most 16 signatures")
            .hint("name fewer custodians with `--signer KID`"));
    }
    Ok(chosen)
}

/// Refuses custodians on other machines where they cannot be asked.
///
/// # Errors
///
/// `quorum-elsewhere`.
pub fn require_reachable(
    chosen: &[Custodian],
    here: &[PublicKey],
    asked: &Asked<'_>,
) -> Result<(), CommandError> {
    let reached = chosen.iter().filter(|custodian| custodian.keys().all(|key| here.contains(key))).count();
    let needed = chosen.len();
    if reached == needed || asked.elsewhere {
        return Ok(());
    }
    Err(CommandError::refused(
        "quorum-elsewhere",
        format!("{reached} custodians have their keys on this machine, and {needed} must sign"),
    )
    .hint("ask the others with `--out FILE.ccer`"))
}

fn find<'q>(everyone: &'q [Custodian], named: &[KeyId]) -> Result<Vec<&'q Custodian>, CommandError> {
    let find = |kid: &KeyId| {
        everyone.iter().find(|custodian| custodian.key.key_id() == *kid).ok_or_else(|| {
            CommandError::refused("custodian-unknown", format!("key {kid} is no custodian's"))
                .hint("list the custodians with `chancery root show`")
        })
    };
    named.iter().map(find).collect()
}

fn unnamed<'q>(
    quorums: &[&Quorum],
    everyone: &'q [Custodian],
    here: &[PublicKey],
) -> Result<Vec<&'q Custodian>, CommandError> {
    let memberships =
        |custodian: &Custodian| quorums.iter().filter(|quorum| quorum.find(&custodian.key).is_some()).count();
    // Who is in most quorums comes first, so that few sign.
    let mut sorted: Vec<&Custodian> = everyone.iter().collect();
    sorted.sort_by_key(|custodian| std::cmp::Reverse(memberships(custodian)));
    let is_here = |custodian: &Custodian| custodian.keys().all(|key| here.contains(key));
    let mut chosen: Vec<&Custodian> = Vec::new();
    for quorum in quorums {
        let in_quorum = |custodian: &&&Custodian| quorum.find(&custodian.key).is_some();
        let missing =
            |chosen: &[&Custodian]| quorum.threshold.saturating_sub(chosen.iter().filter(in_quorum).count());
        let free = |chosen: &[&'q Custodian]| -> Vec<&'q Custodian> {
            let is_free = |custodian: &&&Custodian| chosen.iter().all(|known| known.key != custodian.key);
            sorted.iter().filter(in_quorum).filter(is_free).copied().collect()
        };
        let (reachable, _): (Vec<_>, Vec<_>) = free(&chosen).into_iter().partition(|found| is_here(found));
        let wanted = missing(&chosen);
        chosen.extend(reachable.into_iter().take(wanted));
        let (rest, wanted) = (free(&chosen), missing(&chosen));
        if wanted > 0 && rest.len() != wanted {
            return Err(undecided(&rest, wanted));
        }
        chosen.extend(rest.into_iter().take(wanted));
    }
    Ok(chosen)
}

fn undecided(candidates: &[&Custodian], wanted: usize) -> CommandError {
    let kids: Vec<_> = candidates.iter().map(|custodian| custodian.key.key_id().to_string()).collect();
    CommandError::usage(format!("{wanted} more custodians must sign, and it is not said which"))
        .cause(format!("these can: {}", kids.join(", ")))
        .hint("name each who signs with `--signer KID`, those on this machine among them")
}

/// Returns keys as custodians who sign a statement, sorted and each once.
#[must_use]
pub fn signers<'k>(keys: impl Iterator<Item = &'k PublicKey>) -> Vec<Signer> {
    let signer = |key: &PublicKey| Signer {
        role: Role::Custodian,
        thumbprint: key.thumbprint(),
        algorithm: key.algorithm(),
    };
    let mut signers: Vec<_> = keys.map(signer).collect();
    signers.sort_unstable();
    signers.dedup();
    signers
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(number: u8) -> PublicKey {
        PublicKey::Ed25519([number; 32])
    }

    fn quorum(threshold: usize, numbers: &[u8]) -> Quorum {
        let custodian = |number: &u8| Custodian { key: key(*number), partner: None };
        Quorum::new(threshold, numbers.iter().map(custodian).collect()).unwrap()
    }

    fn chosen(quorums: &[&Quorum], here: &[u8], named: &[u8]) -> Result<Vec<u8>, &'static str> {
        let here: Vec<_> = here.iter().map(|number| key(*number)).collect();
        let named: Vec<_> = named.iter().map(|number| key(*number).key_id()).collect();
        let signers = choose(quorums, &here, &named).map_err(|error| error.code())?;
        let signs = |number: &u8| signers.iter().any(|custodian| custodian.key == key(*number));
        Ok((0..=255).filter(signs).collect())
    }

    #[test]
    fn nobody_signs_who_is_not_needed() {
        let three = quorum(2, &[1, 2, 3]);
        assert_eq!(chosen(&[&three], &[1, 2, 3], &[]).map(|signers| signers.len()), Ok(2));
        assert_eq!(chosen(&[&three], &[1, 3], &[]), Ok(vec![1, 3]));
        assert_eq!(chosen(&[&quorum(3, &[1, 2, 3])], &[2], &[]), Ok(vec![1, 2, 3]), "all of them are needed");
        assert_eq!(chosen(&[&three], &[], &[3, 1]), Ok(vec![1, 3]));
        // Two quorums: those in both count in each.
        let next = quorum(2, &[2, 3, 4]);
        assert_eq!(chosen(&[&three, &next], &[1, 2, 3, 4], &[]), Ok(vec![2, 3]));
        assert_eq!(chosen(&[&three, &next], &[1, 2, 4], &[]), Ok(vec![1, 2, 4]));
        assert_eq!(chosen(&[&quorum(1, &[1]), &quorum(1, &[2])], &[1], &[]), Ok(vec![1, 2]));
    }

    #[test]
    fn what_is_not_said_is_asked_for() {
        let three = quorum(2, &[1, 2, 3]);
        assert_eq!(chosen(&[&three], &[1], &[]), Err("usage"), "two others can sign, and one is needed");
        assert_eq!(chosen(&[&three], &[], &[1]), Err("quorum-short"));
        assert_eq!(chosen(&[&three], &[], &[1, 1]), Err("quorum-short"), "one custodian named twice");
        assert_eq!(chosen(&[&three], &[], &[1, 9]), Err("custodian-unknown"));
        assert_eq!(chosen(&[&three, &quorum(2, &[4, 5])], &[], &[1, 2, 4]), Err("quorum-short"));
    }

    #[test]
    fn quorums_that_no_root_may_hold_are_refused() {
        let refused = |threshold, custodians: Vec<Custodian>| {
            Quorum::new(threshold, custodians).map(drop).map_err(|error| error.code())
        };
        let alone = |number| Custodian { key: key(number), partner: None };
        assert_eq!(refused(0, vec![alone(1)]), Err("threshold-unmet"));
        assert_eq!(refused(2, vec![alone(1)]), Err("threshold-unmet"));
        assert_eq!(refused(1, (0..17).map(alone).collect()), Err("threshold-unmet"));
        assert_eq!(refused(1, vec![alone(1), alone(1)]), Err("custodian-twice"));
        let partner = Some(PublicKey::MlDsa87(Box::new([1; 2_592])));
        let paired = |number| Custodian { key: key(number), partner: partner.clone() };
        assert_eq!(refused(1, vec![paired(1), alone(2)]), Err("partner-missing"));
        assert_eq!(refused(1, vec![paired(1), paired(2)]), Err("custodian-twice"));
        assert_eq!(refused(1, vec![paired(1)]), Ok(()));
    }
}
