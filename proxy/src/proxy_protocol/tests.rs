use std::net::SocketAddr;

use crc::{CRC_32_ISCSI, Crc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn proxied(source: &str, destination: &str) -> Header {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Header::Proxied(Addresses { source: address(source), destination: address(destination) })
}

/// A header of version 2 with the command, family and block given.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap();
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(block);
    bytes
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// 192.0.2.1:56324 to 192.0.2.2:443.
const INET: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x01, 0xbb];

/// A header of `block` and an extension with its checksum between two others.
fn with_checksum(family: u8, block: &[u8]) -> Vec<u8> {
    let before = [block, &tlv(0x02, b"www.example.com")].concat();
    let at = 16 + before.len() + 3;
    let mut bytes = v2(0x21, family, &[before, tlv(0x03, &[0; 4]), tlv(0x04, b"  ")].concat());
    let checksum = Crc::<u32>::new(&CRC_32_ISCSI).checksum(&bytes);
    bytes[at..at + 4].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn valid() -> Vec<(Vec<u8>, Header)> {
    let v4 = proxied("192.0.2.1:56324", "192.0.2.2:443");
    let v6 = proxied("[2001:db8::1]:0", "[::ffff:192.0.2.2]:65535");
    let inet6 = [
        &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 2],
        &[0, 0, 0xff, 0xff],
    ]
    .concat();
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let lines = [
        ("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".to_owned(), v4),
        ("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 0 65535\r\n".to_owned(), v6),
        ("PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::FFFF:C000:202 0 65535\r\n".to_owned(), v6),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_owned(),
            proxied("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        (
            format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n"),
            proxied(&format!("[{longest}]:65535"), &format!("[{longest}]:65535")),
        ),
        ("PROXY UNKNOWN\r\n".to_owned(), Header::Local),
        (format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n"), Header::Local),
        ("PROXY UNKNOWN  \u{e9} anything\tat all\r\n".to_owned(), Header::Local),
    ];
    let largest = |addresses: &[u8]| [addresses, &tlv(0xe0, &[b'x'; 4093])].concat();
    let headers = [
        (v2(0x21, 0x11, INET), v4),
        (v2(0x21, 0x21, &inet6), v6),
        (v2(0x21, 0x11, &[INET, &tlv(0x04, &[]), &tlv(0xee, &[0; 300])].concat()), v4),
        (v2(0x21, 0x11, &largest(INET)), v4),
        (with_checksum(0x11, INET), v4),
        (with_checksum(0x21, &inet6), v6),
        // Datagrams and Unix sockets do not come over our sockets.
        (v2(0x21, 0x12, INET), Header::Local),
        (v2(0x21, 0x22, &inet6), Header::Local),
        (v2(0x21, 0x31, &[b'/'; 216]), Header::Local),
        (v2(0x21, 0x32, &largest(&[0; 216])), Header::Local),
        (v2(0x21, 0x00, &[]), Header::Local),
        (v2(0x21, 0x00, b"whatever"), Header::Local),
        // Of LOCAL nothing but the length is looked at.
        (v2(0x20, 0x00, &[]), Header::Local),
        (v2(0x20, 0x11, INET), Header::Local),
        (v2(0x20, 0x11, &[1]), Header::Local),
        (v2(0x20, 0xff, b"whatever"), Header::Local),
    ];
    lines.map(|(line, header)| (line.into_bytes(), header)).into_iter().chain(headers).collect()
}

fn invalid() -> Vec<(Vec<u8>, Invalid)> {
    let line = |text: &str| format!("PROXY {text}").into_bytes();
    let tlvs = |tlvs: &[u8]| v2(0x21, 0x11, &[INET, tlvs].concat());
    let mut wrong_checksum = with_checksum(0x11, INET);
    wrong_checksum[20] ^= 1;
    let mut no_checksum_of_zero = with_checksum(0x11, INET);
    let last = no_checksum_of_zero.len() - 1;
    no_checksum_of_zero[last] ^= 0xff;
    vec![
        (b"GET / HTTP/1.1\r\n".to_vec(), Invalid::Signature),
        (b"G".to_vec(), Invalid::Signature),
        (b"PROXX".to_vec(), Invalid::Signature),
        (b"PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), Invalid::Signature),
        (b"PROXY\r\n".to_vec(), Invalid::Signature),
        (b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), Invalid::Signature),
        (b" PROXY TCP4".to_vec(), Invalid::Signature),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), Invalid::Signature),
        (b"\r\n\r\nGET".to_vec(), Invalid::Signature),
        (b"\x16\x03\x01".to_vec(), Invalid::Signature),
        (line("TCP4 192.0.2.1 192.0.2.2 1 2\n"), Invalid::Line),
        (line("TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n"), Invalid::Line),
        (line("TCP4 192.0.2.1 192.0.2.2 1 2\rX"), Invalid::Line),
        (line("\n"), Invalid::Line),
        (line(&"UNKNOWN ".repeat(13)), Invalid::Line),
        (line(&format!("UNKNOWN {}\r\n", "x".repeat(92))), Invalid::Line),
        (line(&format!("UNKNOWN {}\r", "x".repeat(92))), Invalid::Line),
        (line("\r\n"), Invalid::Protocol),
        (line(" TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), Invalid::Protocol),
        (line("tcp4 192.0.2.1 192.0.2.2 1 2\r\n"), Invalid::Protocol),
        (line("TCP 192.0.2.1 192.0.2.2 1 2\r\n"), Invalid::Protocol),
        (line("UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), Invalid::Protocol),
        (line("UNKNOWNS\r\n"), Invalid::Protocol),
        (line("TCP4\r\n"), Invalid::Fields),
        (line("TCP4 \r\n"), Invalid::Address),
        (line("TCP4 192.0.2.1\r\n"), Invalid::Fields),
        (line("TCP4 192.0.2.1 192.0.2.2 1\r\n"), Invalid::Fields),
        (line("TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), Invalid::Fields),
        (line("TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"), Invalid::Fields),
        (line("TCP4  192.0.2.1 192.0.2.2 1 2\r\n"), Invalid::Address),
        (line("TCP4 192.0.2.1\t192.0.2.2 1 2\r\n"), Invalid::Address),
        (line("TCP4 192.0.2 192.0.2.2 1 2\r\n"), Invalid::Address),
        (line("TCP4 192.0.2.256 192.0.2.2 1 2\r\n"), Invalid::Address),
        (line("TCP4 192.0.02.1 192.0.2.2 1 2\r\n"), Invalid::Address),
        (line("TCP4 3221225985 192.0.2.2 1 2\r\n"), Invalid::Address),
        (line("TCP4 ::1 ::1 1 2\r\n"), Invalid::Address),
        (line("TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), Invalid::Address),
        (line("TCP6 ::1 1 2 3\r\n"), Invalid::Address),
        (line("TCP6 1::2::3 ::1 1 2\r\n"), Invalid::Address),
        (line("TCP6 [::1] ::1 1 2\r\n"), Invalid::Address),
        (line("TCP6 fe80::1%eth0 ::1 1 2\r\n"), Invalid::Address),
        (line("TCP6 00001::1 ::1 1 2\r\n"), Invalid::Address),
        (line("TCP4 192.0.2.1 192.0.2.2 +1 2\r\n"), Invalid::Port),
        (line("TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), Invalid::Port),
        (line("TCP4 192.0.2.1 192.0.2.2 00 2\r\n"), Invalid::Port),
        (line("TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"), Invalid::Port),
        (line("TCP4 192.0.2.1 192.0.2.2 1 -2\r\n"), Invalid::Port),
        (line("TCP4 192.0.2.1 192.0.2.2 1 \r\n"), Invalid::Port),
        (line("TCP4 192.0.2.1 192.0.2.2 1 0x2\r\n"), Invalid::Port),
        (line("TCP4 192.0.2.1 192.0.2.2 1 2\0\r\n"), Invalid::Port),
        (v2(0x11, 0x11, INET), Invalid::Command),
        (v2(0x31, 0x11, INET), Invalid::Command),
        (v2(0x22, 0x11, INET), Invalid::Command),
        (v2(0x2f, 0x11, INET), Invalid::Command),
        (v2(0x21, 0x10, INET), Invalid::Family),
        (v2(0x21, 0x01, INET), Invalid::Family),
        (v2(0x21, 0x13, INET), Invalid::Family),
        (v2(0x21, 0x41, INET), Invalid::Family),
        (v2(0x21, 0x11, &INET[1..]), Invalid::Short),
        (v2(0x21, 0x21, INET), Invalid::Short),
        (v2(0x21, 0x31, &[0; 215]), Invalid::Short),
        (tlvs(&tlv(0xe0, &[0; 4094])), Invalid::Long),
        (v2(0x21, 0x00, &[0; 4313]), Invalid::Long),
        (v2(0x20, 0x00, &[0; 4313]), Invalid::Long),
        (v2(0x20, 0x00, &[0; 65535]), Invalid::Long),
        (tlvs(&[0x04]), Invalid::Extension),
        (tlvs(&[0x04, 0]), Invalid::Extension),
        (tlvs(&[0x04, 0, 1]), Invalid::Extension),
        (tlvs(&[0x04, 0xff, 0xff, 0]), Invalid::Extension),
        (tlvs(&tlv(0x03, &[0; 3])), Invalid::Extension),
        (tlvs(&tlv(0x03, &[0; 5])), Invalid::Extension),
        (tlvs(&[tlv(0x03, &[0; 4]), tlv(0x03, &[0; 4])].concat()), Invalid::Extension),
        (tlvs(&tlv(0x03, &[0; 4])), Invalid::Checksum),
        (wrong_checksum, Invalid::Checksum),
        (no_checksum_of_zero, Invalid::Checksum),
    ]
}

#[test]
fn headers_of_both_versions_are_taken_and_what_follows_is_not_looked_at() {
    for (bytes, header) in valid() {
        let shown = bytes.escape_ascii();
        assert_eq!(parse(&bytes), Parsed::Complete(header, bytes.len()), "{shown}");
        for follows in [&b"GET / HTTP/1.1\r\n"[..], b"PROXY UNKNOWN\r\n", b"\n", &[0; 5000]] {
            let both = [&bytes, follows].concat();
            assert_eq!(parse(&both), Parsed::Complete(header, bytes.len()), "{shown}");
        }
        assert!(bytes.len() <= MAX_LENGTH);
    }
}

#[test]
fn every_beginning_of_a_header_is_incomplete() {
    for (bytes, _) in valid() {
        for length in 0..bytes.len() {
            let begun = &bytes[..length];
            assert_eq!(parse(begun), Parsed::Incomplete, "{}", begun.escape_ascii());
        }
    }
}

#[test]
fn what_is_no_header_is_refused_with_the_reason() {
    for (bytes, reason) in invalid() {
        assert_eq!(parse(&bytes), Parsed::Invalid(reason), "{}", bytes.escape_ascii());
        // More bytes do not make it better.
        let more = [&bytes[..], b"\r\n"].concat();
        let better = matches!(parse(&more), Parsed::Complete(..));
        assert!(!better, "{}", more.escape_ascii());
    }
}

#[test]
fn the_checksum_is_that_of_the_specification() {
    // The check value of CRC-32C.
    assert_eq!(Crc::<u32>::new(&CRC_32_ISCSI).checksum(b"123456789"), 0xe306_9283);
}

/// Whatever the bytes are: what is complete is complete with its own length, what is invalid stays
/// so however much follows, and every shorter beginning of a header was incomplete.
fn hold(bytes: &[u8]) {
    let verdict = parse(bytes);
    match verdict {
        Parsed::Complete(_, length) => {
            assert!(length <= bytes.len() && length <= MAX_LENGTH);
            assert_eq!(parse(&bytes[..length]), verdict);
            assert_eq!(parse(&bytes[..length - 1]), Parsed::Incomplete);
        }
        Parsed::Incomplete => assert!(bytes.len() < MAX_LENGTH),
        Parsed::Invalid(_) => {
            let more = [bytes, b" 1 2\r\n"].concat();
            assert_eq!(parse(&more), verdict, "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn no_bytes_make_it_panic_or_change_its_mind() {
    let mut random = fastrand::Rng::with_seed(0x5075);
    let bases: Vec<Vec<u8>> = valid()
        .into_iter()
        .map(|(bytes, _)| bytes)
        .chain(invalid().into_iter().map(|(bytes, _)| bytes))
        .filter(|bytes| bytes.len() < 600)
        .collect();
    for _ in 0..200_000 {
        let mut bytes = bases[random.usize(..bases.len())].clone();
        for _ in 0..random.usize(..4) {
            let at = random.usize(..=bytes.len());
            match random.u8(..5) {
                0 if at < bytes.len() => bytes[at] = random.u8(..),
                1 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 => bytes.insert(at, *random.choice(b" \r\n0:.+").unwrap()),
                _ => bytes.truncate(at),
            }
        }
        hold(&bytes);
        let noise: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
        hold(&noise);
    }
}

#[test]
fn what_is_written_is_read_as_it_was_meant() {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let pairs = [
        ("192.0.2.1:1", "192.0.2.2:65535", "192.0.2.1:1", "192.0.2.2:65535"),
        ("[2001:db8::1]:0", "[2001:db8::2]:443", "[2001:db8::1]:0", "[2001:db8::2]:443"),
        ("[2001:db8::1]:1", "192.0.2.2:2", "[2001:db8::1]:1", "[::ffff:192.0.2.2]:2"),
        ("192.0.2.2:2", "[2001:db8::1]:1", "[::ffff:192.0.2.2]:2", "[2001:db8::1]:1"),
        // An IPv4 client of a socket for both families is an IPv4 client.
        ("[::ffff:192.0.2.1]:1", "192.0.2.2:2", "192.0.2.1:1", "192.0.2.2:2"),
    ];
    for version in [Version::V1, Version::V2] {
        for (source, destination, from, to) in pairs {
            let (source, destination) = (address(source), address(destination));
            let bytes = write(version, Some(Addresses { source, destination }));
            assert_eq!(parse(&bytes), Parsed::Complete(proxied(from, to), bytes.len()));
        }
        let bytes = write(version, None);
        assert_eq!(parse(&bytes), Parsed::Complete(Header::Local, bytes.len()));
    }
    let Header::Proxied(ends) = proxied("192.0.2.1:56324", "192.0.2.2:443") else { panic!() };
    let line = write(Version::V1, Some(ends));
    assert_eq!(line, b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n");
    assert_eq!(write(Version::V2, Some(ends)), v2(0x21, 0x11, INET));
}

/// Both ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.set_nodelay(true).unwrap();
    (client, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn not_one_byte_after_the_header_is_taken_from_the_socket() {
    for (bytes, header) in valid() {
        let (mut client, mut server) = connection().await;
        client.write_all(&[&bytes[..], b"what follows"].concat()).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read(&mut server).await.unwrap(), header);
        let mut rest = String::new();
        server.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "what follows");
    }
}

#[tokio::test]
async fn a_header_may_come_in_any_pieces() {
    for (bytes, header) in valid() {
        let step = if bytes.len() > 300 { 97 } else { 1 };
        let (mut client, mut server) = connection().await;
        let reading = tokio::spawn(async move {
            let header = read(&mut server).await.unwrap();
            let mut rest = String::new();
            server.read_to_string(&mut rest).await.unwrap();
            (header, rest)
        });
        for piece in bytes.chunks(step) {
            client.write_all(piece).await.unwrap();
            // Lets the other side see it before the next one.
            tokio::task::yield_now().await;
        }
        client.write_all(b"rest").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(reading.await.unwrap(), (header, "rest".to_owned()));
    }
}

#[tokio::test]
async fn a_connection_that_ends_early_or_begins_otherwise_has_no_header() {
    for (sent, expected) in [
        (&b""[..], "closed before the first byte"),
        (b"PROXY TCP4 192.0.2.1", "closed within"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", "closed within"),
        (b"GET / HTTP/1.1\r\n", "something else"),
    ] {
        let (mut client, mut server) = connection().await;
        client.write_all(sent).await.unwrap();
        client.shutdown().await.unwrap();
        let refused = read(&mut server).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
