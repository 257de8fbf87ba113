//! The library that products embed: is this license genuine, and may this feature run?
//!
//! ```text
//! bundle bytes ── Trust::load ──▶ Trust
//! license bytes ── verify_license(trust) ──▶ VerifiedLicense ── decide(context, feature) ──▶ Decision
//! ```
//!
//! Only a check can build a verified value. Nothing here reads a clock, a file or a network; the caller
//! passes the time and what it knows of the device. With the feature `std`, `device::collect` reads
//! the components of this machine. Verifying and deciding allocate nothing.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod approval;
pub mod checkpoint;
pub mod decision;
pub mod device;
pub mod error;
pub mod license;
pub mod request;
pub mod seal;
pub mod signature;
pub mod trust;

pub use chancery_formats as formats;

pub use approval::{ApprovalRefusal, VerifiedApproval, verify_approval};
pub use checkpoint::{LogKeys, LogRefusal, VerifiedCheckpoint, verify_checkpoint, verify_inclusion};
pub use decision::{
    Context, Decision, Explanation, Fact, Facts, Favorable, Reason, Seat, Verdict, decide, decide_for_holder,
    decide_for_request, decide_term, explain,
};
pub use error::{Refusal, Revoked};
pub use license::{Inclusion, VerifiedLicense, verify_license, verify_license_in_log};
pub use request::{Draft, VerifiedRequest, verify_request};
pub use trust::{Certified, Demands, Minima, Pin, Trust};
