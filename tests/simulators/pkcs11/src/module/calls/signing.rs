//! Signatures: counted when the real module has made them, then lost or changed.
//!
//! Not here: calls that sign without counting, which the gate refuses.

use cryptoki_sys::{
    CK_BYTE, CK_MECHANISM, CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE, CK_ULONG, CKR_DEVICE_ERROR,
    CKR_KEY_HANDLE_INVALID, CKR_OK,
};

use super::objects::{has_label, other_key};
use super::{enter, real};
use crate::control::Fault;
use crate::module::gate::Entered;

pub(super) unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    let entered = enter!(C_SignInit);
    // The key that had the label before is gone.
    if other_key(&entered).is_some_and(|(label, _)| has_label(&entered, session, key, &label)) {
        return CKR_KEY_HANDLE_INVALID;
    }
    real!(entered.C_SignInit(session, mechanism, key))
}

pub(super) unsafe extern "C" fn C_Sign(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_length: CK_ULONG,
    signature: *mut CK_BYTE,
    length: *mut CK_ULONG,
) -> CK_RV {
    let entered = enter!(C_Sign);
    let rv = real!(entered.C_Sign(session, data, data_length, signature, length));
    if rv != CKR_OK || signature.is_null() {
        return rv; // the length was asked for
    }
    // SAFETY: the real function has written that many bytes.
    made(&entered, unsafe { std::slice::from_raw_parts_mut(signature, *length as usize) })
}

pub(super) unsafe extern "C" fn C_SignFinal(
    session: CK_SESSION_HANDLE,
    signature: *mut CK_BYTE,
    length: *mut CK_ULONG,
) -> CK_RV {
    let entered = enter!(C_SignFinal);
    let rv = real!(entered.C_SignFinal(session, signature, length));
    if rv != CKR_OK || signature.is_null() {
        return rv; // the length was asked for
    }
    // SAFETY: the real function has written that many bytes.
    made(&entered, unsafe { std::slice::from_raw_parts_mut(signature, *length as usize) })
}

/// Counts a signature that the real module made, and lets the faults of the moment have it.
fn made(entered: &Entered, signature: &mut [u8]) -> CK_RV {
    match entered.module.count_signature().and_then(|()| spoil(entered, signature)) {
        Ok(()) => CKR_OK,
        Err(answer) => answer,
    }
}

fn spoil(entered: &Entered, signature: &mut [u8]) -> Result<(), CK_RV> {
    if entered.take(&Fault::SignatureWrong)?
        && let Some(byte) = signature.last_mut()
    {
        *byte ^= 1;
    }
    if entered.take(&Fault::ReplyLost)? {
        signature.fill(0);
        return Err(CKR_DEVICE_ERROR);
    }
    Ok(())
}
