//! A reference as an argument: what is wrong with it is told in its own words, and never with its text.
//!
//! The parser of arguments repeats a value that it refuses, and a reference may carry a PIN. So it takes any text
//! here, and the command refuses it before anything else.

use std::convert::Infallible;
use std::str::FromStr;

use chancery_hsm_config::ReferenceError;

use crate::error::CommandError;

/// What the text of a reference reads as.
#[derive(Clone, Debug)]
pub struct Reference<T>(Result<T, ReferenceError>);

impl<T> Reference<T> {
    /// Returns the reference.
    ///
    /// # Errors
    ///
    /// A usage error for text that is none.
    pub fn get(&self) -> Result<&T, CommandError> {
        self.0.as_ref().map_err(|error| error.clone().into())
    }
}

impl<T: FromStr<Err = ReferenceError>> FromStr for Reference<T> {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.parse()))
    }
}
