//! The words of a grant: each a number on the wire and a name for people.

use crate::cbor::Reader;
use crate::error::{DecodeError, Fault};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $number:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            /// Every word, by its number.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the word that people and JSON see.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            pub(super) const fn number(self) -> u64 {
                match self { $(Self::$variant => $number,)* }
            }

            pub(super) fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
                let start = *reader;
                match reader.uint(field)? {
                    $($number => Ok(Self::$variant),)*
                    _ => Err(start.fault(Fault::OutOfRange, field)),
                }
            }
        }
    };
}

words! {
    /// What was done to an entitlement.
    Change {
        /// It began.
        Grant = 1, "grant";
        /// What it grants was changed.
        Amend = 2, "amend";
        /// It runs out in another way from now on.
        Convert = 3, "convert";
        /// Its term was extended.
        Renew = 4, "renew";
        /// It went to another site or customer.
        Transfer = 5, "transfer";
        /// A part of it became an island.
        Split = 6, "split";
        /// It began as an island of another.
        SubGrant = 7, "sub-grant";
        /// Nothing is issued for it until it is resumed.
        Suspend = 8, "suspend";
        /// It is in force again.
        Resume = 9, "resume";
        /// It ended for good.
        Revoke = 10, "revoke";
    }
}

words! {
    /// Whether an entitlement is in force.
    State {
        /// It is.
        Active = 1, "active";
        /// Not now.
        Suspended = 2, "suspended";
        /// Never again.
        Revoked = 3, "revoked";
    }
}

words! {
    /// How an entitlement runs out.
    Model {
        /// Never.
        Perpetual = 1, "perpetual";
        /// With its term, unless it is renewed.
        Subscription = 2, "subscription";
        /// With its term, once on a device.
        Trial = 3, "trial";
    }
}

words! {
    /// What licenses of an entitlement are bound to.
    Binding {
        /// The key of the device that asks, and its components.
        Device = 1, "device";
        /// The site that they name.
        Site = 2, "site";
        /// Nothing.
        None = 3, "none";
    }
}
