//! Which lists are refused, and that nothing else is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::deploy_file::DeployFile;
use crate::proxy_file::ProxyFile;
use crate::record::{Deploy, Draining, History, Lock};
use crate::status::{AppStatus, Fleet, Instance};
use crate::{App, Mistake, Release, strict};

#[derive(Debug, PartialEq, Deserialize)]
struct Inner {
    a: u8,
    b: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Plain,
    New(Inner),
    Keys { a: u8 },
    Pair(u8, u8),
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut de = serde_json::Deserializer::from_str(text);
    T::deserialize(ByName(&mut de)).map_err(|error| error.to_string())
}

#[test]
fn whatever_is_no_list_in_the_place_of_a_struct_is_read_as_ever() {
    let inner = || Inner { a: 1, b: Some("x".into()) };
    assert_eq!(read(r#"{"a":1,"b":"x"}"#), Ok(inner()));
    assert_eq!(read(r#"[{"a":1,"b":"x"}]"#), Ok(vec![inner()]));
    let map = BTreeMap::from([("k".to_owned(), inner())]);
    assert_eq!(read(r#"{"k":{"a":1,"b":"x"}}"#), Ok(map));
    assert_eq!(read(r#"[true,-1,1.5,"c",null]"#), Ok((true, -1i64, 1.5, 'c', ())));
    assert_eq!(read(r#""plain""#), Ok(Kind::Plain));
    assert_eq!(read(r#"{"new":{"a":1,"b":"x"}}"#), Ok(Kind::New(inner())));
    assert_eq!(read(r#"{"keys":{"a":1}}"#), Ok(Kind::Keys { a: 1 }));
    assert_eq!(read(r#"{"pair":[1,2]}"#), Ok(Kind::Pair(1, 2)));
    let any: serde_json::Value = read(r#"{"a":[1,"x",{"b":null}]}"#).unwrap();
    assert_eq!(any.to_string(), r#"{"a":[1,"x",{"b":null}]}"#);
}

#[test]
fn a_list_is_no_struct_at_any_depth() {
    let said = "invalid type: sequence, expected struct";
    assert!(serde_json::from_str::<Inner>(r#"[1,"x"]"#).is_ok(), "what serde takes");
    assert!(read::<Inner>(r#"[1,"x"]"#).unwrap_err().starts_with(said));
    assert!(read::<Vec<Inner>>(r#"[[1,"x"]]"#).unwrap_err().starts_with(said));
    assert!(read::<Option<Inner>>(r#"[1,"x"]"#).unwrap_err().starts_with(said));
    assert!(read::<(u8, Inner)>(r#"[1,[1,"x"]]"#).unwrap_err().starts_with(said));
    assert!(read::<Kind>(r#"{"new":[1,"x"]}"#).unwrap_err().starts_with(said));
    assert!(read::<Kind>(r#"{"keys":[1]}"#).unwrap_err().starts_with("invalid type: sequence"));
}

/// How a value of the store is read.
type Parse = fn(&[u8]) -> Result<(), Mistake>;

/// Values of the store with every object that each can have in them, and how they are read.
fn stored() -> Vec<(&'static str, Value, Parse)> {
    let who = json!({"user": "ann", "host": "ci-7", "pid": 42});
    let at = "2026-01-01T00:00:00Z";
    let health = json!({"path": "/up"});
    let timeouts = json!({"idle": "1s"});
    let steps = json!([{"step": "pull", "began": at}]);
    let previous = json!({"slot": "blue", "token": "1-2-3",
        "targets": [{"address": "10.0.0.11:9001", "weight": 2}]});
    let limits = json!({"health": "1s", "flip": "1s", "drain": "1s", "warm": "1s", "lost": "1s",
        "stop": "1s"});
    let deploy = json!({"id": "1", "who": who, "began": at, "slot": "blue", "limits": limits,
        "plan": ["pull"], "steps": steps, "stage": "warm", "before": {"active": "blue"},
        "previous": previous, "undo": who, "hooks": {"migrate": "true", "timeout": "1s"}});
    let mut later = deploy.clone();
    later["earlier"] = deploy;
    let changes = json!({"set": {"x-a": "1"}, "add": {"x-b": "1"}, "remove": ["x-c"]});
    let app = json!({"hosts": ["a"], "hsts": {"max_age": "1h"}, "limits": {"body": "1MiB"},
        "headers": {"request": changes, "response": changes}, "queue": {"length": 1},
        "balance": {"consistent_hash": "client_address"}, "sticky": {"to": "slot"},
        "sessions": {"idle": "1h"},
        "eject": {"failures": 1}, "health": health, "timeouts": timeouts});
    let release = json!({"protocol": "https", "tls": {"server_name": "a"}, "health": health,
        "targets": [{"address": "10.0.0.11:9001", "weight": 2}], "timeouts": timeouts});
    let history = json!({"verb": "flip", "who": who, "began": at, "ended": at, "outcome": "done",
        "serving": [previous], "before": {"active": "blue", "releases": [previous]},
        "steps": steps});
    let draining = json!({"slot": "blue", "value": "10.0.0.11:9001", "since": at,
        "lost": {"lb1": at}, "finish": {"command": "true", "timeout": "1s", "deploy": "1",
            "slot": "blue"}});
    let status = json!({"serving": [{"slot": "blue", "token": "1", "share": 100}],
        "refused": [{"key": "a", "token": null, "reason": "b"}], "draining": {"1": 2},
        "pending": {"active": "1", "tokens": ["1"], "reason": "a", "since": at},
        "targets": [{"token": "1", "slot": "blue", "address": "a:1", "state": "healthy",
            "last": "200"}]});
    let fleet = json!({"since": at, "version": "0.1.0"});
    let instance = json!({"started": at, "version": "0.1.0", "pid": 7});
    vec![
        ("app", app, |text| App::parse(text).map(drop)),
        ("release", release, |text| Release::parse(text).map(drop)),
        ("lock", json!({"who": who, "since": at, "verb": "deploy"}), |text| {
            Lock::parse(text).map(drop)
        }),
        ("deploy", later, |text| Deploy::parse(text).map(drop)),
        ("draining", draining, |text| Draining::parse(text).map(drop)),
        ("history", history, |text| History::parse(text).map(drop)),
        ("status", status, |text| strict::json::<AppStatus>(strict::text(text)?).map(drop)),
        ("fleet", fleet, |text| strict::json::<Fleet>(strict::text(text)?).map(drop)),
        ("instance", instance, |text| strict::json::<Instance>(strict::text(text)?).map(drop)),
    ]
}

/// Where `value` holds objects: how a mistake names each, and how `serde_json` finds it.
fn objects(value: &Value, name: &str, pointer: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            found.push((name.to_owned(), pointer.to_owned()));
            let dot = if name.is_empty() { "" } else { "." };
            for (key, value) in fields {
                objects(value, &format!("{name}{dot}{key}"), &format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                objects(value, &format!("{name}[{i}]"), &format!("{pointer}/{i}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn no_object_of_the_store_can_be_written_as_a_list() {
    let mut seen = 0;
    for (what, whole, parse) in stored() {
        parse(whole.to_string().as_bytes()).unwrap();
        let mut found = Vec::new();
        objects(&whole, "", "", &mut found);
        for (name, pointer) in found {
            let mut wrong = whole.clone();
            let place = wrong.pointer_mut(&pointer).unwrap();
            let values: Vec<_> = place.as_object().unwrap().values().cloned().collect();
            for list in [Vec::new(), values] {
                *wrong.pointer_mut(&pointer).unwrap() = Value::Array(list);
                let said = parse(wrong.to_string().as_bytes()).unwrap_err().to_string();
                let root = name.is_empty() && said.contains("object `{…}`");
                let named = said.starts_with(&format!("`{name}`: is a list, and has to be "));
                assert!(root || named, "{what} {name}: {said}");
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

/// Every table of a file, and what stands there where a list is in its place.
fn refused(file: &str, keys: &[&str], parse: impl Fn(&str) -> Result<(), Vec<Mistake>>) {
    for key in keys {
        let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
        let header = match table {
            "" => String::new(),
            // Without hosts nothing else of it is looked at.
            "route" => "[route]\nhosts = [\"a\"]\n".to_owned(),
            _ if key.starts_with("route.") => format!("[route]\nhosts = [\"a\"]\n[{table}]\n"),
            _ => format!("[{table}]\n"),
        };
        let said = parse(&format!("{header}{name} = []\n")).unwrap_err();
        let start = format!("{file}:{}: {key}: ", header.lines().count() + 1);
        let named = said.iter().find(|said| said.to_string().starts_with(&start));
        let named = named.unwrap_or_else(|| panic!("{key}: {said:#?}")).to_string();
        let words = ["is a list, and has to be a table", "write it as a table"];
        assert!(words.iter().any(|words| named.contains(words)), "{named}");
    }
}

#[test]
fn no_table_of_a_file_can_be_written_as_a_list() {
    let parse = |text: &str| DeployFile::parse("shunt.toml", text).map(drop);
    let route = ["hsts", "headers", "headers.request", "limits", "queue", "eject"];
    let route = route.map(|key| format!("route.{key}"));
    let mut keys: Vec<_> = route.iter().map(String::as_str).collect();
    keys.extend([
        "run",
        "route",
        "health",
        "timeouts",
        "deploy",
        "store",
        "hooks",
        "workers",
        "workers.jobs",
        "notify",
        "notify.team",
        "guard",
        "guard.checks",
        "guard.checks.queue",
    ]);
    refused("shunt.toml", &keys, parse);
    let parse = |text: &str| ProxyFile::parse("proxy.toml", text, "lb1").map(drop);
    let keys = ["store", "admin", "state", "tls", "trust", "client", "limits", "http2"];
    refused("proxy.toml", &keys, parse);
    refused("proxy.toml", &["access_log", "pages", "front"], parse);
}
