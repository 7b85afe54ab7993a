//! curl.

use demo::pattern::{Digest, Pattern};
use e2e::process::attempt;
use e2e::{Port, until};

use crate::house::{HOST, House};
use crate::way::Way;

#[tokio::test]
async fn curl_gets_and_sends_every_byte_in_each_version_with_and_without_tls() {
    const LENGTH: usize = 5_000_000;
    let house = House::open().await;
    let _apps = house.serve_demo("").await;
    let (sent, got) = (house.file("sent"), house.file("got"));
    let pattern = Pattern::new(7).take(LENGTH);
    let mut digest = Digest::default();
    digest.update(&pattern);
    std::fs::write(&sent, &pattern).unwrap();
    let upload = format!("@{}", sent.display());
    let got_name = got.to_str().unwrap();
    for way in Way::all(&house) {
        let said = way.curl("/", &["--write-out", "%{http_version}"]).await;
        assert!(said.ends_with(&format!("\n{}", way.version)), "{said}");

        let path = format!("/bytes/{LENGTH}?seed=7");
        way.curl(&path, &["--output", got_name]).await;
        assert!(std::fs::read(&got).unwrap() == pattern, "download by {}", way.version);

        let said = way.curl("/digest", &["--data-binary", &upload]).await;
        assert_eq!(said, digest.to_string(), "upload by {}", way.version);
        // Without a length: chunks, or a stream of HTTP/2 that ends.
        let chunked = ["--header", "Transfer-Encoding: chunked", "--data-binary", &upload];
        let said = way.curl("/digest", &chunked).await;
        assert_eq!(said, digest.to_string(), "upload without a length by {}", way.version);

        way.curl("/echo", &["--data-binary", &upload, "--output", got_name]).await;
        assert!(std::fs::read(&got).unwrap() == pattern, "echo by {}", way.version);
    }
}

#[tokio::test]
async fn curl_believes_the_certificate_because_of_its_authority_alone() {
    let house = House::open().await;
    let _apps = house.serve_demo("").await;
    let [.., way] = Way::all(&house);
    assert!(way.curl("/", &[]).await.starts_with("release 1"));
    // The machine's own authorities have never heard of it.
    let resolve = format!("{HOST}:{}:127.0.0.1", house.tls.number());
    let (status, said) = attempt("curl", &["-sS", "--resolve", &resolve, &way.url]).await;
    assert_eq!(status.code(), Some(60), "{said}");
}

#[tokio::test]
async fn curl_waits_for_100_continue_and_gets_it_from_the_target() {
    let house = House::open().await;
    let _apps = house.serve_demo("").await;
    let [way, ..] = Way::all(&house);
    // A wait far longer than this test may take: only the 100 lets curl send its body.
    let wait = ["--verbose", "--stderr", "-", "--expect100-timeout", "300"];
    let data = ["--data", "one two", "--header", "Expect: 100-continue"];
    let said = way.curl("/digest", &[&wait[..], &data].concat()).await;
    let mut digest = Digest::default();
    digest.update(b"one two");
    assert!(said.contains("< HTTP/1.1 100 Continue"), "{said}");
    assert!(said.contains("< HTTP/1.1 200 OK") && said.contains(&digest.to_string()), "{said}");
    // Whoever does not ask for it is not told.
    let said = way.curl("/digest", &[&wait[..3], &data[..2]].concat()).await;
    assert!(!said.contains("100 Continue"), "{said}");
}

#[tokio::test]
async fn curl_says_a_proxy_header_where_one_is_asked_for_and_only_there() {
    let house = House::open().await;
    let _apps = house.serve_demo("").await;
    let ask = async |port: &Port, flags: &[&str]| {
        let resolve = format!("{HOST}:{}:127.0.0.1", port.number());
        let url = format!("http://{HOST}:{}/headers", port.number());
        let all = [&["-sS", "--fail", "--resolve", &resolve, &url], flags].concat();
        attempt("curl", &all).await
    };
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let (status, said) = ask(&house.behind, &["--haproxy-protocol", version]).await;
        assert!(status.success(), "{said}");
        assert!(said.contains(r#"["x-forwarded-for","127.0.0.1"]"#), "{said}");
        let (status, said) = ask(&house.behind, &[version]).await;
        assert!(!status.success(), "served without a PROXY header: {said}");
    }
}

#[tokio::test]
async fn curl_follows_the_redirect_to_https_and_sends_its_upload_there() {
    let house = House::open().await;
    let _apps = house.serve_demo(r#","https":"redirect""#).await;
    let [way, ..] = Way::all(&house);
    // The redirect is to the port that https has.
    let there = format!("{HOST}:443:127.0.0.1:{}", house.tls.number());
    let follow = ["--location", "--connect-to", &there, "--data", "one two"];
    let told = ["--write-out", " %{num_redirects} %{url_effective} %{http_version}"];
    let said = way.curl("/digest", &[&follow[..], &told].concat()).await;
    let mut digest = Digest::default();
    digest.update(b"one two");
    assert_eq!(said, format!("{digest} 1 https://{HOST}/digest 1.1"));
    // And without following there is nothing of the app.
    let said = way.curl("/", &["--write-out", "%{http_code}"]).await;
    assert!(said.ends_with("308") && !said.contains("release"), "{said}");
}

#[tokio::test]
async fn curl_is_served_with_a_certificate_of_the_right_authority_and_not_without() {
    let house = House::open().await;
    let _apps = house.serve_demo("").await;
    let port = house.mutual.number();
    let url = format!("https://{HOST}:{port}/headers");
    let (resolve, authority) = (format!("{HOST}:{port}:127.0.0.1"), house.file("servers.pem"));
    let ask = async |flags: &[&str]| {
        let known = ["-sS", "--resolve", &resolve, "--cacert", authority.to_str().unwrap()];
        attempt("curl", &[&known, flags, &[&url]].concat()).await
    };
    let files = house.files().display();
    for version in ["--http1.1", "--http2"] {
        for (name, right) in [(Some("alice"), true), (Some("mallory"), false), (None, false)] {
            let [certificate, key] =
                ["crt", "key"].map(|kind| format!("{files}/{}.{kind}", name.unwrap_or_default()));
            let flags = ["--cert", &certificate, "--key", &key, version];
            let flags = if name.is_some() { &flags[..] } else { &flags[4..] };
            let (status, said) = ask(flags).await;
            assert_eq!(status.success(), right, "{name:?} {version}: {said}");
            assert_eq!(said.contains("client-cert"), right, "{name:?} {version}: {said}");
        }
    }
    until("the access log has both requests", async || {
        let log = house.access_log();
        // Each thread has a lane of its own to the log.
        let mut versions: Vec<_> = log.iter().map(|line| line["protocol"].to_string()).collect();
        versions.sort();
        (versions == [r#""HTTP/1.1""#, r#""HTTP/2.0""#]).then_some(())
    })
    .await;
}
