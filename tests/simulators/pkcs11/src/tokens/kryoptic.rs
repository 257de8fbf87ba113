//! Kryoptic: a token in a database, with the functions of PKCS#11 3.2.

use std::path::{Path, PathBuf};
use std::{env, fs};

use chancery_formats::key::Algorithm;

use super::Kind;
use crate::module::VERSION_VARIABLE;

/// The environment variable that names the module, as `tests/simulators/kryoptic/build.sh` prints it.
const MODULE_VARIABLE: &str = "CHANCERY_KRYOPTIC_MODULE";

/// A token of Kryoptic.
#[derive(Debug, Default)]
pub struct Kryoptic {
    /// Whether programs see the interface of v2.40 alone.
    pub only_2_40: bool,
}

impl Kind for Kryoptic {
    fn name(&self) -> &'static str {
        if self.only_2_40 { "Kryoptic 2.40" } else { "Kryoptic" }
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        Algorithm::ALL.to_vec()
    }

    fn module(&self) -> PathBuf {
        let install = format!("{MODULE_VARIABLE}=$(tests/simulators/kryoptic/build.sh)");
        let module = env::var_os(MODULE_VARIABLE).map(PathBuf::from);
        let module = module.unwrap_or_else(|| panic!("Kryoptic is not named: run with {install}"));
        assert!(module.exists(), "{} is missing: run with {install}", module.display());
        module
    }

    fn configure(&self, directory: &Path) -> Vec<(&'static str, String)> {
        let configuration = directory.join("kryoptic.conf");
        let database = directory.join("token.sql");
        let text =
            format!("[[slots]]\nslot = 7\ndbtype = \"sqlite\"\ndbargs = {:?}\n", database.to_str().unwrap());
        fs::write(&configuration, text).unwrap();
        let mut environment = vec![("KRYOPTIC_CONF", configuration.to_str().unwrap().to_owned())];
        if self.only_2_40 {
            environment.push((VERSION_VARIABLE, "2.40".to_owned()));
        }
        environment
    }
}
