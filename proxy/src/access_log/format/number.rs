//! Numbers and addresses as text.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

/// Appends `number`.
pub(super) fn whole(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `time` in milliseconds, to the microsecond.
pub(super) fn millis(time: Duration, out: &mut Vec<u8>) {
    whole(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), out);
    out.push(b'.');
    three(time.subsec_micros() % 1000, out);
}

/// Appends the last three digits of `number`, zeros included.
pub(super) fn three(number: u32, out: &mut Vec<u8>) {
    let digit = |of: u32| b'0' + u8::try_from(of % 10).unwrap_or_default();
    out.extend_from_slice(&[digit(number / 100), digit(number / 10), digit(number)]);
}

/// Appends `address`.
pub(super) fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            whole(a, out);
            for part in [b, c, d] {
                out.push(b'.');
                whole(part, out);
            }
        }
        IpAddr::V6(address) => {
            // Writing to a `Vec` does not fail.
            let _ = write!(out, "{address}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_library_does() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..2000 {
            let time = Duration::from_nanos(rng.u64(..) >> rng.u32(0..64));
            let (mut out, micros) = (Vec::new(), time.as_micros());
            millis(time, &mut out);
            let expected = format!("{}.{:03}", micros / 1000, micros % 1000);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        for text in ["0.0.0.0", "255.10.9.100", "::1", "2001:db8::7", "::ffff:192.0.2.1"] {
            let mut out = Vec::new();
            address(text.parse().unwrap(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
