//! What travels: bytes of each document, on realistic names.

use chancery_formats::id::Thumbprint;
use chancery_formats::license::License;
use chancery_formats::seal::Role;
use chancery_formats::trust::KeyMode;
use chancery_tests::authority::{Authority, Quorum, issue_direct};
use chancery_tests::key::SecretKey;
use chancery_tests::license::{bare, full, on_machine};

/// Prints the table. `tests/sizes.rs` holds the limits.
pub fn run() {
    let issuer = SecretKey::ed25519(11);
    let authority = Authority::found(Quorum::of(1, &[1]));
    let authority = authority.clone().certify(&authority.record(&issuer, Role::Issuer, KeyMode::Direct));
    let keyed = License { device_key: Some(Thumbprint([0xdd; 32])), ..bare() };
    println!("\n## Sizes\n\n| document | bytes |\n| --- | ---: |");
    for (name, bytes) in [
        ("license, ten features, bound to nothing", issue_direct(&issuer, &bare()).len()),
        ("… to 4 of 6 components", issue_direct(&issuer, &on_machine(bare())).len()),
        ("… to a device key", issue_direct(&issuer, &keyed).len()),
        (
            "… to a device key, with grace, territory, support and list minimum",
            issue_direct(&issuer, &full(bare())).len(),
        ),
        ("trust bundle, one root of one custodian, one issuing key", authority.bundle().len()),
    ] {
        println!("| {name} | {bytes} |");
    }
}
