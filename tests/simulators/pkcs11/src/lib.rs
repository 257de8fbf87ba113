//! A PKCS#11 module that stands before a real one and injects faults, and the tokens that tests put
//! behind it.
//!
//! As a shared library it is loaded by path in place of the module that `CHANCERY_FAULTS_MODULE` names
//! ([`module`]); the faults of the moment stand in a file that a test writes ([`control`]). As a Rust
//! library it makes tokens of real modules ([`tokens`]) and is the fixture that the conformance suite of
//! `chancery-hsm-config` runs on ([`fixture`]). For tests: nothing here protects a key.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test library: what fails, fails the test

pub mod control;
pub mod fixture;
pub mod module;
pub mod tokens;
