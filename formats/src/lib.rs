//! Every document of Chancery on the wire: encode, strict decode, and the texts that carry it.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod approval;
pub mod cbor;
pub mod cose;
pub mod country;
pub mod document;
pub mod error;
pub mod grant;
pub mod id;
pub mod key;
pub mod license;
pub mod log;
pub mod merkle;
pub mod request;
pub mod seal;
pub mod site_record;
pub mod text;
pub mod trust;
pub mod witness;

pub use error::{DecodeError, Fault};
