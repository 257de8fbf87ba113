//! What trust rests on: the root set, the records that delegate to keys, and the bundle of both.

pub mod bundle;
pub mod key_record;
pub mod root;

pub use bundle::Bundle;
pub use key_record::{KeyMode, KeyRecord, Scope};
pub use root::Root;
