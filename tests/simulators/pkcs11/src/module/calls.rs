//! The calls whose arguments or results a fault changes.
//!
//! Each passes the gate, then does what the fault of the moment asks and calls the real function. Not
//! here: every other call, and faults that concern any call (`gate`).
// Each function is PKCS#11's of the same name, with its contract for the arguments.
#![allow(non_snake_case)]

mod objects;
mod sessions;
mod signing;

use cryptoki_sys::CK_FUNCTION_LIST_3_2;

use super::{C_GetFunctionList, C_GetInterface, C_GetInterfaceList};

/// Calls a function of the real module.
macro_rules! real {
    ($entered:ident.$name:ident($($argument:expr),*)) => {
        match $entered.module.real.$name {
            // SAFETY: the program's own arguments, or such as the caller describes.
            Some(function) => unsafe { function($($argument),*) },
            None => cryptoki_sys::CKR_FUNCTION_NOT_SUPPORTED,
        }
    };
}

/// Passes the gate, or returns what it answers.
macro_rules! enter {
    ($name:ident) => {
        match $crate::module::gate::enter($crate::module::gate::Call::$name) {
            Ok(entered) => entered,
            Err(answer) => return answer,
        }
    };
}

use {enter, real};

/// Puts these calls in the places of their gates, where the real module has them.
pub(super) fn replace(list: &mut CK_FUNCTION_LIST_3_2) {
    macro_rules! put {
        ($($name:ident: $function:path),* $(,)?) => { $(list.$name = list.$name.map(|_| $function as _);)* };
    }
    put! {
        C_CloseAllSessions: sessions::C_CloseAllSessions,
        C_CloseSession: sessions::C_CloseSession,
        C_Finalize: sessions::C_Finalize,
        C_FindObjectsInit: objects::C_FindObjectsInit,
        C_GetAttributeValue: objects::C_GetAttributeValue,
        C_GetFunctionList: C_GetFunctionList,
        C_GetInterface: C_GetInterface,
        C_GetInterfaceList: C_GetInterfaceList,
        C_GetSlotInfo: sessions::C_GetSlotInfo,
        C_GetSlotList: sessions::C_GetSlotList,
        C_GetTokenInfo: sessions::C_GetTokenInfo,
        C_Initialize: sessions::C_Initialize,
        C_Login: sessions::C_Login,
        C_OpenSession: sessions::C_OpenSession,
        C_Sign: signing::C_Sign,
        C_SignFinal: signing::C_SignFinal,
        C_SignInit: signing::C_SignInit,
    }
}
