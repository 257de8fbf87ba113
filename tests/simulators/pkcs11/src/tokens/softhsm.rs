//! SoftHSM2: a token in files.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Kind, installed};

/// A token of SoftHSM2.
#[derive(Debug, Default)]
pub struct SoftHsm;

impl Kind for SoftHsm {
    fn name(&self) -> &'static str {
        "SoftHSM2"
    }

    fn module(&self) -> PathBuf {
        installed(&["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"], "softhsm2")
    }

    fn configure(&self, directory: &Path) -> Vec<(&'static str, String)> {
        let tokens = directory.join("tokens");
        fs::create_dir(&tokens).unwrap();
        let configuration = directory.join("softhsm2.conf");
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(&configuration, text).unwrap();
        vec![("SOFTHSM2_CONF", configuration.to_str().unwrap().to_owned())]
    }
}
