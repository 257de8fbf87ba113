//! NSS softokn: the key database of Firefox and others.
//!
//! Softokn learns where its database is from a text that C_Initialize passes in a reserved place, which
//! Chancery leaves empty; the fault module puts it there. (p11-kit's proxy would, but reads no configuration
//! of the user's where that is root.) Not here: FIPS mode.

use std::fs;
use std::path::{Path, PathBuf};

use chancery_formats::key::Algorithm;
use cryptoki::context::Pkcs11;

use super::{Kind, LABEL, PIN, installed, tool};
use crate::module::RESERVED_VARIABLE;

/// A token of NSS softokn.
#[derive(Debug, Default)]
pub struct Nss;

impl Kind for Nss {
    fn name(&self) -> &'static str {
        "NSS"
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Esp256]
    }

    fn module(&self) -> PathBuf {
        installed(&["/usr/lib/x86_64-linux-gnu/libsoftokn3.so", "/usr/lib64/libsoftokn3.so"], "libnss3")
    }

    fn configure(&self, directory: &Path) -> Vec<(&'static str, String)> {
        let database = directory.join("database");
        fs::create_dir(&database).unwrap();
        let parameters = format!(
            "configdir='sql:{}' certPrefix='' keyPrefix='' secmod='secmod.db' flags= \
             dbTokenDescription='{LABEL}'",
            database.display()
        );
        vec![(RESERVED_VARIABLE, parameters)]
    }

    /// Makes the database and its password; there is no blank token before.
    fn start(&mut self, directory: &Path) {
        let (database, password) = (directory.join("database"), directory.join("password"));
        fs::write(&password, PIN).unwrap();
        let database = format!("sql:{}", database.display());
        tool("certutil", "libnss3-tools", &["-N", "-d", &database, "-f", password.to_str().unwrap()]);
        fs::remove_file(&password).unwrap();
    }

    fn make(&self, _module: &Pkcs11) {}
}
