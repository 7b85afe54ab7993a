use super::*;

fn trust(field: Field) -> Arc<Trust> {
    let inner = |ip| matches!(ip, IpAddr::V4(v4) if v4.octets()[0] == 10);
    Arc::new(Trust::new(inner, field))
}

fn origin(peer: &str, secure: bool, field: Field) -> Origin {
    Origin::new(peer.parse().unwrap(), secure, &trust(field))
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
    };
    fields.iter().map(parse).collect()
}

fn told(origin: &Origin, fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = headers(fields);
    origin.tell(&mut headers);
    headers
}

/// All lines of `name`, so that none hides behind the first.
fn lines<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}

fn client(origin: &Origin, fields: &[(&str, &str)]) -> (String, bool) {
    let client = origin.client(&headers(fields));
    (client.address.to_string(), client.secure)
}

const CLAIMS: [(&str, &str); 11] = [
    ("x_forwarded_for", "1.1.1.1"),
    ("x-real_ip", "1.1.1.1"),
    ("x-forwarded-for", "1.1.1.1"),
    ("x-forwarded-for", "2.2.2.2"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-prefix", "/admin"),
    ("x-real-ip", "1.1.1.1"),
    ("forwarded", "for=1.1.1.1"),
    ("host", "www.example.com"),
];

#[test]
fn nothing_a_client_says_of_itself_is_believed() {
    let origin = origin("192.0.2.9", false, Field::XForwardedFor);
    assert_eq!(client(&origin, &CLAIMS), ("192.0.2.9".to_owned(), false));
    let headers = told(&origin, &CLAIMS);
    assert_eq!(lines(&headers, "x-forwarded-for"), [b"192.0.2.9"]);
    assert_eq!(lines(&headers, "x-forwarded-proto"), [b"http"]);
    assert_eq!(lines(&headers, "x-forwarded-host"), [b"www.example.com"]);
    for gone in [
        "x_forwarded_for",
        "x-real_ip",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-real-ip",
        "forwarded",
    ] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    let headers = told(&origin, &CLAIMS[..10]);
    assert!(!headers.contains_key("x-forwarded-host"), "a request without Host has none");
}

#[test]
fn a_client_without_claims_is_described() {
    let origin = origin("2001:db8::9", true, Field::XForwardedFor);
    let headers = told(&origin, &[("host", "a:8443")]);
    assert_eq!(headers["x-forwarded-for"], "2001:db8::9");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], "a:8443");
    assert_eq!(headers.len(), 4);
    let mapped = Origin::new("::ffff:10.0.0.1".parse().unwrap(), false, &trust(Field::default()));
    assert!(mapped.is_trusted());
}

#[test]
fn a_trusted_proxy_is_appended_to() {
    let origin = origin("10.0.0.2", false, Field::XForwardedFor);
    let headers = told(&origin, &CLAIMS);
    assert_eq!(lines(&headers, "x-forwarded-for"), [b"1.1.1.1, 2.2.2.2, 10.0.0.2"]);
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], "evil.example");
    assert_eq!(headers["x-forwarded-port"], "443");
    assert_eq!(headers["x-real-ip"], "1.1.1.1");
    assert_eq!(
        lines(&headers, "forwarded"),
        [b"for=1.1.1.1, for=10.0.0.2;proto=http;host=www.example.com"]
    );
}

#[test]
fn a_trusted_proxy_that_says_nothing_is_spoken_for() {
    let origin = origin("10.0.0.2", false, Field::XForwardedFor);
    let headers = told(&origin, &[("host", "a")]);
    assert_eq!(headers["x-forwarded-for"], "10.0.0.2");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert!(!headers.contains_key("forwarded"), "only who began it goes on with it");
    let headers = told(&origin, &[("x-forwarded-proto", "https")]);
    assert_eq!(lines(&headers, "x-forwarded-proto"), [b"https"]);
}

#[test]
fn a_malformed_forwarded_is_not_appended_to() {
    let origin = origin("10.0.0.2", true, Field::Forwarded);
    let headers = told(&origin, &[("forwarded", "for=\"1.1.1.1"), ("forwarded", "for=2.2.2.2")]);
    assert_eq!(lines(&headers, "forwarded"), [b"for=10.0.0.2;proto=https"]);
}

#[test]
fn the_client_is_the_last_one_that_is_not_trusted() {
    let origin = origin("10.0.0.2", false, Field::XForwardedFor);
    for (chain, expected) in [
        ("", "10.0.0.2"),
        ("192.0.2.1", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1, 10.0.0.3", "192.0.2.1"),
        ("10.0.0.4, 10.0.0.3", "10.0.0.4"),
        ("192.0.2.1, unknown, 10.0.0.3", "10.0.0.3"),
        ("192.0.2.1, <script>", "10.0.0.2"),
        ("192.0.2.1:5000,,", "192.0.2.1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
    ] {
        assert_eq!(client(&origin, &[("x-forwarded-for", chain)]).0, expected, "{chain}");
    }
    let two = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")];
    assert_eq!(client(&origin, &two).0, "192.0.2.1");
}

#[test]
fn only_the_field_that_the_proxies_write_is_believed() {
    let both = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2;proto=https")];
    let (by_for, by_forwarded) = (
        origin("10.0.0.2", false, Field::XForwardedFor),
        origin("10.0.0.2", false, Field::Forwarded),
    );
    assert_eq!(client(&by_for, &both), ("192.0.2.1".to_owned(), false));
    assert_eq!(client(&by_forwarded, &both), ("192.0.2.2".to_owned(), true));
    assert_eq!(client(&by_for, &both[1..]).0, "10.0.0.2");
    assert_eq!(client(&by_forwarded, &both[..1]).0, "10.0.0.2");
    let proto = [("x-forwarded-proto", "HTTPS")];
    assert_eq!(client(&by_for, &proto), ("10.0.0.2".to_owned(), true));
}

#[test]
fn of_a_forwarded_with_a_mistake_nothing_is_believed_and_nothing_is_passed_on() {
    let origin = origin("10.0.0.2", false, Field::Forwarded);
    let fields = [
        ("forwarded", "for=192.0.2.1"),
        ("forwarded", "for=6.6.6.6, for=\""),
        ("forwarded", "for=10.0.0.3;proto=https"),
    ];
    assert_eq!(client(&origin, &fields[..1]), ("192.0.2.1".to_owned(), false));
    for some in [&fields[..], &fields[..2], &fields[1..], &fields[1..2]] {
        assert_eq!(client(&origin, some), ("10.0.0.2".to_owned(), false), "{some:?}");
        let headers = told(&origin, some);
        assert_eq!(lines(&headers, "forwarded"), [b"for=10.0.0.2;proto=http"], "{some:?}");
    }
}

#[test]
fn any_bytes_give_an_address_and_a_sound_chain() {
    let mut rng = fastrand::Rng::with_seed(7239);
    let likely = br#"for=10.0.0.1,"[];:\ proto=https0192.2_"#;
    for _ in 0..20_000 {
        let mut bytes = vec![0; rng.usize(0..40)];
        bytes.fill_with(|| match rng.u8(0..12) {
            0 => rng.u8(..),
            _ => likely[rng.usize(0..likely.len())],
        });
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
        for (field, name) in [(Field::XForwardedFor, FOR), (Field::Forwarded, FORWARDED)] {
            let origin = origin("10.0.0.2", false, field);
            let mut headers = HeaderMap::new();
            headers.insert(name.clone(), value.clone());
            origin.client(&headers);
            origin.tell(&mut headers);
            // The next proxy, which trusts this one, can read at least what this one added.
            let mut lines = headers.get_all(&name).iter().map(HeaderValue::as_bytes);
            let last = match field {
                Field::XForwardedFor => lines.next_back().unwrap().rsplit(|b| *b == b',').next(),
                Field::Forwarded => {
                    let last = lines.flat_map(Elements::new).last().unwrap();
                    last.unwrap_or_else(|_| panic!("{value:?}")).node
                }
            };
            assert_eq!(node::address(last.unwrap()), Some([10, 0, 0, 2].into()), "{value:?}");
        }
    }
}
