//! The offline license authority: what `chancery` does, apart from being a process.
//!
//! Commands read arguments and print; workflows hold the steps, without terminal or SQL; the repository
//! holds all SQL. Not here: document formats, key backends, the decision about a license, carriers.
#![forbid(unsafe_code)]

pub mod commands;
pub mod error;
pub mod home;
pub mod log;
pub mod output;
pub mod repository;
pub mod witness;
pub mod workflow;
