//! How large a head may be.

use shunt_config::limits::Bounds;
use shunt_config::size::Size;
use shunt_proxy::data::ClientLimits;

use crate::backend::Backend;
use crate::proxy::{Proxy, limits};

/// Header lines of so many KiB in all.
fn lines(kib: usize) -> String {
    let line = |number| format!("x-{number}: {}\r\n", "v".repeat(4096 - 8));
    (10..10 + kib / 4).map(line).collect()
}

#[tokio::test]
async fn a_request_head_may_be_as_large_as_its_limit_says() {
    let backend = Backend::bind().await;
    let bounds = Bounds { header_bytes: Size::mib(1), headers: 1000, ..Bounds::default() };
    let proxy = Proxy::with(limits(), ClientLimits { bounds, ..ClientLimits::default() });
    proxy.flip(&proxy.release("a", &[backend.address()]));
    let mut client = proxy.client().await;
    client.write(format!("GET / HTTP/1.1\r\nHost: web\r\n{}\r\n", lines(800))).await;
    let mut conn = backend.accept().await;
    let head = conn.request().await;
    assert!(head.contains("\r\nx-10: ") && head.contains("\r\nx-209: "), "{}", head.len());
    conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.answer().await.body, "ok");
    let mut client = proxy.client().await;
    client.write(format!("GET / HTTP/1.1\r\nHost: web\r\n{}\r\n", lines(1100))).await;
    assert_eq!(client.answer().await.status(), 431);
}

#[tokio::test]
async fn an_answers_head_may_have_64_kib_and_not_much_more() {
    let backend = Backend::bind().await;
    let proxy = Proxy::serving(&[backend.address()]);
    for (kib, status) in [(60, 200), (200, 502)] {
        let mut client = proxy.client().await;
        client.send_get("/").await;
        let mut conn = backend.accept().await;
        conn.request().await;
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{}\r\n", lines(kib));
        conn.write(head).await;
        drop(conn);
        assert_eq!(client.answer().await.status(), status, "{kib} KiB");
    }
}
