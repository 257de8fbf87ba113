//! Names for people: what may be stored, and which character is at fault.
//!
//! A name that reorders or hides text could show an operator another customer than the one a license is
//! for, so it is refused when it comes in. Not here: escaping what is printed (`chancery-carriers`).

use chancery_formats::id::{is_hidden, is_label};

/// Why a text cannot name something for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Nothing, or only white space.
    #[error("a name for people cannot be empty")]
    Empty,
    /// A character that controls, reorders or hides text.
    #[error("character {position} is U+{:04X}, which controls, reorders or hides text", u32::from(*character))]
    Hidden {
        /// Counted in characters, from 1.
        position: usize,
        /// The character.
        character: char,
    },
    /// More bytes than documents allow.
    #[error("a name for people takes at most 128 bytes of UTF-8, not {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// White space at its start or end.
    #[error("a name for people cannot start or end with white space")]
    WhiteSpace,
}

impl LabelError {
    /// Returns the operator's next action.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Hidden { .. } => "type the name anew instead of pasting it",
            Self::Empty | Self::TooLong { .. } | Self::WhiteSpace => "give a name that fits on one line",
        }
    }
}

/// Checks that `text` may name something for people, by the rule of [`is_label`].
///
/// # Errors
///
/// [`LabelError`], the first hidden character before anything else.
pub fn check(text: &str) -> Result<(), LabelError> {
    if let Some((index, character)) = text.chars().enumerate().find(|(_, c)| is_hidden(*c)) {
        return Err(LabelError::Hidden { position: index + 1, character });
    }
    match text {
        _ if is_label(text) => Ok(()),
        _ if text.trim().is_empty() => Err(LabelError::Empty),
        _ if text.trim() != text => Err(LabelError::WhiteSpace),
        _ => Err(LabelError::TooLong { bytes: text.len() }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_character_at_fault_is_named() {
        assert_eq!(check("Müller & Søn"), Ok(()));
        let error = check("Mü\u{202e}x").unwrap_err();
        assert_eq!(error, LabelError::Hidden { position: 3, character: '\u{202e}' });
        assert_eq!(error.to_string(), "character 3 is U+202E, which controls, reorders or hides text");
        assert_eq!(
            check("a\u{1b}[2J").unwrap_err().to_string().split(',').next(),
            Some("character 2 is U+001B")
        );
    }

    #[test]
    fn other_unusable_names_are_refused() {
        assert_eq!(check(""), Err(LabelError::Empty));
        assert_eq!(check("  "), Err(LabelError::Empty));
        assert_eq!(check(" a"), Err(LabelError::WhiteSpace));
        assert_eq!(check(&"é".repeat(65)), Err(LabelError::TooLong { bytes: 130 }));
    }
}
