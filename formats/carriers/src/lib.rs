//! How documents travel: safe files and sticks, QR pictures and terminal, and what people read.
//!
//! Both programs use this crate, so that a file, a picture and an error look alike on the authority's
//! machine and at the site. Documents are bytes here: they are carried, never decoded or trusted.
//! Not here: keys, databases, sockets.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod files;
pub mod load;
pub mod output;
pub mod picture;
pub mod report;
pub mod terminal;
pub mod text;
