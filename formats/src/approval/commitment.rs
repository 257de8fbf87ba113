//! What an approval covers: how many grants, in which order, asked for how.
//!
//! Computed in one pass over hashes, so that both sides compute it for 50,000 grants without keeping them. Not here:
//! whether the hashes are those of grants.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::request::{Price, RequestHead};
use crate::cbor::Writer;
use crate::merkle::{Frontier, Hash, leaf_hash};

/// What is hashed before a request: names the way in which it is.
const DOMAIN: &[u8] = b"chancery approval request 1\n";

/// What an approval covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Number of grants, from 1 to 50,000.
    pub count: u64,
    /// The root of the Merkle tree (RFC 9162) over the hashes of the grants, in their order.
    pub root: Hash,
    /// SHA-256 over the head of the request and, for each grant, its hash and price.
    pub digest: Hash,
}

/// A commitment that is being computed.
#[derive(Clone, Debug)]
pub struct Committing {
    frontier: Frontier,
    digest: Sha256,
}

impl Committing {
    /// Starts with the head of a request.
    #[must_use]
    pub fn new(head: &RequestHead<'_>) -> Self {
        let digest = Sha256::new_with_prefix(DOMAIN).chain_update(head.encode());
        Self { frontier: Frontier::new(), digest }
    }

    /// Takes up the next grant, by its hash, with what it costs where that is known.
    pub fn push(&mut self, grant: &Hash, price: Option<&Price<'_>>) {
        self.frontier.push(leaf_hash(&[grant]));
        let mut writer = Writer::new();
        writer.array(2).bytes(grant);
        Price::write(price, &mut writer);
        let item: Vec<u8> = writer.finish();
        self.digest.update(&item);
    }

    /// Returns what was computed; none of no grant.
    #[must_use]
    pub fn finish(self) -> Option<Commitment> {
        let count = self.frontier.size();
        let digest = self.digest.finalize().into();
        (count > 0).then(|| Commitment { count, root: self.frontier.root(), digest })
    }
}
