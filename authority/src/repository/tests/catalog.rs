//! Changes of the catalog: kept whole, read again, tried on some, and never taken back.

use super::*;
use crate::workflow::catalog::change::{self, Fate, Stated, fate};
use crate::workflow::catalog::{read, read_over};
use crate::workflow::pilot::Share;
use crate::workflow::sale::{Item, Sales, Wanted};

const PUMP: &str = "[[product]]\nid = \"pump\"\nname = \"Pump\"\n\
    [[product.feature]]\nid = \"channels\"\nkind = \"limit\"\n\
    [[product.edition]]\nid = \"standard\"\nfeatures = { channels = 16 }\n";

/// The pump with another number of channels.
fn pump(channels: u64) -> String {
    PUMP.replace("16", &channels.to_string())
}

const STATED: Stated<'_> = Stated { by: Some("Dana Keller"), reason: Some("asked for") };

fn apply(repository: &mut Repository, text: &str, pilot: Option<&str>) -> change::Applied {
    let state = repository.catalog_state().unwrap();
    let catalog = read_over(&state.catalog, text).unwrap();
    let share = pilot.map(|share| share.parse::<Share>().unwrap());
    change::apply(repository, &state, &catalog, text, (share, STATED), NOW).unwrap()
}

fn empty(folder: &Folder) -> Repository {
    let mut repository = Repository::create(&folder.home()).unwrap();
    let authority =
        Authority { id: AuthorityId([1; 32]), name: "vendor".to_owned(), root_version: 1, created_at: NOW };
    repository.set_authority(&authority).unwrap();
    repository
}

/// How many channels a catalog sells, and under which change.
fn sold(sales: &Sales, customer: &str) -> (u64, u64) {
    let item = Item::Edition("standard");
    let wanted = Wanted { product: "pump", item, add_ons: &[], policy: None, territory: None, support: None };
    let sold = sales.sold(customer, &wanted).unwrap();
    let FeatureValue::Limit(channels) = sold.features["channels"] else { panic!("channels are a limit") };
    (sold.catalog, channels)
}

/// Customers of whom the first is in a pilot and the second is not.
fn customers(seed: u64, share: &str) -> (String, String) {
    let share: Share = share.parse().unwrap();
    let find = |held: bool| {
        (0..).map(|number| format!("c{number}")).find(|name| share.holds(seed, name) == held).unwrap()
    };
    (find(true), find(false))
}

#[test]
fn every_change_is_kept_with_its_file_and_who_made_it() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    assert_eq!(repository.catalog_state().unwrap(), CatalogState::default());
    assert_eq!(apply(&mut repository, &pump(16), None).number, Some(1));
    assert_eq!(apply(&mut repository, &format!("# reviewed again\n{}", pump(16)), None).number, None);
    assert_eq!(apply(&mut repository, &pump(32), None).number, Some(2));
    let changes = repository.catalog_changes().unwrap();
    assert_eq!(changes.len(), 2);
    let first = &changes[0];
    assert_eq!((first.by.as_deref(), first.reason.as_deref()), (Some("Dana Keller"), Some("asked for")));
    assert_eq!(first.sha256, <[u8; 32]>::from(Sha256::digest(pump(16))));
    assert_eq!(repository.catalog_text(1).unwrap(), pump(16));
    assert_eq!(change::at(&repository, 1).unwrap(), read(&pump(16)).unwrap());
    assert_eq!(sold(&Sales::at(&repository, 1).unwrap(), "acme"), (1, 16));
    assert_eq!(sold(&Sales::open(&repository).unwrap(), "acme"), (2, 32));
    for number in [0, 3, u64::MAX >> 1] {
        assert_eq!(change::at(&repository, number).unwrap_err().code(), "change-unknown");
    }
    assert_eq!(repository.changed_tables().unwrap(), [""; 0]);
}

#[test]
fn the_files_read_again_give_every_catalog_that_was_kept() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    let policy = "[[policy]]\nid = \"p\"\nmodel = \"perpetual\"\n";
    for text in [&pump(16), policy, &pump(8), "[remove]\npolicy = [\"p\"]\n"] {
        apply(&mut repository, text, None);
    }
    let mut again = Catalog::default();
    for number in 1..=4 {
        again = read_over(&again, &repository.catalog_text(number).unwrap()).unwrap();
        assert_eq!(change::at(&repository, number).unwrap(), again, "change {number}");
    }
}

#[test]
fn a_pilot_is_promoted_and_then_holds_for_everybody() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    apply(&mut repository, &pump(16), None);
    assert_eq!(
        apply(&mut repository, &pump(32), Some("5%")),
        change::Applied { number: Some(2), overtaken: None }
    );
    let (inside, outside) = customers(2, "5%");
    let sales = Sales::open(&repository).unwrap();
    assert_eq!((sold(&sales, &inside), sold(&sales, &outside)), ((2, 32), (1, 16)));
    // What stands for all is still the first.
    assert_eq!(repository.product("pump").unwrap(), read(&pump(16)).unwrap().products["pump"]);
    assert_eq!(change::promote(&mut repository, 2, STATED, NOW).unwrap(), 3);
    let sales = Sales::open(&repository).unwrap();
    assert_eq!((sold(&sales, &inside), sold(&sales, &outside)), ((3, 32), (3, 32)));
    let changes = repository.catalog_changes().unwrap();
    assert_eq!((fate(2, &changes), changes[2].kind), (Fate::Promoted(3), ChangeKind::Promote(2)));
    assert_eq!(change::promote(&mut repository, 2, STATED, NOW).unwrap_err().code(), "pilot-promoted");
    assert_eq!(sold(&Sales::at(&repository, 2).unwrap(), &outside), (2, 32));
}

#[test]
fn a_pilot_is_withdrawn_and_then_holds_for_nobody() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    apply(&mut repository, &pump(16), None);
    apply(&mut repository, &pump(32), Some("5%"));
    assert_eq!(change::withdraw(&mut repository, 2, STATED, NOW).unwrap(), 3);
    let (inside, outside) = customers(2, "5%");
    let sales = Sales::open(&repository).unwrap();
    assert_eq!((sold(&sales, &inside), sold(&sales, &outside)), ((1, 16), (1, 16)));
    assert_eq!(change::withdraw(&mut repository, 2, STATED, NOW).unwrap_err().code(), "pilot-withdrawn");
    assert_eq!(change::promote(&mut repository, 1, STATED, NOW).unwrap_err().code(), "not-a-pilot");
    assert_eq!(change::promote(&mut repository, 9, STATED, NOW).unwrap_err().code(), "change-unknown");
    assert_eq!(change::at(&repository, 3).unwrap(), read(&pump(16)).unwrap());
    // The next file is read over what stands.
    assert_eq!(apply(&mut repository, &pump(16), None).number, None);
}

#[test]
fn a_pilot_that_is_overtaken_is_told_and_cannot_be_promoted() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    apply(&mut repository, &pump(16), None);
    apply(&mut repository, &pump(32), Some("5%"));
    assert_eq!(
        apply(&mut repository, &pump(8), None),
        change::Applied { number: Some(3), overtaken: Some(2) }
    );
    assert_eq!(sold(&Sales::open(&repository).unwrap(), &customers(2, "5%").0), (3, 8));
    let error = change::promote(&mut repository, 2, STATED, NOW).unwrap_err();
    assert_eq!(
        (error.code(), error.report().error.as_str()),
        ("pilot-overtaken", "pilot 2 was overtaken by change 3")
    );
    assert_eq!(fate(2, &repository.catalog_changes().unwrap()), Fate::Overtaken(3));
}

#[test]
fn who_is_in_a_pilot_stays_in_it_when_it_grows() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    apply(&mut repository, &pump(16), None);
    apply(&mut repository, &pump(32), Some("5%"));
    assert_eq!(apply(&mut repository, &pump(32), Some("5%")).number, None);
    assert_eq!(
        apply(&mut repository, &pump(32), Some("20%")),
        change::Applied { number: Some(3), overtaken: Some(2) }
    );
    let sales = Sales::open(&repository).unwrap();
    let share: Share = "5%".parse().unwrap();
    let (mut few, mut many) = (0, 0);
    for number in 0..2_000 {
        let customer = format!("customer-{number}");
        let is_sold_the_new = sold(&sales, &customer) == (3, 32);
        assert!(is_sold_the_new || !share.holds(2, &customer), "{customer}");
        few += usize::from(share.holds(2, &customer));
        many += usize::from(is_sold_the_new);
    }
    assert!(few > 50 && many > 300, "{few} {many}");
}

#[test]
fn a_pilot_needs_a_catalog_beside_it_and_something_to_try() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    let state = repository.catalog_state().unwrap();
    let catalog = read(PUMP).unwrap();
    let share = Share::new(500);
    let refused = change::apply(&mut repository, &state, &catalog, PUMP, (share, STATED), NOW);
    assert_eq!(refused.unwrap_err().code(), "pilot-first");
    apply(&mut repository, PUMP, None);
    assert_eq!(apply(&mut repository, PUMP, Some("5%")).number, None);
}

#[test]
fn two_who_change_the_catalog_at_once_do_not_undo_each_other() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    apply(&mut repository, PUMP, None);
    let state = repository.catalog_state().unwrap();
    apply(&mut repository, &pump(32), None);
    let text = "[[policy]]\nid = \"p\"\nmodel = \"perpetual\"\n";
    let catalog = read_over(&state.catalog, text).unwrap();
    let error = change::apply(&mut repository, &state, &catalog, text, (None, STATED), NOW).unwrap_err();
    assert_eq!(error.code(), "catalog-moved");
    assert_eq!(repository.catalog_changes().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_shown_is_not_kept() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    let state = repository.catalog_state().unwrap();
    let catalog = read(PUMP).unwrap();
    for stated in [
        Stated { by: Some(""), reason: None },
        Stated { by: None, reason: Some("a\u{202e}b") },
        Stated { by: None, reason: Some("a\nb") },
    ] {
        let refused = change::apply(&mut repository, &state, &catalog, PUMP, (None, stated), NOW);
        assert_eq!(refused.unwrap_err().code(), "reason-refused");
    }
    assert!(repository.catalog_changes().unwrap().is_empty());
}

#[test]
fn a_catalog_that_outgrows_its_place_is_refused() {
    let folder = Folder::new();
    let mut repository = empty(&folder);
    let mut catalog = Catalog::default();
    for number in 0..1_000 {
        let mut product = Product { name: "x".repeat(128), ..Product::default() };
        for feature in 0..100 {
            product.features.insert(format!("{feature:0>60}"), FeatureKind::Limit);
        }
        catalog.products.insert(format!("p{number}"), product);
    }
    assert_eq!(repository.apply_catalog(&catalog, "text", NOW).unwrap_err().code(), "catalog-too-large");
    assert_eq!(repository.catalog_state().unwrap(), CatalogState::default());
}

#[test]
fn a_product_that_is_no_longer_sold_keeps_its_entitlements() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let entitlement = grant(&mut repository, 1, 5);
    let sold = repository.entitlement(entitlement).unwrap();
    apply(&mut repository, "[remove]\nproduct = [\"pump\"]\n", None);
    assert_eq!(repository.product("pump").unwrap_err().code(), "product-unknown");
    assert_eq!(repository.entitlement(entitlement).unwrap(), sold);
    assert_eq!(repository.damage_in_depth().unwrap(), [""; 0]);
    apply(&mut repository, &pump(8), None);
    assert_eq!(repository.product("pump").unwrap().editions.len(), 1);
}

#[test]
fn what_is_kept_is_read_back_as_it_was() {
    let page = include_str!("../../../../docs/spec/catalog.md");
    let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let text = format!(
        "{text}\n[[policy]]\nid = \"ever\"\nmodel = \"trial\"\nterm-days = 30\nmaintenance-days = 365\n\
         highest-version = \"3.2\"\nseats = 2\nnamed-users = 3\ndevices = 4\nchannels = [\"a\"]\n\
         typed-bindings = 5\nbinding = \"site\"\ntransferable = false\nenforcement = \"degrade\"\n"
    );
    let folder = Folder::new();
    let mut repository = empty(&folder);
    apply(&mut repository, &text, None);
    assert_eq!(repository.catalog_state().unwrap().catalog, read(&text).unwrap());
}
