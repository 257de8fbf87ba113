//! From bytes to decision, beside the signature check alone and beside other token libraries.

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chancery_tests::license::{FEATURES, PRODUCT};

use crate::contenders::biscuit::Datalog;
use crate::contenders::chancery::Chancery;
use crate::contenders::jwt::Jwt;
use crate::contenders::paseto::Paseto;
use crate::contenders::{Contender, Facts, require_teeth};
use crate::measure::{Series, in_turns};
use crate::{Effort, allocations};

/// The feature asked for: the last of the list, for whoever walks it.
const ASKED: &str = FEATURES[FEATURES.len() - 1].0;

/// Measures, asserts that Chancery allocates nothing, and prints both tables.
pub fn run(effort: Effort) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    require_teeth(|facts| Chancery::new(facts, false), now);
    require_teeth(|facts| Chancery::new(facts, true), now);
    require_teeth(Jwt::new, now);
    require_teeth(Paseto::new, now);
    require_teeth(Datalog::new, now);

    let facts = Facts { term: (now - 86_400, now + 365 * 86_400), product: PRODUCT };
    println!("## Verification\n\nFrom bytes to decision, with the key loaded before.\n");
    let [free, bound] = [false, true].map(|bound| Chancery::new(facts, bound));
    println!("| what | bytes | allocations | least µs | median µs | ratio of least | median ratio |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for license in [&free, &bound] {
        compare(license, &[license], effort);
    }
    let sealed = [false, true].map(|witnessed| Chancery::of_batch(facts, effort.batch, witnessed));
    compare(&free, &[&sealed[0], &sealed[1]], effort);
    for license in &sealed {
        assert_eq!(allocations::count(|| assert!(license.allows(ASKED))), 0, "{} allocates", license.name());
    }
    println!("\n| what | bytes | allocations | least µs | median µs | ratio of least | median ratio |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let (jwt, paseto, biscuit) = (Jwt::new(facts), Paseto::new(facts), Datalog::new(facts));
    compare(&free, &[&free, &jwt, &paseto, &biscuit], effort);
    for license in [&free, &bound] {
        assert_eq!(allocations::count(|| assert!(license.allows(ASKED))), 0, "{} allocates", license.name());
    }
}

/// Prints a row for the bare signature check of `base`, and one for each contender in relation to it.
fn compare(base: &Chancery, contenders: &[&dyn Contender], effort: Effort) {
    let bare = base.bare_check();
    let mut work: Vec<Box<dyn FnMut()>> = vec![Box::new(|| assert!(black_box(&bare).verify()))];
    for contender in contenders {
        work.push(Box::new(|| assert!(contender.allows(black_box(ASKED)))));
    }
    let allocations: Vec<usize> = work.iter_mut().map(allocations::count).collect();
    let series = in_turns(&mut work, effort.rounds, Duration::from_millis(effort.turn_millis));
    row(
        &format!("`verify_strict` alone, signature of: {}", base.name()),
        64,
        allocations[0],
        &series[0],
        &series[0],
    );
    for (index, contender) in contenders.iter().enumerate() {
        row(&contender.name(), contender.token_len(), allocations[index + 1], &series[index + 1], &series[0]);
    }
}

fn row(name: &str, bytes: usize, allocations: usize, series: &Series, base: &Series) {
    println!(
        "| {name} | {bytes} | {allocations} | {:.2} | {:.2} | {:.3} | {:.3} |",
        series.least() / 1e3,
        series.quantile(0.5) / 1e3,
        series.least() / base.least(),
        series.median_ratio(base),
    );
}
