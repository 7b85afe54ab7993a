//! What a container may use: processors, and what `setrlimit(2)` counts.

use serde::{Deserialize, Deserializer, de};

/// Processors, in billionths of one; at least a hundredth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus(u32);

impl Cpus {
    /// In billionths of a processor.
    pub fn nano(self) -> i64 {
        i64::from(self.0) * 10_000_000
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(de)?;
        let whole = (number * 100.0).round();
        match (1.0..=102_400.0).contains(&whole) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
            true => Ok(Self(whole as u32)),
            false => Err(de::Error::custom(format!("{number} is not within 0.01 to 1024"))),
        }
    }
}

/// A limit that the kernel puts on each process; -1 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// What a process may raise no further than `hard`.
    pub soft: i64,
    /// What it may not raise.
    pub hard: i64,
}

/// The limits that engines know.
pub(super) const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

impl<'de> Deserialize<'de> for Ulimit {
    /// From one number for both, or from `{ soft = …, hard = … }`.
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Both {
            soft: i64,
            hard: i64,
        }

        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = Ulimit;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or `{ soft = 1024, hard = 4096 }`")
            }

            fn visit_i64<E: de::Error>(self, both: i64) -> Result<Ulimit, E> {
                checked(Ulimit { soft: both, hard: both })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Ulimit, A::Error> {
                let Both { soft, hard } =
                    Both::deserialize(de::value::MapAccessDeserializer::new(map))?;
                checked(Ulimit { soft, hard })
            }
        }

        de.deserialize_any(Reader)
    }
}

fn checked<E: de::Error>(limit: Ulimit) -> Result<Ulimit, E> {
    let Ulimit { soft, hard } = limit;
    let over = hard != -1 && (soft == -1 || soft > hard);
    match soft < -1 || hard < -1 || over {
        true => Err(E::custom(format!("{soft} and {hard} are no limits: soft is at most hard"))),
        false => Ok(limit),
    }
}
