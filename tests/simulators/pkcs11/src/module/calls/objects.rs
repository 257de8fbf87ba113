//! Objects: another one under a label, and keys that want the PIN for each use.
//!
//! Not here: signing with them.

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_BBOOL, CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE, CK_TRUE, CK_ULONG,
    CK_UNAVAILABLE_INFORMATION, CKA_ALWAYS_AUTHENTICATE, CKA_LABEL, CKR_BUFFER_TOO_SMALL, CKR_OK,
};

use super::{enter, real};
use crate::control::Fault;
use crate::module::gate::Entered;

/// The labels of [`Fault::OtherKey`], where it stands.
pub(super) fn other_key(entered: &Entered) -> Option<(String, String)> {
    entered.find(|fault| match fault {
        Fault::OtherKey { label, other } => Some((label.clone(), other.clone())),
        _ => None,
    })
}

/// Whether the attribute is the label, with this value.
///
/// # Safety
///
/// The attribute's value is null or as long as it says.
unsafe fn is_label(attribute: &CK_ATTRIBUTE, label: &str) -> bool {
    let value = attribute.pValue.cast::<u8>();
    attribute.type_ == CKA_LABEL
        && !value.is_null()
        && attribute.ulValueLen == label.len() as CK_ULONG
        // SAFETY: not null, and as long as it says.
        && unsafe { std::slice::from_raw_parts(value, label.len()) } == label.as_bytes()
}

/// Whether the object has this label, by what the real module tells.
pub(super) fn has_label(
    entered: &Entered,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    label: &str,
) -> bool {
    let mut value = vec![0_u8; 256];
    let length = value.len() as CK_ULONG;
    let mut attribute =
        CK_ATTRIBUTE { type_: CKA_LABEL, pValue: value.as_mut_ptr().cast(), ulValueLen: length };
    // The real module writes at most the 256 bytes that are there.
    let rv = real!(entered.C_GetAttributeValue(session, object, &raw mut attribute, 1));
    // SAFETY: the value points to the bytes just written; a length beyond them equals no label's.
    rv == CKR_OK && label.len() <= value.len() && unsafe { is_label(&attribute, label) }
}

pub(super) unsafe extern "C" fn C_FindObjectsInit(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    let entered = enter!(C_FindObjectsInit);
    let (Some((label, other)), false) = (other_key(&entered), template.is_null()) else {
        return real!(entered.C_FindObjectsInit(session, template, count));
    };
    // SAFETY: the program's template has `count` attributes.
    let mut attributes = unsafe { std::slice::from_raw_parts(template, count as usize) }.to_vec();
    for attribute in &mut attributes {
        // SAFETY: the values of the program's template are as long as they say.
        if unsafe { is_label(attribute, &label) } {
            attribute.pValue = other.as_ptr().cast_mut().cast();
        }
    }
    real!(entered.C_FindObjectsInit(session, attributes.as_mut_ptr(), count))
}

pub(super) unsafe extern "C" fn C_GetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    let entered = enter!(C_GetAttributeValue);
    if template.is_null() {
        return real!(entered.C_GetAttributeValue(session, object, template, count));
    }
    // SAFETY: the program's template has `count` attributes, which the call may write.
    let attributes = unsafe { std::slice::from_raw_parts_mut(template, count as usize) };
    let is_always = |attribute: &CK_ATTRIBUTE| {
        attribute.type_ == CKA_ALWAYS_AUTHENTICATE && entered.has(&Fault::AlwaysAuthenticate)
    };
    // The real module is asked for the others alone, which it may know when it does not know this one.
    let mut asked: Vec<CK_ATTRIBUTE> =
        attributes.iter().filter(|attribute| !is_always(attribute)).copied().collect();
    let mut rv = CKR_OK;
    if asked.len() == attributes.len() || !asked.is_empty() {
        rv = real!(entered.C_GetAttributeValue(session, object, asked.as_mut_ptr(), asked.len() as CK_ULONG));
    }
    let mut answered = asked.into_iter();
    for attribute in attributes {
        if is_always(attribute) {
            // SAFETY: the value is null or has as many bytes as it says.
            if !unsafe { answer_true(attribute) } {
                rv = CKR_BUFFER_TOO_SMALL;
            }
        } else if let Some(answer) = answered.next() {
            *attribute = answer;
        }
    }
    if rv == CKR_OK
        && let Some((label, other)) = other_key(&entered)
    {
        // SAFETY: the real function has filled the values.
        unsafe { rename(std::slice::from_raw_parts(template, count as usize), &other, &label) };
    }
    rv
}

/// Answers true, or the size of it where no room is given; tells whether the room is enough.
///
/// # Safety
///
/// The attribute's value is null or has room for as many bytes as it says.
unsafe fn answer_true(attribute: &mut CK_ATTRIBUTE) -> bool {
    let size = size_of::<CK_BBOOL>() as CK_ULONG;
    if !attribute.pValue.is_null() {
        if attribute.ulValueLen < size {
            attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            return false;
        }
        // SAFETY: not null, and with room.
        unsafe { attribute.pValue.cast::<CK_BBOOL>().write(CK_TRUE) };
    }
    attribute.ulValueLen = size;
    true
}

/// Writes the one label where the other stands; both have one length.
///
/// # Safety
///
/// The attributes' values are null or as long as they say.
unsafe fn rename(attributes: &[CK_ATTRIBUTE], from: &str, to: &str) {
    for attribute in attributes {
        // SAFETY: as the caller says.
        if unsafe { is_label(attribute, from) } {
            // SAFETY: the value is as long as `from`, and so is `to`.
            unsafe { to.as_ptr().copy_to_nonoverlapping(attribute.pValue.cast(), to.len()) };
        }
    }
}
