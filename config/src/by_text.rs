//! Values that are written as text wherever they stand, JSON and TOML included.

/// Reads types as their `FromStr` does.
macro_rules! read_by_text {
    ($($type:ty),*) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(de)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

/// The same, and writes them as their `Display` does.
macro_rules! by_text {
    ($($type:ty),*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
                ser.collect_str(self)
            }
        }

        read_by_text!($type);
    )*};
}
