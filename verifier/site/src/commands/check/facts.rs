//! The facts of a question, as options of `check`.
//!
//! Products tell them by the library; whoever asks by hand says here what is so. Not here: what a license needs of
//! them (`chancery-verifier`).

use chancery_formats::license::Version;
use chancery_verifier::{Facts, Seat};

use crate::time;

/// What only who asks can know. A license that needs a fact that is not told is denied.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Facts")]
pub struct FactArgs {
    /// Version of the product that asks
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
    /// When that version was released
    #[arg(long, value_name = "RFC3339", value_parser = time::parse)]
    released: Option<u64>,
    /// Country of this site, by its record: an ISO 3166-1 code such as CH
    #[arg(long, value_name = "COUNTRY", value_parser = country)]
    territory: Option<String>,
    /// Channel through which the license came here
    #[arg(long, value_name = "CHANNEL", value_parser = super::super::name)]
    channel: Option<String>,
    /// On how many devices this license is installed, this one counted
    #[arg(long, value_name = "DEVICES", value_parser = clap::value_parser!(u64).range(1..))]
    installed_on: Option<u64>,
    /// Which of the bindings by typed code this device has, from 1
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    binding: Option<u64>,
    /// User that asks
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Group of that user; again for each
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Seats that others hold
    #[arg(long, value_name = "SEATS", conflicts_with = "seat_held")]
    seats_in_use: Option<u64>,
    /// The one who asks holds a seat
    #[arg(long)]
    seat_held: bool,
    /// Units of the feature used so far
    #[arg(long, value_name = "UNITS")]
    used: Option<u64>,
}

impl FactArgs {
    /// Returns the groups, as facts borrow them.
    pub fn groups(&self) -> Vec<&str> {
        self.groups.iter().map(String::as_str).collect()
    }

    /// Returns the facts; `groups` are those of [`FactArgs::groups`].
    pub fn facts<'a>(&'a self, groups: &'a [&'a str]) -> Facts<'a> {
        Facts {
            version: self.version,
            released_at: self.released,
            territory: self.territory.as_deref(),
            channel: self.channel.as_deref(),
            installed_on: self.installed_on,
            binding: self.binding,
            user: self.user.as_deref(),
            groups: (!groups.is_empty()).then_some(groups),
            seat: if self.seat_held { Some(Seat::Held) } else { self.seats_in_use.map(Seat::TakenByOthers) },
            used: self.used,
        }
    }
}

/// Reads a country as licenses name it.
fn country(text: &str) -> Result<String, &'static str> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then(|| text.into()).ok_or("not a country: two capital letters of ISO 3166-1, such as CH")
}
