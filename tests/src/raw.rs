//! Documents in pieces: taken apart, changed in one place and put together again, faults included.

use chancery_formats::cbor::{Writer, scan};
use chancery_formats::cose::Envelope;
use chancery_formats::id::KeyId;
use chancery_formats::key::Algorithm;
use chancery_formats::seal::Seal;

/// An envelope in pieces.
#[derive(Clone, Debug)]
pub struct RawEnvelope {
    /// What stands before the array: the tag.
    pub tag: Vec<u8>,
    /// The protected header.
    pub protected: Vec<u8>,
    /// The unprotected header, encoded.
    pub unprotected: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// The signature field.
    pub signature: Vec<u8>,
}

impl RawEnvelope {
    /// Takes a good document apart.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        let envelope = Envelope::decode(document).expect("a good document");
        Self {
            tag: vec![0xd2],
            protected: envelope.protected.to_vec(),
            unprotected: vec![0xa0],
            payload: envelope.payload.to_vec(),
            signature: envelope.signature.to_vec(),
        }
    }

    /// Puts the document together.
    #[must_use]
    pub fn join(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(&self.tag).array(4).bytes(&self.protected).raw(&self.unprotected);
        writer.bytes(&self.payload).bytes(&self.signature);
        writer.finish()
    }
}

/// A map in pieces: entries of an encoded key and an encoded value, written in the order they stand.
#[derive(Clone, Debug)]
pub struct RawMap(pub Vec<(Vec<u8>, Vec<u8>)>);

impl RawMap {
    /// Takes an encoded map apart.
    #[must_use]
    pub fn of(map: &[u8]) -> Self {
        let mut reader = scan(map, "map").expect("a good map");
        let entries = reader.map("map").expect("a map");
        Self((0..entries).map(|_| (reader.item().rest().to_vec(), reader.item().rest().to_vec())).collect())
    }

    /// Returns the value of an integer key.
    #[must_use]
    pub fn value(&self, key: i64) -> &[u8] {
        let key = integer(key);
        &self.0.iter().find(|entry| entry.0 == key).expect("an entry").1
    }

    /// Sets the entry of an integer key, in its place.
    #[must_use]
    pub fn set(self, key: i64, value: &[u8]) -> Self {
        let mut map = self.without(key);
        map.0.push((integer(key), value.to_vec()));
        map.0.sort();
        map
    }

    /// Removes the entry of an integer key.
    #[must_use]
    pub fn without(mut self, key: i64) -> Self {
        let key = integer(key);
        self.0.retain(|entry| entry.0 != key);
        self
    }

    /// Puts the map together.
    #[must_use]
    pub fn join(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(self.0.len());
        for (key, value) in &self.0 {
            writer.raw(key).raw(value);
        }
        writer.finish()
    }
}

/// Encodes an integer.
#[must_use]
pub fn integer(value: i64) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.int(value);
    writer.finish()
}

/// Encodes text.
#[must_use]
pub fn text(value: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.text(value);
    writer.finish()
}

/// Encodes a byte string.
#[must_use]
pub fn bytes(value: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.bytes(value);
    writer.finish()
}

/// A seal in pieces.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // as in `Seal`
pub struct RawSeal {
    pub size: u64,
    pub leaf_index: u64,
    pub path: Vec<u8>,
    pub root_version: u32,
    pub first_index: Option<u64>,
    pub time: u64,
    pub signatures: Vec<(KeyId, Algorithm, Vec<u8>)>,
}

impl RawSeal {
    /// Takes the seal of a good document apart.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        let envelope = Envelope::decode(document).expect("a good document");
        let seal = Seal::decode(envelope.signature).expect("a good seal");
        Self {
            size: seal.size,
            leaf_index: seal.leaf_index,
            path: seal.path.to_vec(),
            root_version: seal.root_version,
            first_index: seal.first_index,
            time: seal.time,
            signatures: seal
                .signatures()
                .map(|signature| (signature.kid, signature.algorithm, signature.signature.to_vec()))
                .collect(),
        }
    }

    /// Puts the signature field together.
    #[must_use]
    pub fn join(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(7).uint(self.size).uint(self.leaf_index).bytes(&self.path);
        writer.uint(u64::from(self.root_version)).optional_uint(self.first_index).uint(self.time);
        writer.array(self.signatures.len());
        for (kid, algorithm, signature) in &self.signatures {
            writer.array(3).bytes(&kid.0).int(algorithm.cose_number()).bytes(signature);
        }
        writer.finish()
    }

    /// Puts this seal into a document.
    #[must_use]
    pub fn put_into(&self, document: &[u8]) -> Vec<u8> {
        RawEnvelope { signature: self.join(), ..RawEnvelope::of(document) }.join()
    }
}
