//! The module: what a program that loads this library finds, and the state behind it.
//!
//! Configured by the environment, read once: `CHANCERY_FAULTS_MODULE` is the real module,
//! `CHANCERY_FAULTS_CONTROL` the control file, `CHANCERY_FAULTS_SIGNATURES` a file that grows by one byte
//! for each signature that the real module makes. `CHANCERY_FAULTS_VERSION=2.40` hides that the real module
//! has a later interface, and `CHANCERY_FAULTS_RESERVED` is a text that the real C_Initialize is passed in
//! the reserved place, where NSS wants one. Not here: calls one by one (`gate` for most, `calls` for those
//! that a fault changes).
#![allow(unsafe_code)] // a PKCS#11 module is an interface of C

mod calls;
mod gate;

use std::collections::BTreeMap;
use std::ffi::{CString, c_void};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::{env, ptr};

use cryptoki_sys::{
    CK_FLAGS, CK_FUNCTION_LIST, CK_FUNCTION_LIST_3_0, CK_FUNCTION_LIST_3_2, CK_INTERFACE, CK_RV,
    CK_SESSION_HANDLE, CK_SLOT_ID, CK_ULONG, CK_UTF8CHAR, CK_VERSION, CKR_ARGUMENTS_BAD,
    CKR_BUFFER_TOO_SMALL, CKR_FUNCTION_FAILED, CKR_GENERAL_ERROR, CKR_OK, Pkcs11,
};

use crate::control::Control;

/// The environment variable that names the real module.
pub const MODULE_VARIABLE: &str = "CHANCERY_FAULTS_MODULE";
/// The environment variable that names the control file.
pub const CONTROL_VARIABLE: &str = "CHANCERY_FAULTS_CONTROL";
/// The environment variable that names the file of signatures.
pub const SIGNATURES_VARIABLE: &str = "CHANCERY_FAULTS_SIGNATURES";
/// The environment variable that holds the highest version to show; only `2.40` means anything.
pub const VERSION_VARIABLE: &str = "CHANCERY_FAULTS_VERSION";

/// The environment variable that holds the text for the reserved place of C_Initialize.
pub const RESERVED_VARIABLE: &str = "CHANCERY_FAULTS_RESERVED";

const INTERFACE_NAME: &[u8; 8] = b"PKCS 11\0";
const VERSION_2_40: CK_VERSION = CK_VERSION { major: 2, minor: 40 };

static MODULE: OnceLock<Option<Module>> = OnceLock::new();

struct Module {
    /// The real module's functions; those that it lacks are empty.
    real: CK_FUNCTION_LIST_3_2,
    /// What the program is given, with the real module's version.
    shown: CK_FUNCTION_LIST_3_2,
    /// The same functions, as far as v2.40 has them.
    shown_2_40: CK_FUNCTION_LIST_3_2,
    control: Control,
    signatures: PathBuf,
    reserved: Option<CString>,
    /// Open sessions and their slots.
    sessions: Mutex<BTreeMap<CK_SESSION_HANDLE, CK_SLOT_ID>>,
    /// Calls share it; what ends sessions behind the program's back holds it alone.
    order: RwLock<()>,
    /// The real module's code stays loaded.
    _library: Pkcs11,
}

impl Module {
    fn get() -> Option<&'static Self> {
        MODULE.get_or_init(|| Self::load().inspect_err(|reason| eprintln!("faults: {reason}")).ok()).as_ref()
    }

    fn load() -> Result<Self, String> {
        let variable =
            |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set"));
        let path = variable(MODULE_VARIABLE)?;
        let only_2_40 = env::var(VERSION_VARIABLE).is_ok_and(|version| version == "2.40");
        let failed = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
        // SAFETY: loading runs the module's initializers, which is what the test asks for.
        let library = unsafe { Pkcs11::new(&path) }.map_err(|error| failed(&error))?;
        // SAFETY: the library stays loaded as long as its functions are kept.
        let real = unsafe { functions(&library, only_2_40) }.map_err(|rv| failed(&format!("{rv:#x}")))?;
        let mut shown = gate::guard(&real);
        calls::replace(&mut shown);
        Ok(Self {
            real,
            shown,
            shown_2_40: CK_FUNCTION_LIST_3_2 {
                version: if real.version.major < 3 { real.version } else { VERSION_2_40 },
                ..shown
            },
            control: Control::new(variable(CONTROL_VARIABLE)?),
            signatures: variable(SIGNATURES_VARIABLE)?,
            reserved: env::var(RESERVED_VARIABLE).ok().and_then(|text| CString::new(text).ok()),
            sessions: Mutex::default(),
            order: RwLock::default(),
            _library: library,
        })
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<CK_SESSION_HANDLE, CK_SLOT_ID>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every session, as a device does that restarts.
    fn end_sessions(&self) {
        let slots: Vec<CK_SLOT_ID> = std::mem::take(&mut *self.sessions()).into_values().collect();
        for slot in slots {
            if let Some(close) = self.real.C_CloseAllSessions {
                // SAFETY: the function takes any number; `order` keeps every other call out.
                unsafe { close(slot) };
            }
        }
    }

    /// Notes one signature that the real module made.
    fn count_signature(&self) -> Result<(), CK_RV> {
        let file = OpenOptions::new().create(true).append(true).open(&self.signatures);
        file.and_then(|mut file| file.write_all(b"s")).map_err(|error| {
            eprintln!("faults: {}: {error}", self.signatures.display());
            CKR_FUNCTION_FAILED
        })
    }
}

/// Copies the functions of the module's default interface, of whichever version it is.
///
/// # Safety
///
/// `library` is a PKCS#11 module.
unsafe fn functions(library: &Pkcs11, only_2_40: bool) -> Result<CK_FUNCTION_LIST_3_2, CK_RV> {
    let mut interface: *mut CK_INTERFACE = ptr::null_mut();
    if let (Ok(get), false) = (&library.C_GetInterface, only_2_40) {
        // SAFETY: no name and no version ask for the default; the result is read after it is checked.
        let rv = unsafe { get(ptr::null_mut(), ptr::null_mut(), &mut interface, 0) };
        if rv == CKR_OK && !interface.is_null() {
            // SAFETY: the module keeps its interfaces and their lists as long as it is loaded, and each
            // list is as long as its version says.
            return Ok(unsafe { widened((*interface).pFunctionList) });
        }
    }
    let get = library.C_GetFunctionList.as_ref().map_err(|_| CKR_GENERAL_ERROR)?;
    let mut list: *mut CK_FUNCTION_LIST = ptr::null_mut();
    // SAFETY: `list` is written by the function and read after it is checked.
    match unsafe { get(&mut list) } {
        // SAFETY: as above.
        CKR_OK if !list.is_null() => Ok(unsafe { widened(list.cast()) }),
        CKR_OK => Err(CKR_GENERAL_ERROR),
        rv => Err(rv),
    }
}

/// Copies a list of functions into the longest form.
///
/// # Safety
///
/// `list` points to a list that is as long as its version says.
unsafe fn widened(list: *const c_void) -> CK_FUNCTION_LIST_3_2 {
    // SAFETY: every list begins with its version.
    let version = unsafe { *list.cast::<CK_VERSION>() };
    let length = match (version.major, version.minor) {
        (..3, _) => size_of::<CK_FUNCTION_LIST>(),
        (3, ..2) => size_of::<CK_FUNCTION_LIST_3_0>(),
        _ => size_of::<CK_FUNCTION_LIST_3_2>(),
    };
    let mut wide = CK_FUNCTION_LIST_3_2::default();
    // SAFETY: shorter lists are beginnings of longer ones, and empty functions are all zeros.
    unsafe { ptr::copy_nonoverlapping(list.cast::<u8>(), (&raw mut wide).cast::<u8>(), length) };
    wide
}

/// The interfaces shown to the program: the default first.
struct Interfaces([CK_INTERFACE; 2]);

// SAFETY: the pointers lead to the module's lists and a constant, which nobody changes.
unsafe impl Send for Interfaces {}
// SAFETY: as above.
unsafe impl Sync for Interfaces {}

static INTERFACES: OnceLock<Interfaces> = OnceLock::new();

fn interfaces(module: &'static Module) -> &'static [CK_INTERFACE] {
    let interface = |list: &'static CK_FUNCTION_LIST_3_2| CK_INTERFACE {
        pInterfaceName: INTERFACE_NAME.as_ptr().cast_mut(),
        pFunctionList: ptr::from_ref(list).cast_mut().cast(),
        flags: 0,
    };
    let all =
        &INTERFACES.get_or_init(|| Interfaces([interface(&module.shown), interface(&module.shown_2_40)])).0;
    // A real module of v2.40 has one interface.
    if module.real.version.major < 3 { &all[1..] } else { all }
}

/// Gives the functions of v2.40.
///
/// # Safety
///
/// As PKCS#11 has it: `list` points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    let Some(module) = Module::get() else { return CKR_GENERAL_ERROR };
    if list.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    // SAFETY: `list` is not null, and the longer list begins as the shorter one.
    unsafe { *list = ptr::from_ref(&module.shown_2_40).cast_mut().cast() };
    CKR_OK
}

/// Lists the interfaces: that of the real module's version, and v2.40.
///
/// # Safety
///
/// As PKCS#11 has it: `count` points to the number of interfaces that `list` has room for, unless it is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInterfaceList(list: *mut CK_INTERFACE, count: *mut CK_ULONG) -> CK_RV {
    let Some(module) = Module::get() else { return CKR_GENERAL_ERROR };
    if count.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    let all = interfaces(module);
    // SAFETY: `count` is not null.
    let room = unsafe { count.replace(all.len() as CK_ULONG) };
    if list.is_null() {
        return CKR_OK;
    }
    if room < all.len() as CK_ULONG {
        return CKR_BUFFER_TOO_SMALL;
    }
    // SAFETY: there is room for all of them.
    unsafe { ptr::copy_nonoverlapping(all.as_ptr(), list, all.len()) };
    CKR_OK
}

/// Gives the interface of a name and a version, or the default.
///
/// # Safety
///
/// As PKCS#11 has it: `name` ends with a zero, and the pointers are valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInterface(
    name: *mut CK_UTF8CHAR,
    version: *mut CK_VERSION,
    interface: *mut *mut CK_INTERFACE,
    flags: CK_FLAGS,
) -> CK_RV {
    let Some(module) = Module::get() else { return CKR_GENERAL_ERROR };
    if interface.is_null() || flags != 0 {
        return CKR_ARGUMENTS_BAD;
    }
    // SAFETY: a name ends with a zero, so none is longer than the comparison reads.
    if !name.is_null() && !(0..INTERFACE_NAME.len()).all(|at| unsafe { *name.add(at) } == INTERFACE_NAME[at])
    {
        return CKR_ARGUMENTS_BAD;
    }
    // SAFETY: `version` is null or points to one.
    let wanted = unsafe { version.as_ref() }.map(|version| (version.major, version.minor));
    let matches = |list: &CK_FUNCTION_LIST_3_2| {
        wanted.is_none_or(|wanted| wanted == (list.version.major, list.version.minor))
    };
    let lists = if module.real.version.major < 3 {
        &[&module.shown_2_40][..]
    } else {
        &[&module.shown, &module.shown_2_40][..]
    };
    let Some(place) = lists.iter().position(|list| matches(list)) else { return CKR_FUNCTION_FAILED };
    // SAFETY: `interface` is not null.
    unsafe { *interface = (&raw const interfaces(module)[place]).cast_mut() };
    CKR_OK
}
