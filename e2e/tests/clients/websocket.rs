//! Web sockets in Python.

use e2e::until;

use crate::house::{HOST, House, release, short_or_long};
use crate::python::{Program, Server};

/// A house where both releases are servers of web sockets.
async fn talking(settings: &str) -> (House, [Server; 2]) {
    let house = House::open().await;
    let servers =
        [Server::start("ws_server.py", "1").await, Server::start("ws_server.py", "2").await];
    let [blue, green] = servers.each_ref().map(|server| release("http/1.1", server.address));
    house.serve(settings, &blue, &green).await;
    (house, servers)
}

fn client(house: &House, what: &str, tls: bool, count: usize) -> Program {
    let authority = house.file("servers.pem").display().to_string();
    let (port, authority) = match tls {
        true => (house.tls.number(), authority.as_str()),
        false => (house.proxy.address().port(), ""),
    };
    Program::start(&["ws_client.py", what, HOST, &port.to_string(), authority, &count.to_string()])
}

#[tokio::test]
async fn whatever_a_websocket_can_carry_comes_back_as_it_was_with_and_without_tls() {
    let (house, servers) = talking("").await;
    for tls in [false, true] {
        client(&house, "talk", tls, 1).was_right().await;
    }
    // The client's own close has reached the server, with its reason.
    until("the server has heard of every end", async || {
        let log = servers[0].program.process.log();
        (log.matches("closed 4321 enough").count() == 4).then_some(())
    })
    .await;
    // After the closing handshake it is the server that closes the connection.
    until("every end is counted", async || {
        (house.tunnels("blue", "target").await == 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_flip_tells_every_websocket_1001_and_whoever_comes_back_finds_the_new_release() {
    let count = short_or_long(100, 500);
    let (house, servers) = talking(r#","timeouts":{"drain":"2s"}"#).await;
    let mut clients = [client(&house, "flip", false, count), client(&house, "flip", true, count)];
    for client in &mut clients {
        client.process.said("open ").await;
    }
    assert_eq!(house.tunnels("blue", "drained").await, 0);
    house.flip("green").await;
    for client in clients {
        let said = client.was_right().await;
        assert!(said.contains(&format!("told {count} others []")), "{said}");
    }
    let all = 2 * count as u64;
    until("every end is counted", async || {
        let ends = [house.tunnels("blue", "drained").await, house.tunnels("green", "target").await];
        (ends == [all, all]).then_some(())
    })
    .await;
    for end in ["client", "target", "idle", "cut"] {
        assert_eq!(house.tunnels("blue", end).await, 0, "{end}");
    }
    // The old release has heard it from its clients, who answered.
    until("the old release has seen them go", async || {
        let log = servers[0].program.process.log();
        (log.matches("closed 1001").count() as u64 == all).then_some(())
    })
    .await;
}
