//! What may stand in `proxy.toml`, and how mistakes in it are named.

use super::*;
use crate::size::Size;

const SMALLEST: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n\
                        [store]\ndirectory = \"/var/lib/shunt/store\"\n";

fn parse(text: &str) -> Result<ProxyFile, Vec<String>> {
    ProxyFile::parse("proxy.toml", text, "LB1")
        .map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[test]
fn the_smallest_file_is_a_listener_and_a_store() {
    let file = parse(SMALLEST).unwrap();
    assert_eq!(file.name.as_str(), "lb1");
    assert_eq!(file.listen.len(), 1);
    assert_eq!(file.admin.to_string(), "127.0.0.1:9180");
    assert_eq!(file.flip_timeout, Duration::from_mins(1));
    assert!(file.threads >= 1);
}

#[test]
fn the_sample_file_is_sound() {
    let text = include_str!("../../proxy.toml");
    let file = parse(text).unwrap();
    assert_eq!(file.store.etcd, ["http://10.0.0.2:2379"]);
}

#[test]
fn every_setting_can_be_written() {
    let text = "name = \"lb2\"\nthreads = 3\nflip_timeout = \"5s\"\nlost_after = \"1m\"\n\
                grace = \"10s\"\n[client]\nidle = \"5s\"\nhead = \"6s\"\n\
                [admin]\naddress = \"0.0.0.0:81\"\n[state]\ndirectory = \"/srv/shunt\"\n";
    let file = parse(&format!("{text}{SMALLEST}")).unwrap();
    assert_eq!((file.name.as_str(), file.threads), ("lb2", 3));
    assert_eq!(file.lost_after, Duration::from_mins(1));
    assert_eq!(file.client.head, Duration::from_secs(6));
    assert_eq!(file.admin.port(), 81);
    assert_eq!(file.state, Path::new("/srv/shunt"));
}

#[test]
fn everything_of_the_front_door_can_be_written() {
    let text = r#"
[[listen]]
address = "0.0.0.0:443"
tls = true
http2 = false
proxy_protocol = true
half_close = true
client_ca = "/etc/shunt/clients.pem"
client_auth = "optional"
[store]
directory = "/var/lib/shunt/store"
[tls]
certificates = "/etc/shunt/certs"
default = "www"
min_version = "1.3"
[trust]
forwarded = ["10.0.0.0/8"]
proxy_protocol = ["10.0.0.2", "fd00::/8"]
[client]
tls_handshake = "3s"
body = "20s"
requests = 0
[limits]
header_bytes = "32KiB"
headers = 50
uri = 4096
body = "10MiB"
[http2]
streams = 32
stream_window = "64KiB"
connection_window = "128KiB"
[access_log]
path = "/var/log/shunt/access.log"
format = "combined"
buffer = 100
[pages]
directory = "/etc/shunt/pages"
[preview]
keys = ["/etc/shunt/preview.key", "/etc/shunt/preview-old.key"]
[front]
health = "/lb-health"
"#;
    let file = parse(text).unwrap();
    let listen = &file.listen[0];
    assert!(listen.tls && !listen.http2 && listen.proxy_protocol && listen.half_close);
    assert!(listen.client_auth.as_ref().is_some_and(|auth| !auth.required));
    let tls = file.tls.unwrap();
    assert_eq!((tls.default.as_deref(), tls.min_version), (Some("www"), MinVersion::Tls13));
    assert!(file.trust.proxy_protocol.contain([10, 0, 0, 2].into()));
    assert_eq!(file.client.requests, 0);
    assert_eq!((file.limits.uri, file.limits.headers), (Size::kib(4), 50));
    assert_eq!((file.http2.streams, file.http2.stream_window), (32, Size::kib(64)));
    let log = file.access_log.unwrap();
    assert_eq!((log.format, log.buffer), (Format::Combined, 100));
    assert_eq!(log.path, Destination::File("/var/log/shunt/access.log".into()));
    assert_eq!(file.pages.as_deref(), Some(Path::new("/etc/shunt/pages")));
    assert_eq!(file.preview_keys[1], Path::new("/etc/shunt/preview-old.key"));
    assert_eq!(file.front_health.as_deref(), Some("/lb-health"));
}

#[test]
fn nobody_is_trusted_and_nothing_is_unbounded_unless_it_is_written() {
    let file = parse(SMALLEST).unwrap();
    assert_eq!((file.tls, file.trust), (None, Trust::default()));
    assert_eq!(file.limits, Bounds::default());
    assert_eq!((file.access_log, file.pages, file.front_health), (None, None, None));
    assert_eq!(file.listen[0], Listen::new(([127, 0, 0, 1], 0).into()));
}

#[test]
fn each_mistake_at_the_front_door_is_named_with_the_way_out() {
    let tls = "[tls]\ncertificates = \"/c\"\n";
    for (listen, rest, place, word) in [
        ("tls = true", "", "tls: missing key", "add `[tls]`"),
        ("tls = true", "[tls]\n", "tls.certificates", "missing key"),
        ("", "[tls]\ncertificates = \"c\"\n", "tls.certificates", "not absolute"),
        ("", &format!("{tls}default = \"a/b\"\n"), "tls.default", "no NAME of a `NAME.crt`"),
        ("", "[preview]\n", "preview.keys", "missing key"),
        ("", "[preview]\nkeys = [\"a.key\"]\n", "preview.keys", "not absolute"),
        ("", "[preview]\nkeys = [\"/a\", \"/b\", \"/c\"]\n", "preview.keys", "2 are valid"),
        ("", &format!("{tls}min_version = \"1.1\"\n"), "tls.min_version", "unknown value `1.1`"),
        ("client_ca = \"/ca.pem\"", "", "listen[0].client_ca", "add `tls = true`"),
        ("client_auth = \"optional\"", "", "listen[0].client_auth", "add `tls = true`"),
        ("tls = true\nclient_auth = \"required\"", tls, "listen[0].client_auth", "client_ca ="),
        ("tls = true\nclient_ca = \"ca.pem\"", tls, "listen[0].client_ca", "not absolute"),
        ("proxy_protocol = true", "", "trust.proxy_protocol: missing", "[\"10.0.0.0/8\"]"),
        ("", "[trust]\nforwarded = [\"10.0.0.1/8\"]\n", "trust.forwarded", "`10.0.0.0/8`"),
        ("", "[trust]\nforwarded = \"10.0.0.0/8\"\n", "trust.forwarded", "has to be a list"),
        ("", "[limits]\nheader_bytes = \"1KiB\"\n", "limits.header_bytes", "8KiB to 1MiB"),
        ("", "[limits]\nheaders = 0\n", "limits.headers", "1 to 1000"),
        ("", "[limits]\nuri = \"16KiB\"\nheader_bytes = \"8KiB\"\n", "limits.h", "16KiB at"),
        ("", "[limits]\nbody = \"1 apple\"\n", "limits.body", "such as `8KiB`"),
        ("", "[http2]\nstreams = 0\n", "http2.streams", "1 to 10000"),
        ("", "[http2]\nresets_per_second = 0\n", "http2.resets_per_second", "1 at least"),
        ("", "[client]\nconnections = 0\n", "client.connections", "1 to 1000000"),
        ("", "[http2]\nstream_window = \"1KiB\"\n", "http2.stream_window", "65535B to 1GiB"),
        ("", "[access_log]\n", "access_log.path", "missing key"),
        ("", "[access_log]\npath = \"a.log\"\n", "access_log.path", "nor `stdout`"),
        ("", "[access_log]\npath = \"stdout\"\nbuffer = 0\n", "access_log.buffer", "1 to"),
        ("", "[access_log]\npath = \"stdout\"\nformat = \"jsn\"\n", "access_log.f", "`json`?"),
        ("", "[pages]\ndirectory = \"pages\"\n", "pages.directory", "not absolute"),
        ("", "[front]\nhealth = \"/\"\n", "front.health", "write `/lb-health`"),
        ("", "[front]\nhealth = \"up\"\n", "front.health", "begins with `/`"),
    ] {
        let text = format!(
            "[[listen]]\naddress = \"127.0.0.1:0\"\n{listen}\n\
             [store]\ndirectory = \"/var/lib/shunt/store\"\n{rest}"
        );
        let said = parse(&text).unwrap_err();
        assert!(said[0].contains(place) && said[0].contains(word), "{text}: {said:#?}");
        assert_eq!(said.len(), 1, "{text}: {said:#?}");
    }
}

#[test]
fn all_mistakes_are_named_in_one_run() {
    let text = "threads = 0\nflip_timeout = \"5\"\nlost_after = \"1s\"\n\
                [[listen]]\naddress = \"80\"\n\
                [store]\netcd = [\"10.0.0.2:2379\"]\n\
                [state]\ndirectory = \"here\"\n[amdin]\n";
    let said = parse(text).unwrap_err();
    for (line, word) in [
        ("proxy.toml:1: threads", "1 to 1024"),
        ("proxy.toml:2: flip_timeout", "not a duration"),
        ("proxy.toml:3: lost_after", "at least 10s"),
        ("proxy.toml:5: listen[0].address", "socket address"),
        ("proxy.toml:6: store", "is not `http(s)://host:port`"),
        ("proxy.toml:9: state.directory", "not absolute"),
        ("proxy.toml:10: amdin", "did you mean `admin`?"),
    ] {
        assert!(said.iter().any(|s| s.starts_with(line) && s.contains(word)), "{line}: {said:#?}");
    }
    assert_eq!(said.len(), 7, "{said:#?}");
}

#[test]
fn what_cannot_be_left_away_is_asked_for() {
    let said = parse("").unwrap_err();
    assert!(said.iter().any(|s| s.contains("listen: missing key")), "{said:#?}");
    assert!(said.iter().any(|s| s.contains("store: missing key")), "{said:#?}");
    let said = ProxyFile::parse("proxy.toml", SMALLEST, "My_Host").unwrap_err();
    assert!(said[0].to_string().contains("the host name `My_Host` cannot stand in"), "{said:?}");
}
