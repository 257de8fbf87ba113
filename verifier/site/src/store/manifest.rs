//! The manifest: that this state exists, whose device key it holds, and which authority it trusts.
//!
//! It is what tells a state that lost something from a fresh one. Not here: reading and writing files.

use chancery_formats::id::{AuthorityId, Thumbprint};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::CommandError;

/// The version of the state folder that this program reads and writes.
const VERSION: u64 = 1;

/// What the state remembers of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The identity of the device key.
    pub device: Thumbprint,
    /// The authority that the first installed license came from.
    pub authority: Option<AuthorityId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    version: u64,
    device: String,
    authority: Option<String>,
}

impl Manifest {
    /// Encodes the manifest as JSON.
    pub fn encode(&self) -> Vec<u8> {
        let authority = self.authority.map(|authority| authority.to_string());
        let fields = serde_json::json!({
            "version": VERSION, "device": self.device.to_string(), "authority": authority
        });
        format!("{fields:#}\n").into_bytes()
    }

    /// Decodes a manifest of this version.
    ///
    /// # Errors
    ///
    /// A failure for a newer version, an alarm for anything else that [`Manifest::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        match value.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(version) => {
                let error = format!("the state is of version {version}, and this program knows {VERSION}");
                return Err(CommandError::failed("state-version", error)
                    .hint("use a release of chancery-site that knows this version"));
            }
            None => return Err(damaged()),
        }
        let fields: Fields = serde_json::from_value(value).map_err(|_| damaged())?;
        let authority = fields.authority.map(|id| id.parse()).transpose().map_err(|_| damaged())?;
        Ok(Self { device: fields.device.parse().map_err(|_| damaged())?, authority })
    }
}

fn damaged() -> CommandError {
    CommandError::alarm("manifest-damaged", "the manifest of the state is damaged")
        .hint("restore the state folder from a backup of this machine; do not delete it")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn manifests_survive_encoding() {
        for authority in [None, Some(AuthorityId([7; 32]))] {
            let manifest = Manifest { device: Thumbprint([3; 32]), authority };
            assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
        }
    }

    #[test]
    fn other_manifests_are_refused() {
        let device = "03".repeat(32);
        let cases = [
            (String::new(), "manifest-damaged"),
            ("{}".into(), "manifest-damaged"),
            ("[1]".into(), "manifest-damaged"),
            (r#"{"version": 2, "future": true}"#.into(), "state-version"),
            (r#"{"version": 1, "device": "03"}"#.into(), "manifest-damaged"),
            (format!(r#"{{"version": 1, "device": "{device}", "authority": "x"}}"#), "manifest-damaged"),
            (format!(r#"{{"version": 1, "device": "{device}", "more": 1}}"#), "manifest-damaged"),
        ];
        for (text, code) in cases {
            assert_eq!(Manifest::decode(text.as_bytes()).unwrap_err().report().code, code, "{text}");
        }
    }
}
