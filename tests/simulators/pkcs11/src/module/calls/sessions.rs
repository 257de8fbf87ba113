//! Slots, tokens, sessions and logins.
//!
//! Keeps the list of open sessions, by which the limit counts. Not here: objects and signatures.

use std::ffi::c_void;
use std::ptr;

use cryptoki_sys::{
    CK_BBOOL, CK_C_INITIALIZE_ARGS, CK_FALSE, CK_FLAGS, CK_NOTIFY, CK_RV, CK_SESSION_HANDLE, CK_SLOT_ID,
    CK_SLOT_INFO, CK_TOKEN_INFO, CK_ULONG, CK_USER_TYPE, CK_UTF8CHAR, CKF_TOKEN_INITIALIZED,
    CKF_TOKEN_PRESENT, CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_INITIALIZED,
    CKF_USER_PIN_LOCKED, CKR_ARGUMENTS_BAD, CKR_OK, CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_SESSION_COUNT,
    CKU_CONTEXT_SPECIFIC,
};

use super::{enter, real};
use crate::control::Fault;

/// What a null argument means: one thread, and no locks.
const NO_ARGUMENTS: CK_C_INITIALIZE_ARGS = CK_C_INITIALIZE_ARGS {
    CreateMutex: None,
    DestroyMutex: None,
    LockMutex: None,
    UnlockMutex: None,
    flags: 0,
    pReserved: ptr::null_mut(),
};

pub(super) unsafe extern "C" fn C_Initialize(arguments: *mut c_void) -> CK_RV {
    let entered = enter!(C_Initialize);
    let Some(reserved) = &entered.module.reserved else {
        return real!(entered.C_Initialize(arguments));
    };
    // SAFETY: the argument is null or points to this structure.
    let given = unsafe { arguments.cast::<CK_C_INITIALIZE_ARGS>().as_ref() };
    let mut arguments = given.copied().unwrap_or(NO_ARGUMENTS);
    arguments.pReserved = reserved.as_ptr().cast_mut().cast();
    real!(entered.C_Initialize((&raw mut arguments).cast()))
}

pub(super) unsafe extern "C" fn C_Finalize(reserved: *mut c_void) -> CK_RV {
    let entered = enter!(C_Finalize);
    entered.module.sessions().clear();
    real!(entered.C_Finalize(reserved))
}

pub(super) unsafe extern "C" fn C_GetSlotList(
    with_token: CK_BBOOL,
    slots: *mut CK_SLOT_ID,
    count: *mut CK_ULONG,
) -> CK_RV {
    let entered = enter!(C_GetSlotList);
    if !entered.has(&Fault::TokenPulled) || with_token == CK_FALSE {
        return real!(entered.C_GetSlotList(with_token, slots, count));
    }
    // SAFETY: `count` is null or points to a number.
    let Some(count) = (unsafe { count.as_mut() }) else { return CKR_ARGUMENTS_BAD };
    *count = 0;
    CKR_OK
}

pub(super) unsafe extern "C" fn C_GetSlotInfo(slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO) -> CK_RV {
    let entered = enter!(C_GetSlotInfo);
    let rv = real!(entered.C_GetSlotInfo(slot, info));
    if rv == CKR_OK && entered.has(&Fault::TokenPulled) {
        // SAFETY: the real function has filled it.
        unsafe { (*info).flags &= !CKF_TOKEN_PRESENT };
    }
    rv
}

pub(super) unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    let entered = enter!(C_GetTokenInfo);
    let rv = real!(entered.C_GetTokenInfo(slot, info));
    if rv == CKR_OK && entered.has(&Fault::TokenBlank) {
        // SAFETY: the real function has filled it.
        let info = unsafe { &mut *info };
        info.label = [b' '; 32];
        info.flags &= !(CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED);
    }
    let flags = [
        (Fault::PinCountLow, CKF_USER_PIN_COUNT_LOW),
        (Fault::PinFinalTry, CKF_USER_PIN_FINAL_TRY),
        (Fault::PinLockedFlag, CKF_USER_PIN_LOCKED),
    ];
    for (_, flag) in flags.iter().filter(|(fault, _)| rv == CKR_OK && entered.has(fault)) {
        // SAFETY: the real function has filled it.
        unsafe { (*info).flags |= flag };
    }
    rv
}

pub(super) unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: *mut c_void,
    notify: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    let entered = enter!(C_OpenSession);
    let mut sessions = entered.module.sessions();
    let limit = entered.find(|fault| match fault {
        Fault::SessionLimit(limit) => Some(*limit),
        _ => None,
    });
    if limit.is_some_and(|limit| sessions.len() >= limit) {
        return CKR_SESSION_COUNT;
    }
    let rv = real!(entered.C_OpenSession(slot, flags, application, notify, session));
    if rv == CKR_OK {
        // SAFETY: the real function has filled it.
        sessions.insert(unsafe { *session }, slot);
    }
    rv
}

pub(super) unsafe extern "C" fn C_CloseSession(session: CK_SESSION_HANDLE) -> CK_RV {
    let entered = enter!(C_CloseSession);
    let rv = real!(entered.C_CloseSession(session));
    if rv == CKR_OK {
        entered.module.sessions().remove(&session);
    }
    rv
}

pub(super) unsafe extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    let entered = enter!(C_CloseAllSessions);
    let rv = real!(entered.C_CloseAllSessions(slot));
    if rv == CKR_OK {
        entered.module.sessions().retain(|_, other| *other != slot);
    }
    rv
}

pub(super) unsafe extern "C" fn C_Login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    length: CK_ULONG,
) -> CK_RV {
    let entered = enter!(C_Login);
    if entered.has(&Fault::PinLocked) {
        return CKR_PIN_LOCKED;
    }
    if entered.has(&Fault::PinIncorrect) {
        return CKR_PIN_INCORRECT;
    }
    if user == CKU_CONTEXT_SPECIFIC && entered.has(&Fault::ContextLoginAccepted) {
        return CKR_OK;
    }
    real!(entered.C_Login(session, user, pin, length))
}
