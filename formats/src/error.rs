//! Why bytes are not a document: what is wrong, in which field, at which byte.
//!
//! Errors carry no heap data, so a refusal costs as little as an acceptance.

use core::fmt;

/// Why bytes were refused: the fault, the field it was found in and the offset in the input.
///
/// The offset counts bytes from the start of the byte string that was being read: the document,
/// its protected header, its payload or its seal, as `field` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// Where in the document, as a dotted path of the names that the spec uses.
    pub field: &'static str,
    /// Byte offset of the item at fault.
    pub offset: usize,
}

impl DecodeError {
    /// Returns the stable kebab-case code of the fault.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.fault.code()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} at byte {}", self.fault, self.field, self.offset)
    }
}

impl core::error::Error for DecodeError {}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Every way in which bytes can fail to be a document.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// Every fault, for tests that want each to have a vector.
            pub const ALL: &[Fault] = &[$(Fault::$name),*];

            /// Returns the stable kebab-case code, as vectors and `--json` print it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Fault::$name => $code,)* }
            }
        }

        impl fmt::Display for Fault {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Fault::$name => $text,)* })
            }
        }
    };
}

faults! {
    /// The algorithm number is none of ours.
    AlgUnknown = "alg-unknown", "unknown algorithm";
    /// A map key occurs twice.
    DuplicateKey = "duplicate-key", "duplicate map key";
    /// The input ends inside an item.
    Truncated = "truncated", "truncated input";
    /// A float, `undefined`, `break`, an unassigned simple value or a reserved head.
    ForbiddenSimple = "forbidden-simple", "float or simple value that documents never hold";
    /// A tag other than the envelope's own.
    ForbiddenTag = "forbidden-tag", "tag inside a document";
    /// A hash that is not that of what it stands beside.
    HashWrong = "hash-wrong", "hash of something else than stands beside it";
    /// A header parameter that this envelope does not define, `crit` among them.
    HeaderUnknown = "header-unknown", "unknown header parameter";
    /// A string, array or map of indefinite length.
    IndefiniteLength = "indefinite-length", "indefinite length";
    /// Text that is not UTF-8.
    InvalidUtf8 = "invalid-utf8", "text that is not UTF-8";
    /// A public key that is not a point or not in canonical form.
    KeyInvalid = "key-invalid", "invalid public key";
    /// A required field is absent.
    Missing = "missing-field", "missing field";
    /// A length or number written in more bytes than it needs.
    NonMinimalHead = "non-minimal-head", "head longer than its value needs";
    /// A value outside the range that the spec states.
    OutOfRange = "out-of-range", "value out of range";
    /// An inclusion path that is not exactly as long as its tree asks.
    PathLength = "path-length", "inclusion path of the wrong length";
    /// A document schema that this release does not know.
    SchemaUnknown = "schema-unknown", "unknown schema";
    /// Text with characters that its field does not allow.
    TextForbidden = "text-forbidden", "text with characters its field does not allow";
    /// Nesting beyond eight levels.
    TooDeep = "too-deep", "nesting deeper than eight levels";
    /// More bytes than the document kind allows; checked before anything else.
    TooLarge = "too-large", "larger than its kind allows";
    /// Bytes after the end of the document.
    TrailingBytes = "trailing-bytes", "bytes after the end";
    /// The envelope's tag is not 18.
    TagWrong = "tag-wrong", "not a COSE_Sign1 with tag 18 alone";
    /// The typ header names another kind of document.
    TypWrong = "typ-wrong", "document of another kind";
    /// A non-negative key that the schema does not define.
    UnknownField = "unknown-field", "unknown field";
    /// The unprotected header is not empty.
    UnprotectedNotEmpty = "unprotected-not-empty", "unprotected header that is not empty";
    /// Map keys that do not ascend bytewise.
    UnsortedKeys = "unsorted-keys", "map keys out of order";
    /// Another CBOR type than the field has.
    WrongType = "wrong-type", "wrong type";
    /// A byte string of another length than the field has.
    WrongLength = "wrong-length", "wrong length";
}
