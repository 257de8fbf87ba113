//! Arguments that say what is sold: quotes, grants and later sales share them.

use crate::commands::name_argument;
use crate::workflow::entitlement::resale::Resale;
use crate::workflow::sale::{Item, Wanted};

/// What is sold.
#[derive(Debug, clap::Args)]
pub struct SaleArgs {
    #[command(flatten)]
    item: ItemArgs,
    #[command(flatten)]
    more: MoreArgs,
}

/// One of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct ItemArgs {
    /// Edition of the product
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    edition: Option<String>,
    /// Package of the product
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    package: Option<String>,
}

/// What goes with it.
#[derive(Debug, clap::Args)]
struct MoreArgs {
    /// Add-on of the product; several are named one by one
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    add_on: Vec<String>,
    /// Policy, instead of that of the package
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    policy: Option<String>,
    /// Territory, instead of that of the package
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    territory: Option<String>,
    /// Support level, instead of that of the package
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    support: Option<String>,
}

/// What something is sold as from now on; what is not named stays as it was sold.
#[derive(Debug, clap::Args)]
pub struct ResaleArgs {
    /// Edition to grant from now on, as the catalog has it today
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    edition: Option<String>,
    /// Package to grant from now on, as the catalog has it today
    #[arg(long, value_name = "ID", value_parser = name_argument, conflicts_with = "edition")]
    package: Option<String>,
    #[command(flatten)]
    more: MoreArgs,
}

impl SaleArgs {
    /// Returns the sale of a product that they name.
    pub fn wanted<'a>(&'a self, product: &'a str) -> Wanted<'a> {
        let Self { item: ItemArgs { edition, package }, more } = self;
        Wanted {
            product,
            // The parser demands one of the two.
            item: item(edition.as_deref(), package.as_deref()).unwrap_or(Item::Edition("")),
            add_ons: &more.add_on,
            policy: more.policy.as_deref(),
            territory: more.territory.as_deref(),
            support: more.support.as_deref(),
        }
    }
}

impl ResaleArgs {
    /// Returns the later sale that they name.
    pub fn resale(&self) -> Resale<'_> {
        let Self { edition, package, more } = self;
        Resale {
            item: item(edition.as_deref(), package.as_deref()),
            add_ons: &more.add_on,
            policy: more.policy.as_deref(),
            territory: more.territory.as_deref(),
            support: more.support.as_deref(),
        }
    }
}

fn item<'a>(edition: Option<&'a str>, package: Option<&'a str>) -> Option<Item<'a>> {
    package.map(Item::Package).or(edition.map(Item::Edition))
}
