//! `pasetors`: PASETO v4.public, claims as JSON.

use std::time::{Duration, UNIX_EPOCH};

use chancery_tests::license::{PRODUCT, bare};
use pasetors::claims::{Claims, ClaimsValidationRules};
use pasetors::keys::{AsymmetricPublicKey, AsymmetricSecretKey};
use pasetors::token::UntrustedToken;
use pasetors::version4::V4;
use pasetors::{Public, public};
use serde_json::{Map, Value, json};

use super::{Contender, Facts, features};

/// A token and what checks it.
pub struct Paseto {
    token: String,
    key: AsymmetricPublicKey<V4>,
    rules: ClaimsValidationRules,
}

impl Paseto {
    /// Makes a token.
    pub fn new(facts: Facts) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[11; 32]);
        let key = AsymmetricPublicKey::from(secret.verifying_key().as_bytes()).expect("a public key");
        let secret = AsymmetricSecretKey::from(&secret.to_keypair_bytes()).expect("a secret key");
        let token = public::sign(&secret, &claims(facts), None, None).expect("a token");
        let mut rules = ClaimsValidationRules::new();
        rules.validate_audience_with(PRODUCT);
        Self { token, key, rules }
    }
}

fn claims(facts: Facts) -> Claims {
    let time = |secs| rfc3339(UNIX_EPOCH + Duration::from_secs(secs));
    let granted: Map<String, Value> = features()
        .map(|(name, limit)| (name.to_owned(), limit.map_or(json!(true), |limit| json!(limit))))
        .collect();
    let claims = json!({
        "iss": bare().issuer,
        "sub": bare().subject,
        "aud": facts.product,
        "exp": time(facts.term.1),
        "nbf": time(facts.term.0),
        "iat": time(facts.term.0),
        "jti": "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
        "entitlement": "e15b0c94772ad308",
        "edition": bare().terms.edition,
        "revision": 1,
        "features": granted,
    });
    Claims::from_string(&claims.to_string()).expect("claims")
}

fn rfc3339(time: std::time::SystemTime) -> String {
    jiff::Timestamp::try_from(time).expect("a time").to_string()
}

impl Contender for Paseto {
    fn name(&self) -> String {
        "pasetors 0.8, v4.public".into()
    }

    fn token_len(&self) -> usize {
        self.token.len()
    }

    fn allows(&self, feature: &str) -> bool {
        let Ok(untrusted) = UntrustedToken::<Public, V4>::try_from(&self.token) else { return false };
        public::verify(&self.key, &untrusted, &self.rules, None, None).is_ok_and(|trusted| {
            let granted =
                trusted.payload_claims().and_then(|claims| claims.get_claim("features")?.get(feature));
            granted.is_some_and(|value| {
                value.as_bool() == Some(true) || value.as_u64().is_some_and(|limit| limit > 0)
            })
        })
    }
}
