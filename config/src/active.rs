//! Where new requests go: the value that a flip changes.

use std::fmt;
use std::str::FromStr;

use crate::slot::Slot;
use crate::strict::{self, Mistake};

/// The value of `apps/<app>/active`: `green`, or a split in percent `blue:90,green:10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// Percent of new requests that go to blue, 0 to 100; the rest goes to green.
    blue: u8,
}

impl Active {
    /// All to `slot`.
    pub fn all(slot: Slot) -> Self {
        Self { blue: if slot == Slot::Blue { 100 } else { 0 } }
    }

    /// `percent` (at most 100) to `slot`, the rest to the other.
    pub fn split(slot: Slot, percent: u8) -> Self {
        let percent = percent.min(100);
        Self { blue: if slot == Slot::Blue { percent } else { 100 - percent } }
    }

    /// Percent of new requests that go to `slot`.
    pub fn share(self, slot: Slot) -> u8 {
        if slot == Slot::Blue { self.blue } else { 100 - self.blue }
    }

    /// The slots that get requests, with their percent.
    pub fn shares(self) -> impl Iterator<Item = (Slot, u8)> {
        Slot::BOTH.into_iter().map(move |s| (s, self.share(s))).filter(|(_, share)| *share > 0)
    }

    /// The slot that gets all requests, if one does.
    pub fn only(self) -> Option<Slot> {
        Slot::BOTH.into_iter().find(|slot| self.share(*slot) == 100)
    }

    /// The slot that gets the most; of two halves blue.
    pub fn main(self) -> Slot {
        if self.blue >= 50 { Slot::Blue } else { Slot::Green }
    }

    /// Reads a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, Mistake> {
        strict::text(value)?.parse()
    }
}

impl FromStr for Active {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let text = text.trim();
        if !text.contains([':', ',']) {
            return text.parse().map(Self::all);
        }
        let mut shares = [None; 2];
        for part in text.split(',') {
            let (slot, percent) = part.split_once(':').ok_or_else(|| wrong(text))?;
            let slot: Slot = slot.trim().parse()?;
            let digits = percent.trim().trim_end_matches('%');
            let percent: u8 =
                digits.parse().ok().filter(|n| *n <= 100).ok_or_else(|| wrong(text))?;
            if shares[slot as usize].replace(percent).is_some() {
                return Err(Mistake::new(format!("`{text}` names `{slot}` twice")));
            }
        }
        let [blue, green] = shares.map(Option::unwrap_or_default);
        match u16::from(blue) + u16::from(green) {
            100 => Ok(Self { blue }),
            sum => Err(Mistake::new(format!("the shares of `{text}` sum to {sum}, not to 100"))),
        }
    }
}

fn wrong(text: &str) -> Mistake {
    let shown: String = text.chars().take(60).collect();
    Mistake::new(format!("`{shown}` is no split: write `green`, or `blue:90,green:10` in percent"))
}

impl fmt::Display for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.only() {
            Some(slot) => f.pad(slot.as_str()),
            None => write!(f, "blue:{},green:{}", self.blue, 100 - self.blue),
        }
    }
}

by_text!(Active);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_or_a_split_reads_back_as_it_was_written() {
        for text in ["blue", "green", "blue:90,green:10"] {
            assert_eq!(Active::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        assert_eq!(Active::parse(b"green:100").unwrap(), Active::all(Slot::Green));
        assert_eq!(Active::parse(b" green\n").unwrap(), Active::all(Slot::Green));
    }

    #[test]
    fn bad_splits_and_slots_are_refused_with_a_reason() {
        for (value, word) in [
            ("Green", "did you mean `green`?"),
            ("gren", "did you mean `green`?"),
            ("red", "no slot"),
            ("blue:90,green:20", "sum to 110"),
            ("blue:50", "sum to 50"),
            ("blue:50,blue:50", "twice"),
            ("blue:-1,green:101", "no split"),
            ("blue,green", "no split"),
            ("\"green\"", "no slot"),
            ("", "empty"),
        ] {
            let said = Active::parse(value.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(word), "{value}: {said}");
        }
    }
}
