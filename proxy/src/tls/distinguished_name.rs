//! A distinguished name as text (RFC 4514), in visible ASCII without double quotes: fit for a header
//! and for a quoted string in it.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use x509_parser::asn1_rs::{Any, Tag, ToDer};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The attribute types that have a name: those of RFC 4514 (3), which everybody has to know, and two
/// more that certificates of people carry.
const TYPES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.5", "serialNumber"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// `name` with its last part first (RFC 4514, 2.1).
pub(super) fn text(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter_rdn().collect();
    let mut text = String::new();
    for part in parts.into_iter().rev() {
        let comma = if text.is_empty() { "" } else { "," };
        for (nth, attribute) in part.iter().enumerate() {
            text.push_str(if nth == 0 { comma } else { "+" });
            add(&mut text, attribute);
        }
    }
    text
}

fn add(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type().to_id_string();
    let known = TYPES.iter().find(|(dotted, _)| *dotted == oid).map(|(_, name)| *name);
    text.push_str(known.unwrap_or(&oid));
    text.push('=');
    if let Some(value) = known.and_then(|_| decoded(attribute.attr_value())) {
        escape(text, &value);
    } else {
        // Of other types the value is shown as it is encoded (RFC 4514, 2.4).
        text.push('#');
        let der = attribute.attr_value().to_der_vec().unwrap_or_default();
        text.push_str(&HEXLOWER.encode(&der));
    }
}

/// The characters of a string of one of the kinds that RFC 5280 (4.1.2.4) allows.
fn decoded(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            std::str::from_utf8(bytes).ok().map(ToOwned::to_owned)
        }
        // T.61 in name, Latin-1 in practice.
        Tag::TeletexString => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        Tag::UniversalString => {
            let (units, rest) = bytes.as_chunks::<4>();
            let chars = units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit)));
            chars.collect::<Option<String>>().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// Escapes `value` (RFC 4514, 2.4): what has a meaning, and by its bytes what is not visible ASCII
/// or would end a quoted string.
fn escape(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (nth, byte) in value.bytes().enumerate() {
        match byte {
            b' ' if nth == 0 || nth == last => text.push_str("\\ "),
            b'#' if nth == 0 => text.push_str("\\#"),
            b'+' | b',' | b';' | b'<' | b'>' | b'=' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' if !matches!(byte, b'"' | b'\\') => text.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(text, "\\{byte:02X}")),
        }
    }
}
