//! How values of a catalog are kept as JSON where their own types know none: as the words that people see.

use chancery_formats::license::{EnforcementMode, Version};
use serde::{Deserialize, Serialize};

use super::super::{Binding, Model};
use super::FeatureValue;

/// A granted feature as JSON: `true`, `16`, or `{"quota": 500, "overdraft": 50}`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Value {
    On(bool),
    Limit(u64),
    Metered(Metered),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metered {
    quota: u64,
    overdraft: u64,
}

impl From<FeatureValue> for Value {
    fn from(value: FeatureValue) -> Self {
        match value {
            FeatureValue::Limit(limit) => Self::Limit(limit),
            FeatureValue::On => Self::On(true),
            FeatureValue::Quota { quota, overdraft } => Self::Metered(Metered { quota, overdraft }),
        }
    }
}

impl TryFrom<Value> for FeatureValue {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::On(true) => Ok(Self::On),
            Value::On(false) => Err("a feature that is not held is left out"),
            Value::Limit(limit) => Ok(Self::Limit(limit)),
            Value::Metered(Metered { quota, overdraft }) => Ok(Self::Quota { quota, overdraft }),
        }
    }
}

/// Makes a module that serde uses for a type with a word for each value.
macro_rules! by_name {
    ($module:ident, $kind:ty, $find:expr) => {
        pub(super) mod $module {
            use super::*;
            use serde::de::Error;
            use serde::{Deserializer, Serializer};

            pub fn serialize<S: Serializer>(value: &$kind, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value.name())
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$kind, D::Error> {
                let name = String::deserialize(deserializer)?;
                let find: fn(&str) -> Option<$kind> = $find;
                find(&name).ok_or_else(|| D::Error::custom("a word that is not known"))
            }
        }
    };
}

by_name!(model, Model, Model::from_name);
by_name!(binding, Binding, |name| {
    [Binding::Device, Binding::None, Binding::Site].into_iter().find(|binding| binding.name() == name)
});
by_name!(mode, EnforcementMode, |name| {
    [EnforcementMode::Deny, EnforcementMode::Warn, EnforcementMode::Degrade]
        .into_iter()
        .find(|mode| mode.name() == name)
});

/// Versions as lists of their numbers.
pub(super) mod version {
    use super::*;
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<Version>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Version::numbers).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Version>, D::Error> {
        let Some(numbers) = Option::<Vec<u32>>::deserialize(deserializer)? else { return Ok(None) };
        let version = Version::new(&numbers);
        version.map(Some).ok_or_else(|| D::Error::custom("a version has one to four numbers"))
    }
}
