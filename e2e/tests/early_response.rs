//! A response that starts before its request's body has ended.

use demo::pattern::{Digest, Pattern};
use e2e::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{HOST, Site};

const MIB: usize = 1024 * 1024;

/// A client that writes all of its 64 MiB before it reads one byte must not be waited for, although
/// hyper would stop reading the upload while nobody takes the response.
#[tokio::test]
async fn sixty_four_mib_are_taken_from_a_client_that_reads_nothing_of_the_response_begun() {
    let site = Site::on(Store::directory()).await;
    let mut stream = TcpStream::connect(site.proxy.address()).await.unwrap();
    let head = format!(
        "POST /digest?early HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        64 * MIB
    );
    let exchange = async {
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut pattern = Pattern::new(1);
        let mut digest = Digest::default();
        for _ in 0..64 {
            let piece = pattern.take(MIB);
            digest.update(&piece);
            stream.write_all(&piece).await.unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains(&digest.to_string()), "{answer}, sent {digest}");
    };
    tokio::time::timeout(e2e::wait::PATIENCE, exchange).await.expect("the upload stalls");
}

/// The other half: while the response waits for more of the upload, its head is there already.
#[tokio::test]
async fn the_head_of_an_early_response_does_not_wait_for_the_upload() {
    let site = Site::on(Store::directory()).await;
    let mut stream = TcpStream::connect(site.proxy.address()).await.unwrap();
    let head = format!(
        "POST /digest?early HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\
         content-length: 6\r\n\r\none"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    while !String::from_utf8_lossy(&got).contains("200 OK") {
        assert_ne!(stream.read_buf(&mut got).await.unwrap(), 0, "closed without a head");
    }
    stream.write_all(b"two").await.unwrap();
    stream.read_to_end(&mut got).await.unwrap();
    let answer = String::from_utf8(got).unwrap();
    assert!(answer.contains("6 bytes, "), "{answer}");
}
