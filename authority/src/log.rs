//! The log as a tree: its heads, proofs that a document is in it, and whether all that is kept of it agrees.
//!
//! Reads what the repository keeps. Not here: appending, which is the repository's alone, signing checkpoints
//! (`workflow::checkpoint`), the text of checkpoints and proofs (`chancery-formats`).

pub mod export;
pub mod sealed;
pub mod shown;
pub mod tree;
pub mod verify;

pub use sealed::SealedBatch;
pub use tree::LogTree;
