//! Digests of components: HMAC-SHA-256 (RFC 2104) under the salt, cut to four bytes.
//!
//! Every HMAC begins with one block made of the key, and so does its outer hash. Both are hashed once for
//! a salt, and on the stack: a license is checked in little more than the time of its signature, of
//! which general HMAC would take a noticeable part. Not here: what is a component.

use core::slice;

use sha2::block_api::compress256;

use super::Component;

const BLOCK: usize = 64;

/// The state before the first block (FIPS 180-4 §5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Computes digests under one salt.
#[derive(Clone, Debug)]
pub struct Digester {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl Digester {
    /// Starts with the salt of a request or license.
    #[must_use]
    pub fn new(salt: &[u8; 8]) -> Self {
        let after_key = |pad: u8| {
            let mut block = [pad; BLOCK];
            block.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
            let mut state = INITIAL;
            compress256(&mut state, slice::from_ref(&block));
            state
        };
        Self { inner: after_key(0x36), outer: after_key(0x5c) }
    }

    /// Returns the digest of a component.
    #[must_use]
    pub fn digest(&self, component: &Component) -> [u8; 4] {
        let kind = component.kind.number().to_be_bytes();
        let inner = finish(self.inner, [&kind, &component.value]);
        let mut hash = [0; 32];
        hash.chunks_exact_mut(4)
            .zip(inner)
            .for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_be_bytes()));
        finish(self.outer, [&hash, &[]])[0].to_be_bytes()
    }
}

/// Hashes a message in two parts, after the block of the key that `state` holds, with its padding.
#[inline(always)]
fn finish(mut state: [u32; 8], message: [&[u8]; 2]) -> [u32; 8] {
    let mut block = [0; BLOCK];
    let mut filled = 0;
    for mut part in message {
        while !part.is_empty() {
            let (now, later) = part.split_at((BLOCK - filled).min(part.len()));
            block[filled..filled + now.len()].copy_from_slice(now);
            filled += now.len();
            part = later;
            if filled == BLOCK {
                compress256(&mut state, slice::from_ref(&block));
                block = [0; BLOCK];
                filled = 0;
            }
        }
    }
    block[filled] = 0x80;
    if filled >= BLOCK - 8 {
        compress256(&mut state, slice::from_ref(&block));
        block = [0; BLOCK];
    }
    let bits = 8 * (BLOCK + message[0].len() + message[1].len()) as u64;
    block[BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
    compress256(&mut state, slice::from_ref(&block));
    state
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    use super::super::Kind;
    use super::*;

    #[test]
    fn digests_are_those_of_another_implementation_at_every_length() {
        for length in 0..300 {
            let salt = [length as u8; 8];
            let component = Component { kind: Kind::Disk, value: (0..length).map(|at| at as u8).collect() };
            let mac = Hmac::<Sha256>::new_from_slice(&salt).map(|mac| {
                mac.chain_update(Kind::Disk.number().to_be_bytes()).chain_update(&component.value).finalize()
            });
            let expected = mac.map(|mac| mac.into_bytes()[..4].to_vec());
            assert_eq!(Ok(Digester::new(&salt).digest(&component).to_vec()), expected, "{length} bytes");
        }
    }
}
