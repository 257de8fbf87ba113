//! PKCS#11 modules: each loaded and initialized once in the process, and initialized anew to heal.
//!
//! C_Finalize ends every session of the process, and session numbers are used again afterwards. So each
//! session carries the generation of the module that it belongs to, work on sessions shares a lock that
//! initializing holds alone, and a session of an older generation is never touched again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::session::Session;
use cryptoki::slot::{Slot, TokenInfo};

use crate::backend::Device;
use crate::backend::fault::Faults;
use crate::error::HsmError;
use crate::reference::Pkcs11Token;

/// Modules stay loaded until the process ends: unloading one while it has threads crashes.
static MODULES: Mutex<Vec<Arc<Module>>> = Mutex::new(Vec::new());

pub(super) struct Module {
    path: PathBuf,
    context: Pkcs11,
    /// Counts initializations.
    generation: RwLock<u64>,
}

/// A session and the generation of the module that it belongs to.
pub(super) struct Opened {
    session: Option<Session>,
    generation: u64,
    device: Device,
}

impl Opened {
    /// Returns what the token told of itself when the session was opened.
    pub(super) fn device(&self) -> Device {
        self.device.clone()
    }
}

impl Module {
    /// Returns the one instance of a module in this process.
    pub(super) fn load(path: &Path) -> Result<Arc<Self>, HsmError> {
        let failed = |source| HsmError::ModuleNotLoadable { path: path.to_owned(), source };
        // Two names of one library are one module.
        let real = fs::canonicalize(path).map_err(|error| failed(error.into()))?;
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.iter().find(|module| module.path == real) {
            return Ok(Arc::clone(module));
        }
        let context = Pkcs11::new(&real).map_err(|error| failed(error.into()))?;
        initialize(&context).map_err(|error| failed(error.into()))?;
        let module = Arc::new(Self { path: real, context, generation: RwLock::new(0) });
        modules.push(Arc::clone(&module));
        Ok(module)
    }

    /// Opens a session on the one token that matches; `login` is called where the token wants it.
    ///
    /// Modules look at tokens when they are initialized, some only then: before a token counts as absent, or
    /// as one wrong PIN from its lock, its module is initialized anew. Sessions that others have open are
    /// lost then, and heal.
    pub(super) fn open(
        &self,
        token: &Pkcs11Token,
        mut login: impl FnMut(&Session) -> Result<(), HsmError>,
    ) -> Result<Opened, HsmError> {
        let seen = *self.read();
        match self.open_session(token, &mut login) {
            Err(HsmError::PinLastTry { .. } | HsmError::TokenAbsent { .. }) => {
                self.initialize_anew(token, seen)?;
                self.open_session(token, &mut login)
            }
            other => other,
        }
    }

    /// Opens a session in place of a lost one, from a module that is initialized anew since: without
    /// that, SoftHSM2 never finds a token again that was away.
    pub(super) fn reopen(
        &self,
        token: &Pkcs11Token,
        lost: &Opened,
        login: impl FnMut(&Session) -> Result<(), HsmError>,
    ) -> Result<Opened, HsmError> {
        self.initialize_anew(token, lost.generation)?;
        self.open(token, login)
    }

    fn open_session(
        &self,
        token: &Pkcs11Token,
        login: &mut dyn FnMut(&Session) -> Result<(), HsmError>,
    ) -> Result<Opened, HsmError> {
        let generation = self.read();
        let faults = Faults(token);
        let (slot, info) = self.slot(token)?;
        if info.user_pin_locked() {
            return Err(faults.pin_locked());
        }
        // A wrong PIN would lock the token, and whether this one is wrong nobody knows yet.
        if info.login_required() && info.user_pin_final_try() {
            return Err(faults.pin_last_try());
        }
        let session = match self.context.open_rw_session_no_drop(slot) {
            Err(Error::Pkcs11(RvError::TokenWriteProtected, _)) => self.context.open_ro_session_no_drop(slot),
            other => other,
        };
        let session = session.map_err(|error| faults.opening(error))?;
        if info.login_required()
            && let Err(error) = login(&session)
        {
            let _ = session.close(); // the reason for closing is the error worth telling
            return Err(error);
        }
        Ok(Opened { session: Some(session), generation: *generation, device: super::device(&info) })
    }

    /// Ends the module and begins it again, unless somebody else did since `seen`.
    fn initialize_anew(&self, token: &Pkcs11Token, seen: u64) -> Result<(), HsmError> {
        let mut generation = self.generation.write().unwrap_or_else(PoisonError::into_inner);
        if *generation != seen {
            return Ok(());
        }
        // A module that lost its device may fail to end; what counts is that it begins.
        let _ = self.context.clone().finalize();
        *generation += 1;
        initialize(&self.context).map_err(|error| Faults(token).absent(Some(error.into())))
    }

    /// Runs `work` on the session; gives nothing when the session is of an older generation.
    pub(super) fn with<T>(&self, opened: &Opened, work: impl FnOnce(&Session) -> T) -> Option<T> {
        let generation = self.read();
        let session = opened.session.as_ref().filter(|_| *generation == opened.generation)?;
        Some(work(session))
    }

    pub(super) fn close(&self, opened: &mut Opened) {
        let generation = self.read();
        if let Some(session) = opened.session.take().filter(|_| *generation == opened.generation) {
            let _ = session.close(); // it ends with the process at the latest
        }
    }

    /// Asks the token what it is, and how its PIN is.
    pub(super) fn token_info(&self, token: &Pkcs11Token) -> Result<TokenInfo, HsmError> {
        let _generation = self.read();
        self.slot(token).map(|(_, info)| info)
    }

    /// Returns every token that the module shows, with its slot.
    pub(super) fn tokens(&self, path: &Path) -> Result<Vec<(Slot, TokenInfo)>, HsmError> {
        let _generation = self.read();
        let failed =
            |error: Error| HsmError::ModuleNotLoadable { path: path.to_owned(), source: error.into() };
        let slots = self.context.get_slots_with_token().map_err(failed)?;
        let described =
            slots.into_iter().filter_map(|slot| Some((slot, self.context.get_token_info(slot).ok()?)));
        Ok(described.collect())
    }

    /// Returns the mechanisms that the module lists; none where it does not answer.
    pub(super) fn mechanisms(&self, slot: Slot) -> Vec<MechanismType> {
        let _generation = self.read();
        self.context.get_mechanism_list(slot).unwrap_or_default()
    }

    /// Runs `work` on a session without a login, and closes it.
    pub(super) fn in_public_session<T>(
        &self,
        slot: Slot,
        work: impl FnOnce(&Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _generation = self.read();
        let session = self.context.open_ro_session_no_drop(slot)?;
        let result = work(&session);
        let _ = session.close(); // it ends with the process at the latest
        result
    }

    fn slot(&self, token: &Pkcs11Token) -> Result<(Slot, TokenInfo), HsmError> {
        let faults = Faults(token);
        let slots = self.context.get_slots_with_token().map_err(|error| faults.absent(Some(error.into())))?;
        // A slot that tells nothing of its token holds another one.
        let described =
            slots.into_iter().filter_map(|slot| Some((slot, self.context.get_token_info(slot).ok()?)));
        let mut matching: Vec<_> = described.filter(|(_, info)| matches(token, info)).collect();
        match (matching.pop(), matching.len()) {
            (Some(found), 0) => Ok(found),
            (Some(_), others) => Err(faults.ambiguous(others + 1)),
            (None, _) => Err(faults.absent(None)),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, u64> {
        self.generation.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn initialize(context: &Pkcs11) -> Result<(), Error> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        other => other,
    }
}

fn matches(token: &Pkcs11Token, info: &TokenInfo) -> bool {
    let same = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    same(&token.token, info.label())
        && same(&token.manufacturer, info.manufacturer_id())
        && same(&token.serial, info.serial_number())
        && same(&token.model, info.model())
}
