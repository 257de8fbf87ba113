//! Why something is not sold: the message says what, [`SaleError::hint`] what to do.

use crate::error::CommandError;

/// Why something is not sold.
#[allow(missing_docs)] // the messages document the variants
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaleError {
    #[error("add-ons {one} and {other} conflict")]
    AddOnConflict { one: String, other: String },
    #[error("add-on {add_on} is part of the package")]
    AddOnIncluded { add_on: String },
    #[error("add-on {add_on} requires add-on {required}")]
    AddOnMissing { add_on: String, required: String },
    #[error("add-on {add_on} does not go with edition {edition}")]
    AddOnOfOther { add_on: String, edition: String },
    #[error("add-on {add_on} is named twice")]
    AddOnTwice { add_on: String },
    #[error("the catalog is empty")]
    NoCatalog,
    #[error("what add-ons add to feature {feature} is more than a license can hold")]
    Overflow { feature: String },
    #[error("the price is more than a number can hold")]
    PriceOverflow,
    #[error("the catalog has no {kind} {id}")]
    Unknown { kind: &'static str, id: String, near: Option<String> },
}

impl SaleError {
    /// Returns the stable kebab-case code, as `--json` prints it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AddOnConflict { .. } => "add-on-conflict",
            Self::AddOnIncluded { .. } => "add-on-included",
            Self::AddOnMissing { .. } => "add-on-missing",
            Self::AddOnOfOther { .. } => "add-on-other-edition",
            Self::AddOnTwice { .. } => "add-on-twice",
            Self::NoCatalog => "catalog-empty",
            Self::Overflow { .. } => "feature-overflow",
            Self::PriceOverflow => "price-overflow",
            Self::Unknown { kind, .. } => match *kind {
                "add-on" => "add-on-unknown",
                "edition" => "edition-unknown",
                "package" => "package-unknown",
                "policy" => "policy-unknown",
                "price book" => "price-book-unknown",
                "product" => "product-unknown",
                "support level" => "support-unknown",
                _ => "territory-unknown",
            },
        }
    }

    /// Returns the next action.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::AddOnConflict { other, .. } => {
                format!("leave {other} out, or sell an edition that holds both")
            }
            Self::AddOnIncluded { add_on } => format!("leave `--add-on {add_on}` out"),
            Self::AddOnMissing { required, .. } => format!("sell it too, with `--add-on {required}`"),
            Self::AddOnOfOther { .. } => {
                "see with `chancery catalog show` which editions it goes with".to_owned()
            }
            Self::AddOnTwice { add_on } => {
                format!("name {add_on} once; more of what it adds is another add-on, or a greater quantity")
            }
            Self::NoCatalog => "apply a catalog with `chancery catalog apply FILE.toml`".to_owned(),
            Self::Overflow { .. } | Self::PriceOverflow => {
                "correct the number in the catalog, and apply it".to_owned()
            }
            Self::Unknown { near: Some(near), .. } => format!("is `{near}` meant?"),
            Self::Unknown { .. } => "see what there is with `chancery catalog show`".to_owned(),
        }
    }
}

impl From<SaleError> for CommandError {
    fn from(error: SaleError) -> Self {
        let made = match &error {
            SaleError::NoCatalog | SaleError::Unknown { .. } => Self::failed(error.code(), error.to_string()),
            _ => Self::refused(error.code(), error.to_string()),
        };
        made.hint(error.hint())
    }
}
