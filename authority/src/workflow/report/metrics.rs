//! How the desk does: from an order to a license, from an entitlement to its use, from a trial to a sale.

use serde_json::{Value, json};

use super::Table;
use crate::error::CommandError;
use crate::repository::{Metrics, Repository, Scope};

/// What the numbers come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// What was counted.
    pub counted: Metrics,
    /// Seconds from the import of an order to the first license, of which half took no longer.
    pub median_secs: Option<u64>,
    /// The same, of which nine of ten took no longer.
    pub ninth_tenth_secs: Option<u64>,
}

/// Reports the figures; `now` is Unix seconds.
///
/// # Errors
///
/// Those of the repository.
pub fn report(repository: &Repository, scope: &Scope<'_>, now: u64) -> Result<Figures, CommandError> {
    let mut counted = repository.metrics(scope, now)?;
    counted.provisioned.sort_unstable();
    Ok(Figures {
        median_secs: quantile(&counted.provisioned, 50),
        ninth_tenth_secs: quantile(&counted.provisioned, 90),
        counted,
    })
}

/// Returns the least of ascending values that so many of a hundred do not exceed (nearest rank).
fn quantile(ascending: &[u64], hundredths: usize) -> Option<u64> {
    let rank = (ascending.len() * hundredths).div_ceil(100);
    ascending.get(rank.saturating_sub(1)).copied()
}

impl Figures {
    /// Returns the figures as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Metrics {
            provisioned,
            waiting,
            entitlements,
            activated,
            quantity,
            used,
            trials,
            converted,
            lost,
        } = &self.counted;
        json!({
            "provisioning": {
                "orders": provisioned.len(),
                "waiting": waiting,
                "median_secs": self.median_secs,
                "ninth_tenth_secs": self.ninth_tenth_secs,
            },
            "activation": {
                "entitlements": entitlements,
                "activated": activated,
                "quantity": quantity,
                "used": used,
                "percent_activated": percent(*activated, *entitlements),
                "percent_used": percent(*used, *quantity),
            },
            "trials": {
                "begun": trials,
                "converted": converted,
                "lost": lost,
                "percent_converted": percent(*converted, *trials),
            },
        })
    }

    /// Returns the figures as rows of group, name and value.
    #[must_use]
    pub fn to_table(&self) -> Table {
        let mut table = Table::new(&["group", "figure", "value"]);
        for (group, figures) in self.to_json().as_object().into_iter().flatten() {
            for (name, value) in figures.as_object().into_iter().flatten() {
                table.rows.push(vec![json!(group), json!(name), value.clone()]);
            }
        }
        // In one order, whatever order objects have.
        table.rows.sort_by_key(|row| row.iter().take(2).map(ToString::to_string).collect::<Vec<_>>());
        table
    }
}

/// Returns a share in percent, with one decimal; none of nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    // Counts of rows are far below 2^52.
    #[allow(clippy::cast_precision_loss)]
    let share = || (part as f64 * 1000.0 / whole as f64).round() / 10.0;
    (whole > 0).then(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        assert_eq!(quantile(&[], 50), None);
        assert_eq!((quantile(&[7], 50), quantile(&[7], 90)), (Some(7), Some(7)));
        let ten: Vec<u64> = (1..=10).collect();
        assert_eq!((quantile(&ten, 50), quantile(&ten, 90)), (Some(5), Some(9)));
        let eleven: Vec<u64> = (1..=11).collect();
        assert_eq!((quantile(&eleven, 50), quantile(&eleven, 90)), (Some(6), Some(10)));
    }

    #[test]
    fn shares_have_one_decimal() {
        assert_eq!(percent(1, 3), Some(33.3));
        assert_eq!(percent(2, 3), Some(66.7));
        assert_eq!((percent(0, 5), percent(0, 0)), (Some(0.0), None));
    }
}
