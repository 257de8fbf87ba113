//! `biscuit-auth`: a Biscuit of one block, claims as Datalog facts, the question as an authorizer.

use std::time::{Duration, UNIX_EPOCH};

use biscuit_auth::builder::{Algorithm, AuthorizerBuilder, BiscuitBuilder, date, fact, int, string};

use biscuit_auth::{AuthorizerLimits, Biscuit, KeyPair, PrivateKey, PublicKey};
use chancery_tests::license::{PRODUCT, bare};

use super::{Contender, Facts, features};

/// A token and what checks it.
pub struct Datalog {
    token: Vec<u8>,
    key: PublicKey,
    question: AuthorizerBuilder,
}

impl Datalog {
    /// Makes a token.
    pub fn new(facts: Facts) -> Self {
        let root =
            KeyPair::from(&PrivateKey::from_bytes(&[11; 32], Algorithm::Ed25519).expect("a secret key"));
        let time = |secs| date(&(UNIX_EPOCH + Duration::from_secs(secs)));
        let mut token = BiscuitBuilder::new();
        for (name, value) in [
            ("issuer", bare().issuer),
            ("customer", bare().subject),
            ("product", facts.product),
            ("license", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"),
            ("entitlement", "e15b0c94772ad308"),
            ("edition", bare().terms.edition),
        ] {
            token = token.fact(fact(name, &[string(value)])).expect("a fact");
        }
        token = token.fact(fact("revision", &[int(1)])).expect("a fact");
        token = token.fact(fact("term", &[time(facts.term.0), time(facts.term.1)])).expect("a fact");
        for (name, limit) in features() {
            let limit = i64::try_from(limit.unwrap_or(1)).expect("a small limit");
            token = token.fact(fact("feature", &[string(name), int(limit)])).expect("a fact");
        }
        let token = token.build(&root).and_then(|token| token.to_vec()).expect("a token");
        let limits = AuthorizerLimits { max_time: Duration::from_secs(60), ..AuthorizerLimits::default() };
        let question = AuthorizerBuilder::new()
            .code(format!(
                "allow if product(\"{PRODUCT}\"), asked($name), feature($name, $limit), $limit > 0, \
                 term($start, $end), time($now), $start <= $now, $now <= $end;"
            ))
            .expect("a policy")
            .set_limits(limits);
        Self { token, key: root.public(), question }
    }
}

impl Contender for Datalog {
    fn name(&self) -> String {
        "biscuit-auth 6, Ed25519".into()
    }

    fn token_len(&self) -> usize {
        self.token.len()
    }

    fn allows(&self, feature: &str) -> bool {
        let Ok(token) = Biscuit::from(&self.token, self.key) else { return false };
        // The policy is parsed before; the question and the time are added to a copy.
        let question = self.question.clone().time().fact(fact("asked", &[string(feature)]));
        question
            .and_then(|question| question.build(&token))
            .is_ok_and(|mut authorizer| authorizer.authorize().is_ok())
    }
}
