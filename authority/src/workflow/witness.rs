//! Witnesses: what one machine asks, what the other refuses and signs, and what the first makes of the answer.
//!
//! On the witness's machine: [`found`], [`judge`], [`sign`]. On the authority's: [`ask`], [`complete`]. They share
//! the exchange file and nothing else. Not here: the file's form (`chancery-formats`), keeping a witness's memory
//! (`witness`).

pub mod ask;
pub mod complete;
pub mod found;
pub mod judge;
pub mod sign;
mod statement;
pub mod summary;
