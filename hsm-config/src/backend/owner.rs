//! One owner for each open token, with a thread of its own: every use of the token goes through it, one after the
//! other.
//!
//! Keys on one token share one session and one login, a panic below a backend stays in its thread, and what
//! reopens after a failure is decided in one place: whether a device did what was asked is never guessed. Not
//! here: what a backend does with its device.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Connected, KeyBackend};
use crate::error::HsmError;
use crate::reference::{KeyRef, TokenRef};
use crate::secret::{Pin, PinSource};

type Job = Box<dyn FnOnce(&mut Owned) + Send>;

/// How long a token may take for one use: longer than a person who is asked to touch it, or to type on it. A module
/// may hang for ever: OpenSC 0.23 waits for its own lock when a card is pulled at the wrong moment.
const PATIENCE: Duration = Duration::from_secs(120);

static SHARED: Mutex<Vec<Weak<Owner>>> = Mutex::new(Vec::new());

/// The way to the thread that owns a token. The token is closed when the last one is dropped.
pub(crate) struct Owner {
    token: TokenRef,
    /// The PIN that opened the token, where it wanted one.
    pin: Option<Pin>,
    /// Whether the token refused that PIN since: a new opening asks for another.
    is_refused: Arc<AtomicBool>,
    /// Whether the thread hangs in a use that nobody waits for any more.
    is_stuck: AtomicBool,
    patience: Duration,
    way: Way,
}

/// How work comes to a token.
enum Way {
    /// In the caller's thread: a key file is no device, and nothing below it can hang.
    Inline(Box<Mutex<Owned>>),
    /// In the token's own thread; the sender is gone once it is being dropped.
    Thread { jobs: Option<Sender<Job>>, thread: Option<JoinHandle<()>> },
}

impl Owner {
    /// Gives an open token its thread; a key file needs none.
    pub(crate) fn start(token: TokenRef, connected: Connected) -> Result<Arc<Self>, HsmError> {
        let Connected { backend, pin } = connected;
        let is_refused = Arc::new(AtomicBool::new(false));
        let mut owned = Owned {
            token: token.clone(),
            backend,
            is_suspect: false,
            is_refused: Arc::clone(&is_refused),
            openings: 0,
        };
        let is_stuck = AtomicBool::new(false);
        if matches!(token, TokenRef::File(_)) {
            let way = Way::Inline(Box::new(Mutex::new(owned)));
            return Ok(Arc::new(Self { token, pin, is_refused, is_stuck, patience: PATIENCE, way }));
        }
        let (jobs, received) = mpsc::channel::<Job>();
        let thread = thread::Builder::new().name("token".into()).spawn(move || {
            received.into_iter().for_each(|job| job(&mut owned));
        });
        let failed =
            |source: std::io::Error| HsmError::Device { token: token.clone().into(), source: source.into() };
        let way = Way::Thread { jobs: Some(jobs), thread: Some(thread.map_err(failed)?) };
        Ok(Arc::new(Self { token, pin, is_refused, is_stuck, patience: PATIENCE, way }))
    }

    /// Returns the owner of a token that this process has open, else opens the token.
    ///
    /// The PIN given must be the one that opened it: some modules take any PIN while they are logged in.
    pub(crate) fn shared(
        token: &TokenRef,
        pins: &mut PinSource,
        connect: impl FnOnce(&mut PinSource) -> Result<Connected, HsmError>,
    ) -> Result<Arc<Self>, HsmError> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|owner| owner.strong_count() > 0);
        let (refused, open): (Vec<_>, Vec<_>) = shared
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|owner| owner.token == *token)
            .partition(|owner| owner.is_refused.load(Ordering::Relaxed));
        let wrong = || HsmError::WrongPin { token: token.clone().into(), left: None };
        let Some(owner) = open.into_iter().find(|owner| !owner.is_stuck.load(Ordering::Relaxed)) else {
            // Each try with a PIN that the token refused brings it nearer to its lock.
            for pin in refused.iter().filter_map(|owner| owner.pin.as_ref()) {
                if pins.pin(token)?.expose() == pin.expose() {
                    return Err(wrong());
                }
            }
            let owner = Self::start(token.clone(), connect(pins)?)?;
            shared.push(Arc::downgrade(&owner));
            return Ok(owner);
        };
        drop(shared);
        match &owner.pin {
            Some(pin) if pins.pin(token)?.expose() != pin.expose() => Err(wrong()),
            _ => Ok(owner),
        }
    }

    /// Runs `work` in the owner's thread and returns what it returns.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Owned) -> Result<T, HsmError> + Send + 'static,
    ) -> Result<T, HsmError> {
        let jobs = match &self.way {
            Way::Inline(owned) => {
                return owned.lock().unwrap_or_else(PoisonError::into_inner).guarded(work);
            }
            Way::Thread { jobs, .. } => jobs,
        };
        let stuck = || HsmError::Unresponsive { token: self.token.clone().into() };
        if self.is_stuck.load(Ordering::Relaxed) {
            return Err(stuck());
        }
        let (reply, answer) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |owned| {
            let result = owned.guarded(work);
            let _ = reply.send(result); // nobody waits for it only when the caller is gone
        });
        let ended =
            || HsmError::Device { token: self.token.clone().into(), source: "its thread ended".into() };
        jobs.as_ref().ok_or_else(ended)?.send(job).map_err(|_| ended())?;
        match answer.recv_timeout(self.patience) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                self.is_stuck.store(true, Ordering::Relaxed);
                Err(stuck())
            }
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Without senders the thread ends; sessions are closed before the program goes on.
        let Way::Thread { jobs, thread } = &mut self.way else { return };
        *jobs = None;
        if let Some(thread) = thread.take()
            && !self.is_stuck.load(Ordering::Relaxed)
        {
            let _ = thread.join();
        }
    }
}

/// A token in its owner's thread.
pub(crate) struct Owned {
    token: TokenRef,
    backend: Box<dyn KeyBackend>,
    /// Whether the token refused the PIN that opened it: it is never given again.
    is_refused: Arc<AtomicBool>,
    /// Whether something failed so that the session may be of no use.
    is_suspect: bool,
    /// Counts how often the token was opened anew: keys are checked again after each.
    openings: u64,
}

impl Owned {
    /// Returns the backend, opened anew where the last use leaves doubt about its session.
    pub(crate) fn backend(&mut self) -> Result<&mut dyn KeyBackend, HsmError> {
        if self.is_suspect {
            self.reopen()?;
        }
        Ok(self.backend.as_mut())
    }

    /// Runs work that changes nothing; where the session was lost, opens the token anew and runs it again.
    pub(crate) fn read<T>(
        &mut self,
        work: impl Fn(&mut dyn KeyBackend) -> Result<T, HsmError>,
    ) -> Result<T, HsmError> {
        match self.backend().and_then(&work) {
            Err(HsmError::SessionLost { .. }) => {
                self.reopen()?;
                work(self.backend.as_mut())
            }
            other => other,
        }
    }

    /// Returns how often the token was opened anew.
    pub(crate) fn openings(&self) -> u64 {
        self.openings
    }

    /// Opens the token anew.
    pub(crate) fn reopen(&mut self) -> Result<(), HsmError> {
        self.is_suspect = true;
        if self.is_refused.load(Ordering::Relaxed) {
            return Err(HsmError::WrongPin { token: self.token.clone().into(), left: None });
        }
        self.backend.reopen()?;
        self.is_suspect = false;
        self.openings += 1;
        Ok(())
    }

    /// Signs; where the device certainly did not, because its session was lost, opens it anew and asks once more.
    ///
    /// `check` is called before the first use of a key after each opening.
    pub(crate) fn sign(
        &mut self,
        key: &KeyRef,
        message: &[u8],
        mut check: impl FnMut(&mut dyn KeyBackend, u64) -> Result<(), HsmError>,
    ) -> Result<Vec<u8>, HsmError> {
        let mut attempt = |owned: &mut Self| {
            owned.backend()?;
            check(owned.backend.as_mut(), owned.openings)?;
            owned.backend.sign(key, message)
        };
        match attempt(self) {
            // A key that was there and is not any more went with its token, as SoftHSM2 tells it.
            Err(HsmError::SessionLost { .. } | HsmError::KeyMissing { .. }) => {
                self.reopen()?;
                attempt(self)
            }
            other => other,
        }
    }

    /// Runs one use of the token, and notes what its failure says of the session and of the PIN.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, HsmError>) -> Result<T, HsmError> {
        let result = catch_unwind(AssertUnwindSafe(|| work(self)))
            .unwrap_or_else(|_| Err(HsmError::Panicked { token: self.token.clone().into() }));
        match &result {
            Err(
                HsmError::OutcomeUnknown { .. } | HsmError::Panicked { .. } | HsmError::SessionLost { .. },
            ) => self.is_suspect = true,
            // The password of another login on the same device, such as the one for audit, is not this PIN.
            Err(HsmError::PinLocked { token } | HsmError::WrongPin { token, .. })
                if **token == self.token =>
            {
                self.is_suspect = true;
                self.is_refused.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
        result
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use chancery_formats::key::Algorithm;

    use super::*;
    use crate::backend::software::{SoftwareBackend, SoftwareKey};

    fn owner(patience: Duration) -> Owner {
        let backend = SoftwareBackend::holding(SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap());
        let connected = Connected { backend: Box::new(backend), pin: None };
        let owner = Owner::start("piv:serial=1".parse().unwrap(), connected).unwrap();
        let mut owner = Arc::into_inner(owner).unwrap();
        owner.patience = patience;
        owner
    }

    #[test]
    fn a_panic_below_a_backend_stays_there() {
        let owner = owner(PATIENCE);
        let failed = owner.run::<()>(|_| panic!("a client library is surprised")).unwrap_err();
        assert_eq!(failed.code(), "backend-panicked");
        assert_eq!(owner.run(|owned| Ok(owned.backend()?.list()?.len())).unwrap(), 1);
        assert_eq!(owner.run(|owned| Ok(owned.openings())).unwrap(), 1, "it was not opened anew");
    }

    #[test]
    fn a_refused_pin_is_never_given_again_whatever_the_use() {
        let refused = |token: &TokenRef| HsmError::WrongPin { token: token.clone().into(), left: None };
        for is_own in [true, false] {
            let owner = owner(PATIENCE);
            let named: TokenRef = if is_own { owner.token.clone() } else { "piv:serial=2".parse().unwrap() };
            let failed = owner.run::<()>(move |_| Err(refused(&named))).unwrap_err();
            assert_eq!(failed.code(), "wrong-pin");
            assert_eq!(owner.is_refused.load(Ordering::Relaxed), is_own);
            let next = owner.run(|owned| Ok(owned.backend()?.list()?.len()));
            assert_eq!(next.is_ok(), !is_own, "{next:?}");
            assert_eq!(owner.run(|owned| Ok(owned.openings())).unwrap(), 0, "it was opened anew");
        }
    }

    #[test]
    fn a_token_is_not_opened_with_the_pin_that_it_refused() {
        let token: TokenRef = "piv:serial=3".parse().unwrap();
        let mut openings = 0;
        let mut opened = |given: &'static str| {
            let mut pins = PinSource::lines(std::io::Cursor::new(given));
            Owner::shared(&token, &mut pins, |pins| {
                openings += 1;
                let backend = SoftwareBackend::holding(SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap());
                Ok(Connected { backend: Box::new(backend), pin: Some(pins.pin(&token)?) })
            })
        };
        let first = opened("123456").unwrap();
        let named = token.clone();
        let locked = move |_: &mut Owned| Err(HsmError::PinLocked { token: named.into() });
        assert_eq!(first.run::<()>(locked).unwrap_err().code(), "pin-locked");
        assert_eq!(opened("123456").map(drop).unwrap_err().code(), "wrong-pin");
        let second = opened("654321").unwrap();
        assert_eq!(opened("123456").map(drop).unwrap_err().code(), "wrong-pin");
        drop((first, second));
        assert_eq!(openings, 2);
    }

    #[test]
    fn a_token_that_hangs_is_told_and_left() {
        let owner = owner(Duration::from_millis(50));
        let (release, held) = mpsc::channel::<()>();
        let stuck = owner.run(move |_| {
            let _ = held.recv();
            Ok(())
        });
        assert_eq!(stuck.unwrap_err().code(), "token-unresponsive");
        assert_eq!(owner.run(|_| Ok(())).unwrap_err().code(), "token-unresponsive");
        drop(owner); // does not wait for the thread
        drop(release);
    }
}
