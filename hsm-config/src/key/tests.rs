use std::sync::Mutex;

use super::*;
use crate::backend::software::SoftwareBackend;
use crate::reference::TokenRef;

/// What a failing device does at its next signatures, first to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    LoseKey,
    LoseSession,
    OtherKeyAfterReopening,
    SignWrongly,
    WrongPin,
}

struct Faulty {
    inner: SoftwareBackend,
    faults: Vec<Fault>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl KeyBackend for Faulty {
    fn protection(&self) -> Protection {
        Protection::Hardware
    }

    fn health(&mut self) -> Result<Health, HsmError> {
        self.inner.health()
    }

    fn list(&mut self) -> Result<Vec<KeyInfo>, HsmError> {
        self.inner.list()
    }

    fn find(&mut self, key: &KeyRef) -> Result<KeyInfo, HsmError> {
        self.inner.find(key)
    }

    fn generate(&mut self, key: &KeyRef, algorithm: Algorithm) -> Result<(), HsmError> {
        self.inner.generate(key, algorithm)
    }

    fn sign(&mut self, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        self.calls.lock().unwrap().push("sign");
        let token = || Box::new(TokenRef::File("memory".into()));
        match self.faults.first() {
            Some(Fault::LoseSession) => {
                self.faults.remove(0);
                Err(HsmError::SessionLost { token: token(), source: "unplugged".into() })
            }
            Some(Fault::LoseKey) => {
                self.faults.remove(0);
                Err(HsmError::KeyMissing { key: key.clone().into() })
            }
            Some(Fault::WrongPin) => Err(HsmError::WrongPin { token: token(), left: None }),
            Some(Fault::SignWrongly) => {
                let mut signature = self.inner.sign(key, message)?;
                signature[0] ^= 1;
                Ok(signature)
            }
            _ => self.inner.sign(key, message),
        }
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        self.calls.lock().unwrap().push("reopen");
        if self.faults.first() == Some(&Fault::OtherKeyAfterReopening) {
            self.inner = SoftwareBackend::holding(SoftwareKey::ephemeral(Algorithm::Ed25519)?);
        }
        Ok(())
    }
}

fn key_with(faults: &[Fault]) -> (Key, Arc<Mutex<Vec<&'static str>>>) {
    let inner = SoftwareBackend::holding(SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap());
    let reference = inner.reference();
    let calls = Arc::default();
    let backend = Faulty { inner, faults: faults.to_vec(), calls: Arc::clone(&calls) };
    (Key::new(&reference, Box::new(backend)).unwrap(), calls)
}

#[test]
fn wrong_signatures_are_not_handed_on() {
    let (key, calls) = key_with(&[Fault::SignWrongly]);
    assert_eq!(key.sign(b"a").unwrap_err().code(), "bad-signature");
    assert_eq!(*calls.lock().unwrap(), ["sign"]);
}

#[test]
fn a_lost_session_is_reopened_once() {
    for fault in [Fault::LoseSession, Fault::LoseKey] {
        let (key, calls) = key_with(&[fault]);
        assert_eq!(key.sign(b"a").unwrap().len(), 64);
        assert_eq!(*calls.lock().unwrap(), ["sign", "reopen", "sign"]);
    }

    let (key, calls) = key_with(&[Fault::LoseSession, Fault::LoseSession, Fault::LoseSession]);
    assert_eq!(key.sign(b"a").unwrap_err().code(), "session-lost");
    assert_eq!(*calls.lock().unwrap(), ["sign", "reopen", "sign"]);
}

#[test]
fn another_key_after_reopening_does_not_sign() {
    let (key, calls) = key_with(&[Fault::LoseSession, Fault::OtherKeyAfterReopening]);
    assert_eq!(key.sign(b"a").unwrap_err().code(), "public-key-mismatch");
    assert_eq!(*calls.lock().unwrap(), ["sign", "reopen"]);
}

#[test]
fn a_refused_pin_is_not_tried_again() {
    let (key, calls) = key_with(&[Fault::WrongPin]);
    assert_eq!(key.sign(b"a").unwrap_err().code(), "wrong-pin");
    assert_eq!(*calls.lock().unwrap(), ["sign"]);
}

#[test]
fn long_messages_do_not_reach_the_device() {
    let (key, calls) = key_with(&[]);
    assert_eq!(key.sign(&[0; MAX_MESSAGE_BYTES + 1]).unwrap_err().code(), "message-too-long");
    assert!(calls.lock().unwrap().is_empty());
    assert!(key.sign(&[0; MAX_MESSAGE_BYTES]).is_ok());
    assert!(key.sign(&[]).is_ok());
}

#[test]
fn a_pinned_public_key_must_be_the_one_found() {
    let other = SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap().public_key().thumbprint();
    let backend = SoftwareBackend::holding(SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap());
    let reference = backend.reference().with_public_key(other);
    assert_eq!(Key::new(&reference, Box::new(backend)).unwrap_err().code(), "public-key-mismatch");
}

#[test]
fn keys_are_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Key>();
}
