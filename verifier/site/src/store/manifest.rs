//! The manifest: that this state exists, whose device key it holds, and which authority it trusts.
//!
//! It is what tells a state that lost something from a fresh one. Not here: reading and writing files, and what people
//! are told. `tests/fuzz` takes this file as it is.

use chancery_formats::id::{AuthorityId, Thumbprint};
use serde_json::Value;

/// The version of the state folder that this program reads and writes.
pub const VERSION: u64 = 1;

/// What the state remembers of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The identity of the device key.
    pub device: Thumbprint,
    /// The authority that the first installed license came from.
    pub authority: Option<AuthorityId>,
}

/// Why bytes are no manifest of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They are not what [`Manifest::encode`] writes.
    Damaged,
    /// They are of another version of the state.
    Version(u64),
}

impl Manifest {
    /// Encodes the manifest as JSON, in this one form whatever JSON libraries make of it.
    pub fn encode(&self) -> Vec<u8> {
        let device = self.device;
        let authority =
            self.authority.map_or_else(|| "null".to_owned(), |authority| format!("\"{authority}\""));
        format!(
            "{{\n  \"authority\": {authority},\n  \"device\": \"{device}\",\n  \"version\": {VERSION}\n}}\n"
        )
        .into_bytes()
    }

    /// Decodes a manifest of this version: byte for byte what [`Manifest::encode`] writes.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| Fault::Damaged)?;
        match value.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(version) => return Err(Fault::Version(version)),
            None => return Err(Fault::Damaged),
        }
        // What else stands there, or in another form, shows when the fields are written again.
        let text = |name| value.get(name).and_then(Value::as_str);
        let device = text("device").and_then(|id| id.parse().ok()).ok_or(Fault::Damaged)?;
        let authority = text("authority").map(|id| id.parse().map_err(|_| Fault::Damaged)).transpose()?;
        let manifest = Self { device, authority };
        if manifest.encode() == bytes { Ok(manifest) } else { Err(Fault::Damaged) }
    }
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
            (String::new(), Fault::Damaged),
            ("{}".into(), Fault::Damaged),
            ("[1]".into(), Fault::Damaged),
            (r#"{"version": 2, "future": true}"#.into(), Fault::Version(2)),
            (r#"{"version": 1, "device": "03"}"#.into(), Fault::Damaged),
            (format!(r#"{{"version": 1, "device": "{device}", "authority": "x"}}"#), Fault::Damaged),
            (format!(r#"{{"version": 1, "device": "{device}", "more": 1}}"#), Fault::Damaged),
        ];
        for (text, fault) in cases {
            assert_eq!(Manifest::decode(text.as_bytes()), Err(fault), "{text}");
        }
        // The same fields in another form, or one of them twice.
        let good =
            String::from_utf8(Manifest { device: Thumbprint([3; 32]), authority: None }.encode()).unwrap();
        let twice = good.replacen('{', &format!("{{\n  \"device\": \"{}\",", "04".repeat(32)), 1);
        for text in [good.trim_end().to_owned(), good.replace("\n", ""), twice] {
            assert_eq!(Manifest::decode(text.as_bytes()), Err(Fault::Damaged), "{text}");
        }
    }
}
