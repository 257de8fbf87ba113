//! What can be known of the signatures that a key made elsewhere, by where the key is.
//!
//! Said in so many words wherever keys are reconciled, so that nobody takes silence for proof.

use chancery_hsm_config::KeyRef;
use chancery_hsm_config::reference::Location;

/// Says what can be known of a key's signatures; `is_forced` tells whether its device records each for good.
#[must_use]
pub fn what_can_be_known(reference: Option<&KeyRef>, is_forced: Option<bool>) -> &'static str {
    let Some(reference) = reference else {
        return "nothing here: the key is on another machine; reconcile there";
    };
    match (reference.location(), is_forced) {
        (Location::YubiHsm(..), Some(true)) => {
            "every signature by key, length and order, none of which the device can leave out; not what was signed"
        }
        (Location::YubiHsm(..), _) => {
            "the signatures that the device recorded by key, length and order; not whether it recorded each, since \
             forced audit is off or cannot be asked for"
        }
        (Location::Pkcs11(..), _) => {
            "the signatures that were asked for here; a PKCS#11 token keeps no log, so that one made elsewhere leaves \
             no trace"
        }
        (Location::Piv(..), _) => {
            "the signatures that were asked for here; a YubiKey keeps no log, so that one made elsewhere leaves no trace"
        }
        _ => {
            "the signatures that were asked for here; whoever has the key file and its passphrase signs elsewhere \
             without a trace"
        }
    }
}
