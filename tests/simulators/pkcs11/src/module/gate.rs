//! The gate that every call passes: faults that concern any call, then the real function.
//!
//! The gates are generated: one generic function for each number of arguments, made for each function of
//! the list by its number. Not here: calls whose arguments or results a fault changes (`calls`).

use std::sync::RwLockReadGuard;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread;
use std::time::Duration;
use std::{mem, ptr};

use cryptoki_sys::{
    CK_FUNCTION_LIST_3_2, CK_RV, CKR_DEVICE_REMOVED, CKR_FUNCTION_NOT_SUPPORTED, CKR_GENERAL_ERROR,
    CKR_SESSION_HANDLE_INVALID, CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED,
};

use super::Module;
use crate::control::Fault;

/// A call that may go on: the faults of the moment, and the place in the order of calls.
pub(super) struct Entered {
    pub(super) module: &'static Module,
    faults: Vec<Fault>,
    _order: RwLockReadGuard<'static, ()>,
}

impl Entered {
    pub(super) fn has(&self, fault: &Fault) -> bool {
        self.faults.contains(fault)
    }

    pub(super) fn find<T>(&self, pick: impl FnMut(&Fault) -> Option<T>) -> Option<T> {
        self.faults.iter().find_map(pick)
    }

    /// Strikes a fault out that happens once; tells whether it is there.
    pub(super) fn take(&self, fault: &Fault) -> Result<bool, CK_RV> {
        take(self.module, fault)
    }
}

fn take(module: &Module, fault: &Fault) -> Result<bool, CK_RV> {
    module.control.take(fault).map_err(|error| {
        eprintln!("faults: {}: {error}", module.control.path().display());
        CKR_GENERAL_ERROR
    })
}

/// Lets a call pass, after the faults that concern it.
pub(super) fn enter(call: Call) -> Result<Entered, CK_RV> {
    let module = Module::get().ok_or(CKR_GENERAL_ERROR)?;
    let faults = module.control.faults().map_err(|error| {
        eprintln!("faults: {}: {error}", module.control.path().display());
        CKR_GENERAL_ERROR
    })?;
    if call.signs_uncounted() {
        return Err(CKR_FUNCTION_NOT_SUPPORTED);
    }
    for fault in &faults {
        if let Fault::Latency(millis) = fault {
            thread::sleep(Duration::from_millis(*millis));
        }
    }
    if call != Call::C_Initialize {
        happen(module)?;
    }
    let answer = if faults.contains(&Fault::TokenPulled) {
        call.without_token()
    } else if faults.contains(&Fault::TokenBlank) {
        call.on_blank_token()
    } else {
        None
    };
    if let Some(answer) = answer {
        let _alone = module.order.write();
        module.end_sessions();
        return Err(answer);
    }
    let order = module.order.read().map_err(|_| CKR_GENERAL_ERROR)?;
    Ok(Entered { module, faults, _order: order })
}

/// Makes what happens once, between two calls of the program.
fn happen(module: &Module) -> Result<(), CK_RV> {
    if take(module, &Fault::ModuleUnloaded)? {
        let _alone = module.order.write();
        module.sessions().clear();
        if let Some(finalize) = module.real.C_Finalize {
            // SAFETY: no other call runs, and the argument has to be null.
            unsafe { finalize(ptr::null_mut()) };
        }
    }
    if take(module, &Fault::SessionsLost)? {
        let _alone = module.order.write();
        module.end_sessions();
    }
    Ok(())
}

/// A function pointer that has a gate.
trait Guarded<const CALL: usize>: Sized {
    const GATE: Self;
}

/// Gives the gate of the function that stands in the list's place number `CALL`.
fn gate<const CALL: usize, F: Guarded<CALL>>(_real: F) -> F {
    F::GATE
}

macro_rules! guarded {
    ($($argument:ident: $type:ident),*) => {
        impl<const CALL: usize, $($type),*> Guarded<CALL> for unsafe extern "C" fn($($type),*) -> CK_RV {
            const GATE: Self = {
                #[allow(clippy::too_many_arguments)]
                unsafe extern "C" fn gate<const CALL: usize, $($type),*>($($argument: $type),*) -> CK_RV {
                    let _entered = match enter(Call::ALL[CALL]) {
                        Ok(entered) => entered,
                        Err(answer) => return answer,
                    };
                    let real = REAL[CALL].load(Ordering::Acquire);
                    if real.is_null() {
                        return CKR_FUNCTION_NOT_SUPPORTED;
                    }
                    // SAFETY: the address was stored for this place of the list, whose type this is.
                    let real = unsafe {
                        mem::transmute::<*mut (), unsafe extern "C" fn($($type),*) -> CK_RV>(real)
                    };
                    // SAFETY: the program's own arguments.
                    unsafe { real($($argument),*) }
                }
                gate::<CALL, $($type),*>
            };
        }
    };
}

guarded!(a: A);
guarded!(a: A, b: B);
guarded!(a: A, b: B, c: C);
guarded!(a: A, b: B, c: C, d: D);
guarded!(a: A, b: B, c: C, d: D, e: E);
guarded!(a: A, b: B, c: C, d: D, e: E, f: F);
guarded!(a: A, b: B, c: C, d: D, e: E, f: F, g: G);
guarded!(a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H);
guarded!(a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I);
guarded!(a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I, j: J);

macro_rules! calls {
    ($($name:ident)*) => {
        /// The functions of PKCS#11, in the order of the list.
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Call { $($name),* }

        impl Call {
            const ALL: &[Self] = &[$(Self::$name),*];
        }

        /// The real functions' addresses; null where the module has none.
        static REAL: [AtomicPtr<()>; Call::ALL.len()] =
            [const { AtomicPtr::new(ptr::null_mut()) }; Call::ALL.len()];

        /// Keeps the real functions, and returns a list of gates to them.
        pub(super) fn guard(real: &CK_FUNCTION_LIST_3_2) -> CK_FUNCTION_LIST_3_2 {
            $(
                let address = real.$name.map_or(ptr::null_mut(), |function| function as *mut ());
                REAL[Call::$name as usize].store(address, Ordering::Release);
            )*
            CK_FUNCTION_LIST_3_2 {
                version: real.version,
                $($name: real.$name.map(gate::<{ Call::$name as usize }, _>),)*
            }
        }
    };
}

calls! {
    C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo
    C_GetMechanismList C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN C_OpenSession C_CloseSession
    C_CloseAllSessions C_GetSessionInfo C_GetOperationState C_SetOperationState C_Login C_Logout
    C_CreateObject C_CopyObject C_DestroyObject C_GetObjectSize C_GetAttributeValue C_SetAttributeValue
    C_FindObjectsInit C_FindObjects C_FindObjectsFinal C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal
    C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest C_DigestUpdate C_DigestKey
    C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover C_VerifyInit
    C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate
    C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey C_GenerateKeyPair C_WrapKey
    C_UnwrapKey C_DeriveKey C_SeedRandom C_GenerateRandom C_GetFunctionStatus C_CancelFunction
    C_WaitForSlotEvent C_GetInterfaceList C_GetInterface C_LoginUser C_SessionCancel C_MessageEncryptInit
    C_EncryptMessage C_EncryptMessageBegin C_EncryptMessageNext C_MessageEncryptFinal C_MessageDecryptInit
    C_DecryptMessage C_DecryptMessageBegin C_DecryptMessageNext C_MessageDecryptFinal C_MessageSignInit
    C_SignMessage C_SignMessageBegin C_SignMessageNext C_MessageSignFinal C_MessageVerifyInit C_VerifyMessage
    C_VerifyMessageBegin C_VerifyMessageNext C_MessageVerifyFinal C_EncapsulateKey C_DecapsulateKey
    C_VerifySignatureInit C_VerifySignature C_VerifySignatureUpdate C_VerifySignatureFinal
    C_GetSessionValidationFlags C_AsyncComplete C_AsyncGetID C_AsyncJoin C_WrapKeyAuthenticated
    C_UnwrapKeyAuthenticated
}

impl Call {
    /// Whether it makes signatures in a way that is not counted: such calls are refused, so that the count
    /// is true.
    fn signs_uncounted(self) -> bool {
        matches!(
            self,
            Self::C_MessageSignInit
                | Self::C_SignEncryptUpdate
                | Self::C_SignRecoverInit
                | Self::C_AsyncComplete
        )
    }

    /// What the call answers while the token is pulled; nothing where it needs none.
    fn without_token(self) -> Option<CK_RV> {
        match self {
            Self::C_Initialize
            | Self::C_Finalize
            | Self::C_GetInfo
            | Self::C_GetFunctionList
            | Self::C_GetInterface
            | Self::C_GetInterfaceList
            | Self::C_GetSlotInfo
            | Self::C_GetSlotList
            | Self::C_WaitForSlotEvent => None,
            Self::C_CloseAllSessions
            | Self::C_GetMechanismInfo
            | Self::C_GetMechanismList
            | Self::C_GetTokenInfo
            | Self::C_InitToken
            | Self::C_OpenSession => Some(CKR_TOKEN_NOT_PRESENT),
            _ => Some(CKR_DEVICE_REMOVED),
        }
    }

    /// What the call answers where the token is blank: whatever needs an object or a login has none.
    fn on_blank_token(self) -> Option<CK_RV> {
        match self {
            Self::C_OpenSession | Self::C_InitToken => Some(CKR_TOKEN_NOT_RECOGNIZED),
            Self::C_GetMechanismInfo | Self::C_GetMechanismList | Self::C_GetTokenInfo => None,
            other => other.without_token().map(|_| CKR_SESSION_HANDLE_INVALID),
        }
    }
}
