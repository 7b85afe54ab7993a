//! Targets that are told who the client is by a PROXY header.

use crate::backend::Backend;
use crate::proxy::Proxy;

#[tokio::test]
async fn each_connection_begins_with_the_client_it_is_for_and_serves_no_other() {
    let backend = Backend::bind().await;
    let proxy = Proxy::start();
    let text = format!(r#"{{"proxy_protocol":"v1","targets":["{}"]}}"#, backend.address());
    proxy.flip(&proxy.announce("first", &text).await);
    for _ in 0..4 {
        let mut client = proxy.client().await;
        for _ in 0..2 {
            client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let mut conn = backend.accept().await;
            let head = conn.request().await;
            let (from, to) = (client.local(), proxy.address);
            let header =
                format!("proxy tcp4 {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port());
            assert!(head.starts_with(&(header + "get / http/1.1\r\n")), "{head}");
            conn.answer("ok").await;
            assert_eq!(client.answer().await.body, "ok");
            conn.closed().await;
        }
    }
}
