//! Numbers of bytes as people write them: `8KiB`, `10MiB`, or a bare number.

use std::fmt;

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes. Written back as a bare number, so that nothing is rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// `n` bytes.
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// `n` times 1024 bytes.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` times 1024 KiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// The number of bytes, or the largest there is.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// The number of bytes, or the largest there is.
    pub fn as_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    /// In the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        ser.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        struct Reader;

        impl de::Visitor<'_> for Reader {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"8KiB\" or a number of bytes")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                let said = || E::custom(format!("`{bytes}` is no size: it is not below 0"));
                u64::try_from(bytes).map(Size).map_err(|_| said())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                let shown: String = text.chars().take(100).collect();
                let said = "write a number of bytes, or one with a unit such as `8KiB` or `10MiB`";
                text.parse()
                    .map(|ByteSize(bytes)| Size(bytes))
                    .map_err(|_| E::custom(format!("`{shown}` is no size: {said}")))
            }
        }

        de.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_or_without_a_unit() {
        for (written, bytes, shown) in [
            ("8192", 8192, "8KiB"),
            ("\"8KiB\"", 8192, "8KiB"),
            ("\"10 MiB\"", 10 << 20, "10MiB"),
            ("\"1GB\"", 1_000_000_000, "1000000000B"),
            ("\"17\"", 17, "17B"),
            ("0", 0, "0B"),
        ] {
            let size: Size = serde_json::from_str(written).unwrap();
            assert_eq!((size.get(), size.to_string().as_str()), (bytes, shown), "{written}");
            let back = serde_json::to_string(&size).unwrap();
            assert_eq!(serde_json::from_str::<Size>(&back).unwrap(), size);
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_way_out() {
        for (written, word) in [
            ("-1", "not below 0"),
            ("\"\"", "such as `8KiB`"),
            ("\"8 apples\"", "such as `8KiB`"),
            ("\"-8KiB\"", "such as `8KiB`"),
            ("true", "a size such as"),
        ] {
            let said = serde_json::from_str::<Size>(written).unwrap_err().to_string();
            assert!(said.contains(word), "{written}: {said}");
        }
    }
}
