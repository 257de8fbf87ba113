//! `jsonwebtoken`: a JWT under EdDSA, claims as JSON.

use std::collections::BTreeMap;

use chancery_tests::license::{PRODUCT, bare};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::{Contender, Facts, features};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Grant {
    On(bool),
    Limit(u64),
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    entitlement: String,
    edition: String,
    revision: u64,
    features: BTreeMap<String, Grant>,
}

/// A token and what checks it.
pub struct Jwt {
    token: String,
    key: DecodingKey,
    validation: Validation,
}

impl Jwt {
    /// Makes a token.
    pub fn new(facts: Facts) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[11; 32]);
        let claims = Claims {
            iss: bare().issuer.into(),
            sub: bare().subject.into(),
            aud: facts.product.into(),
            exp: facts.term.1,
            nbf: facts.term.0,
            iat: facts.term.0,
            jti: "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf".into(),
            entitlement: "e15b0c94772ad308".into(),
            edition: bare().terms.edition.into(),
            revision: 1,
            features: features()
                .map(|(name, limit)| (name.to_owned(), limit.map_or(Grant::On(true), Grant::Limit)))
                .collect(),
        };
        // PKCS#8 of an Ed25519 key is this prefix and the seed (RFC 8410 §7).
        let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
        der.extend_from_slice(&[11; 32]);
        let token = encode(&Header::new(Algorithm::EdDSA), &claims, &EncodingKey::from_ed_der(&der))
            .expect("a token");
        let key = DecodingKey::from_ed_der(secret.verifying_key().as_bytes());
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[PRODUCT]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        Self { token, key, validation }
    }
}

impl Contender for Jwt {
    fn name(&self) -> String {
        "jsonwebtoken 11, EdDSA (`rust_crypto`)".into()
    }

    fn token_len(&self) -> usize {
        self.token.len()
    }

    fn allows(&self, feature: &str) -> bool {
        decode::<Claims>(&self.token, &self.key, &self.validation).is_ok_and(|token| {
            match token.claims.features.get(feature) {
                Some(Grant::On(on)) => *on,
                Some(Grant::Limit(limit)) => *limit > 0,
                None => false,
            }
        })
    }
}
