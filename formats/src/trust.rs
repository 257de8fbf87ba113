//! What trust rests on: the root set, what it delegates and takes back, the bundle of it all, and how custodians are
//! asked.

pub mod bundle;
pub mod closing;
pub mod exchange;
pub mod key_record;
pub mod manifest;
pub mod possession;
pub mod quorum;
pub mod revocation;
pub mod root;
pub mod transcript;

pub use bundle::Bundle;
pub use closing::{Closed, Closing};
pub use exchange::Exchange;
pub use key_record::{KeyMode, KeyRecord, Scope};
pub use manifest::Manifest;
pub use possession::Possession;
pub use quorum::{Custodians, Partners, Quorum};
pub use revocation::RevocationList;
pub use root::Root;
pub use transcript::Transcript;
