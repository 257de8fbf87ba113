//! The device: salted digests of its components, and how many must match (k of n).
//!
//! A digest is the first 4 bytes of HMAC-SHA-256(salt, kind ‖ value): long enough to tell devices
//! apart, too short to find a serial number by trying. Digests tell machines apart; they prove
//! nothing. The device key does.

use alloc::vec::Vec;

use chancery_formats::license::Device;

#[cfg(feature = "std")]
pub mod collect;
mod digest;

pub use digest::Digester;

/// A kind of component, by the number that documents carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The installation of the operating system.
    Installation,
    /// The machine, as its firmware tells.
    System,
    /// The main board.
    Board,
    /// The disk under the system.
    Disk,
    /// The first physical network interface.
    Network,
    /// The processor model.
    Processor,
    /// The file system of the system.
    FileSystem,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Installation,
        Self::System,
        Self::Board,
        Self::Disk,
        Self::Network,
        Self::Processor,
        Self::FileSystem,
    ];

    /// Returns the number in documents.
    #[must_use]
    pub const fn number(self) -> u64 {
        self as u64 + 1
    }

    /// Returns the word that people and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::System => "system",
            Self::Board => "board",
            Self::Disk => "disk",
            Self::Network => "network",
            Self::Processor => "processor",
            Self::FileSystem => "file-system",
        }
    }
}

/// A component of this device: its kind and the value that the machine gives for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// Its value; it never leaves the device.
    pub value: Vec<u8>,
}

/// Returns how many components match the binding of a license, counting no further than it needs.
#[must_use]
pub fn matching(binding: &Device<'_>, components: &[Component]) -> u64 {
    let digester = Digester::new(&binding.salt);
    let mut matched = 0;
    for (number, digest) in binding.components.iter() {
        if matched == binding.k {
            break;
        }
        let same = |component: &&Component| component.kind.number() == number;
        let component = components.iter().find(same);
        matched += u64::from(component.is_some_and(|component| digester.digest(component) == digest));
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_numbers_that_documents_carry() {
        let numbers = Kind::ALL.map(Kind::number);
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_digest_is_that_of_hmac_over_kind_and_value() {
        // printf '\0\0\0\0\0\0\0\005aa:bb' | openssl dgst -sha256 -mac HMAC -macopt hexkey:5a01020304050607
        let component = Component { kind: Kind::Network, value: b"aa:bb".to_vec() };
        let digest = Digester::new(&[0x5a, 1, 2, 3, 4, 5, 6, 7]).digest(&component);
        assert_eq!(digest, [0xac, 0x0b, 0xe1, 0x42]);
    }

    #[test]
    fn a_digest_depends_on_salt_kind_and_value() {
        let component = |kind, value: &[u8]| Component { kind, value: value.to_vec() };
        let digest = |salt: u8, component| Digester::new(&[salt; 8]).digest(&component);
        let one = digest(1, component(Kind::Disk, b"x"));
        assert_eq!(one, digest(1, component(Kind::Disk, b"x")));
        assert_ne!(one, digest(2, component(Kind::Disk, b"x")));
        assert_ne!(one, digest(1, component(Kind::Board, b"x")));
        assert_ne!(one, digest(1, component(Kind::Disk, b"y")));
    }
}
