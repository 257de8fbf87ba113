//! The steps of each task, without terminal or SQL.
//!
//! Commands call these with arguments already read; these call the repository and the key backends.
//! Not here: printing (`commands`), SQL (`repository`), document formats.

pub mod catalog;
pub mod doctor;
pub mod entitlement;
pub mod export;
pub mod init;
pub mod issue;
pub mod label;
pub mod signing;
pub mod term;
pub mod trust;
