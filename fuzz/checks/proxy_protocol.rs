//! What holds for whatever a connection begins with.

use shunt_proxy::proxy_protocol::{Header, MAX_LENGTH, Parsed, Version, parse, write};

pub(crate) fn check(bytes: &[u8]) {
    let parsed = parse(bytes);
    match parsed {
        Parsed::Incomplete => assert!(bytes.len() < MAX_LENGTH, "waits for more than the longest"),
        Parsed::Complete(header, length) => {
            assert_eq!(parse(&bytes[..length]), parsed, "depends on what follows");
            assert_eq!(parse(&bytes[..length - 1]), Parsed::Incomplete, "longer than needed");
            if let Header::Proxied(addresses) = header {
                for version in [Version::V1, Version::V2] {
                    let written = write(version, Some(addresses));
                    let Parsed::Complete(Header::Proxied(again), all) = parse(&written) else {
                        panic!("{version:?}: what is written is not read: {addresses:?}");
                    };
                    assert_eq!(all, written.len());
                    let pair = |one: &std::net::SocketAddr| (one.ip().to_canonical(), one.port());
                    assert_eq!(pair(&again.source), pair(&addresses.source));
                    assert_eq!(pair(&again.destination), pair(&addresses.destination));
                }
            }
        }
        Parsed::Invalid(_) => {
            let more = [bytes, b" 0\r\n"].concat();
            assert_eq!(parse(&more), parsed, "refused only for now");
        }
    }
}
