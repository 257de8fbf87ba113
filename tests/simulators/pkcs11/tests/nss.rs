//! The PKCS#11 backend on NSS softokn: the common suite, and what only softokn does.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::process::ExitCode;

use chancery_hsm_config::backend::conformance::{self, Fixture};
use chancery_hsm_config::open;
use chancery_pkcs11_faults::fixture::{self, Token};
use chancery_pkcs11_faults::tokens::Nss;

fn main() -> ExitCode {
    fixture::main(
        Nss,
        &[
            ("conforms", conforms),
            ("it does not tell that keys are made inside", it_does_not_tell_that_keys_are_made_inside),
            ("wrong PINs never lock it", wrong_pins_never_lock_it),
        ],
    )
}

fn conforms(token: &mut Token<Nss>) {
    let report = conformance::run(token);
    println!("{report}");
    assert_eq!(report.failures(), []);
}

fn it_does_not_tell_that_keys_are_made_inside(token: &mut Token<Nss>) {
    let key = open(&token.key(1), &mut token.pins()).unwrap();
    assert_eq!((key.info().generated_inside, key.info().exportable), (Some(false), Some(false)));
}

fn wrong_pins_never_lock_it(token: &mut Token<Nss>) {
    for _ in 0..10 {
        assert_eq!(open(&token.key(1), &mut token.wrong_pins()).unwrap_err().code(), "wrong-pin");
    }
    open(&token.key(1), &mut token.pins()).unwrap();
}
