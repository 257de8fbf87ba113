//! Bytes as lower-case hexadecimal in the state file, for `#[serde(with = "…")]`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer, B: AsRef<[u8]>>(bytes: &B, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&base16ct::lower::encode_string(bytes.as_ref()))
}

pub(crate) fn deserialize<'de, D, B>(deserializer: D) -> Result<B, D::Error>
where
    D: Deserializer<'de>,
    B: TryFrom<Vec<u8>>,
{
    let text = String::deserialize(deserializer)?;
    let bytes = base16ct::lower::decode_vec(text).map_err(|_| D::Error::custom("not hexadecimal"))?;
    B::try_from(bytes).map_err(|_| D::Error::custom("wrong number of bytes"))
}
