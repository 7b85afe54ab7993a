//! gRPC in Python.

use e2e::until;

use crate::house::{HOST, House, release};
use crate::python::{Program, Server};

/// A house where both releases are gRPC servers.
async fn talking() -> (House, [Server; 2]) {
    let house = House::open().await;
    let servers =
        [Server::start("grpc_server.py", "1").await, Server::start("grpc_server.py", "2").await];
    let [blue, green] = servers.each_ref().map(|server| release("h2c", server.address));
    house.serve("", &blue, &green).await;
    (house, servers)
}

fn client(house: &House, what: &str, host: &str, tls: bool) -> Program {
    let authority = house.file("servers.pem").display().to_string();
    let (port, authority) = match tls {
        true => (house.tls.number(), authority.as_str()),
        false => (house.proxy.address().port(), ""),
    };
    Program::start(&["grpc_client.py", what, host, &port.to_string(), authority])
}

/// The code and message that all four kinds of call get.
async fn refusal(house: &House, host: &str) -> String {
    let said = client(house, "refused", host, false).was_right().await;
    said.lines().find_map(|line| line.strip_prefix("code ")).unwrap().to_owned()
}

#[tokio::test]
async fn all_kinds_of_calls_pass_with_their_metadata_their_statuses_and_their_cancellation() {
    let (house, servers) = talking().await;
    for tls in [false, true] {
        client(&house, "kinds", HOST, tls).was_right().await;
    }
    until("the server has heard of every call given up", async || {
        let log = servers[0].program.process.log();
        let both = ["cancelled deadline", "cancelled by hand"];
        both.iter().all(|said| log.matches(said).count() == 2).then_some(())
    })
    .await;
    assert!(house.access_log().iter().all(|line| line["release"] != "2"));
}

#[tokio::test]
async fn streams_stay_with_their_release_during_a_flip_and_new_calls_go_to_the_next() {
    let (house, _servers) = talking().await;
    let mut clients = [client(&house, "flip", HOST, false), client(&house, "flip", HOST, true)];
    for client in &mut clients {
        client.process.said("open ").await;
    }
    house.flip("green").await;
    for client in clients {
        println!("{}", client.was_right().await.trim());
    }
}

#[tokio::test]
async fn the_proxys_own_errors_are_codes_of_grpc() {
    let (house, [blue, green]) = talking().await;
    assert!(refusal(&house, "nobody.example.com").await.starts_with("12 "));
    house.store.put("apps/empty/app", r#"{"hosts":["empty.example.com"]}"#).await;
    until("an app without a release is unavailable", async || {
        refusal(&house, "empty.example.com").await.starts_with("14 ").then_some(())
    })
    .await;
    assert!(refusal(&house, HOST).await.starts_with("0 "));
    drop((blue, green));
    until("a target that is down is unavailable", async || {
        refusal(&house, HOST).await.starts_with("14 ").then_some(())
    })
    .await;
}
