use std::net::SocketAddr;
use std::time::Duration;

use demo::app::App;
use demo::load::{Load, Report, Running, Work};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Polls until `load` has sent so much that there is something to judge.
async fn until(load: &Running, finished: u64) {
    while load.finished() < finished {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A server that answers each request on a connection with `answers` in turn, and then closes it.
async fn server(answers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            for answer in answers {
                if stream.read(&mut head).await.unwrap_or(0) == 0 {
                    break;
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    address
}

/// One client that asks for pages.
fn pages(address: SocketAddr) -> Load {
    Load::on(address).kept_alive(1, [Work::Page])
}

async fn judge(load: Load) -> Report {
    let load = load.start().unwrap();
    until(&load, 2).await;
    load.stop().await
}

#[tokio::test]
async fn a_right_server_fails_nothing_and_sees_each_request_once() {
    let app = App::new("7").start(LOOPBACK).unwrap();
    let load = Load::on(app.address())
        .kept_alive(8, Work::QUICK)
        .kept_alive(3, Work::SLOW)
        .fresh(4, Work::QUICK)
        .start()
        .unwrap();
    until(&load, 500).await;
    assert!(load.answered_by("7") >= 500);
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(app.seen(), report.sent());
    assert_eq!(report.by_release().into_iter().collect::<Vec<_>>(), [("7", report.sent())]);
    assert!(report.permille(500) <= report.slowest());
}

#[tokio::test]
async fn every_wrong_answer_is_a_failure_with_its_reason() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nx-release: 1\r\n";
    let page: &[(&[&str], &str)] = &[
        (&["HTTP/1.1 503 Nope\r\ncontent-length: 4\r\n\r\nhold"], "status 503"),
        (&["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], "0 releases named"),
        (&["HTTP/1.1 200 OK\r\nx-release: 1\r\nx-release: 2\r\n\r\n"], "2 releases named"),
        (&["HTTP/1.1 200 OK\r\nx-release: 1\r\n\r\nrelease 2, from x"], "head of release 1, body"),
        (&["HTTP/1.1 200 OK\r\nx-release: 1\r\ncontent-length: 9\r\n\r\nrel"], "broke off"),
        (&["rubbish\r\n\r\n"], "no answer"),
        (&[""], "no answer"),
    ];
    for (answers, reason) in page {
        let report = judge(pages(server(answers).await)).await;
        assert_eq!(report.failed(), report.sent(), "{reason}: {report}");
        assert!(report.failures()[0].reason.contains(reason), "{reason}: {report}");
    }
    let bytes = format!("{HEAD}content-length: 5\r\n\r\nwrong").leak();
    let answers = vec![&*bytes].leak();
    let report = judge(Load::on(server(answers).await).kept_alive(1, [Work::Download(5)])).await;
    assert!(report.failures()[0].reason.contains("byte 0 is 0x77"), "{report}");
    let report = judge(Load::on(server(answers).await).kept_alive(1, [Work::Download(6)])).await;
    assert_eq!(report.failed(), report.sent(), "{report}");
}

#[tokio::test]
async fn a_connection_closed_unannounced_is_a_failure_and_an_announced_close_is_none() {
    const KEPT: &str =
        "HTTP/1.1 200 OK\r\nx-release: 1\r\ncontent-length: 17\r\n\r\nrelease 1, from x";
    const CLOSED: &str = "HTTP/1.1 200 OK\r\nx-release: 1\r\nconnection: close\r\n\
                          content-length: 17\r\n\r\nrelease 1, from x";
    let report = judge(pages(server(&[KEPT]).await)).await;
    assert_eq!(report.failures()[0].before, 1, "{report}");
    let report = judge(pages(server(&[KEPT, CLOSED]).await)).await;
    assert_eq!(report.failed(), 0, "{report}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let app = App::new("1").start(LOOPBACK).unwrap();
    let slow = [Work::SlowDownload(2, Duration::from_hours(1))];
    let load = Load::on(app.address()).kept_alive(1, slow).patience(Duration::from_millis(20));
    let report = judge(load).await;
    assert!(report.failures()[0].reason.contains("no full answer"), "{report}");
}

#[tokio::test]
async fn the_last_answer_of_an_old_release_is_found() {
    let app = App::new("1").start(LOOPBACK).unwrap();
    let load = pages(app.address()).start().unwrap();
    until(&load, 100).await;
    let report = load.stop().await;
    let [first, .., last] = report.answers() else { panic!("{report}") };
    let late = report.last_answer_by("1", first.sent, last.ended);
    assert_eq!(late, Some(last.answered - first.sent));
    assert!(report.answered_between("1", first.sent, last.ended));
    assert!(!report.answered_between("2", first.sent, last.ended));
    // Neither what was sent before, nor what was answered after, has to do with it.
    assert_eq!(report.last_answer_by("1", last.sent, last.ended), None);
    assert!(!report.answered_between("1", last.sent, last.ended));
    assert!(!report.answered_between("1", first.sent, first.answered));
    assert_eq!(report.last_answer_by("2", first.sent, last.ended), None);
}
