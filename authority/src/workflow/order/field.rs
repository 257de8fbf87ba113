//! What a line of an order may say.

/// One thing that a line of an order may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// What it does: new, amend, renew or convert.
    Action,
    /// Add-ons beside those of the package.
    AddOns,
    /// Id of the customer.
    Customer,
    /// Name for people of a customer who may be new.
    CustomerName,
    /// How far it renews, in days.
    Days,
    /// Edition of the product.
    Edition,
    /// First day or instant of the term.
    From,
    /// Number of the line in the order.
    Line,
    /// How far it renews, in months.
    Months,
    /// The entitlement or the order that it changes.
    Of,
    /// The line of that order.
    OfLine,
    /// Number of the order.
    Order,
    /// Package of the product.
    Package,
    /// Policy of the catalog.
    Policy,
    /// Product of the catalog.
    Product,
    /// Activations.
    Quantity,
    /// Why, for those who read the history.
    Reason,
    /// Site that licenses name.
    Site,
    /// Support level of the catalog.
    Support,
    /// Territory of the catalog.
    Territory,
    /// Last day or instant of the term.
    Until,
    /// How far it renews, in years.
    Years,
}

impl Field {
    /// Every field, by name.
    pub const ALL: [Self; 22] = [
        Self::Action,
        Self::AddOns,
        Self::Customer,
        Self::CustomerName,
        Self::Days,
        Self::Edition,
        Self::From,
        Self::Line,
        Self::Months,
        Self::Of,
        Self::OfLine,
        Self::Order,
        Self::Package,
        Self::Policy,
        Self::Product,
        Self::Quantity,
        Self::Reason,
        Self::Site,
        Self::Support,
        Self::Territory,
        Self::Until,
        Self::Years,
    ];

    /// Returns what it is called in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::AddOns => "add_ons",
            Self::Customer => "customer",
            Self::CustomerName => "customer_name",
            Self::Days => "days",
            Self::Edition => "edition",
            Self::From => "from",
            Self::Line => "line",
            Self::Months => "months",
            Self::Of => "of",
            Self::OfLine => "of_line",
            Self::Order => "order",
            Self::Package => "package",
            Self::Policy => "policy",
            Self::Product => "product",
            Self::Quantity => "quantity",
            Self::Reason => "reason",
            Self::Site => "site",
            Self::Support => "support",
            Self::Territory => "territory",
            Self::Until => "until",
            Self::Years => "years",
        }
    }

    /// Returns whether it says what is sold.
    #[must_use]
    pub const fn is_of_goods(self) -> bool {
        matches!(
            self,
            Self::AddOns
                | Self::Edition
                | Self::Package
                | Self::Policy
                | Self::Product
                | Self::Support
                | Self::Territory
        )
    }

    /// Returns the field of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ascend_and_lead_back() {
        assert!(Field::ALL.is_sorted_by(|one, next| one.name() < next.name()));
        for field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(field));
        }
        assert_eq!(Field::from_name("Order"), None);
    }
}
