use std::net::IpAddr;

use super::*;
use crate::protocol::Protocol;

const SAMPLE: &str = r#"
app   = "web"
image = "registry.example.com/acme/web"
[route]
hosts = ["www.example.com"]
[run]
port = 8080
replicas = 2
[health]
path = "/up"
"#;

#[test]
fn the_smallest_useful_file_is_read_with_sound_defaults() {
    let file = DeployFile::parse(FILE_NAME, SAMPLE).unwrap();
    assert_eq!(file.app.as_str(), "web");
    assert_eq!((file.run.port, file.run.replicas), (8080, 2));
    assert_eq!(file.run.bind, IpAddr::from([127, 0, 0, 1]));
    assert_eq!(file.run.port_range.to_string(), "20000-29999");
    assert_eq!(file.run.protocol, Protocol::Http1);
    assert_eq!(file.limits, Limits::default());
}

#[test]
fn a_route_says_all_that_an_app_may_want_in_front_of_it() {
    let route = r#"hosts = ["www.example.com", "example.com"]
https = "redirect"
hsts = { max_age = "365d" }
canonical_host = "www.example.com"
allow = ["10.0.0.0/8"]
deny = ["10.0.0.7"]
balance = { consistent_hash = "cookie:session" }
sticky = { to = "target", max_age = "1h" }
max_requests = 64
slow_start = "30s"
[route.headers.response.set]
X-Frame-Options = "DENY"
[route.limits]
body = "10MiB"
headers = 50
[route.queue]
length = 10
[route.eject]
failures = 3
for = "5s"
"#;
    let text = SAMPLE.replace("hosts = [\"www.example.com\"]\n", route);
    let app = DeployFile::parse(FILE_NAME, &text).unwrap().route.unwrap();
    let stored = App::parse(&serde_json::to_vec(&app).unwrap()).unwrap();
    assert_eq!(stored, app);
    assert_eq!((app.max_requests, app.limits.headers), (64, Some(50)));
    let text = SAMPLE.replace("[run]", "slow_start = \"2h\"\nbalance = \"random\"\n[run]");
    let said = format!("{:?}", DeployFile::parse(FILE_NAME, &text).unwrap_err());
    assert!(said.contains("more than 1h") && said.contains("`random`"), "{said}");
}

#[test]
fn all_mistakes_of_a_file_come_out_in_one_run() {
    let text = r#"
app = "Web"
imgae = "web"
[route]
hosts = ["http://www.example.com"]
[run]
port = 0
replicas = 3
bind = "0.0.0.0"
port_range = "20000-20004"
hosts = ["ssh://root@10.0.0.11"]
pull = "allways"
[health]
pth = "/up"
[deploy]
warm = "10"
drain = "5s"
[store]
etcd = ["10.0.0.2:2379"]
"#;
    let said: Vec<String> =
        DeployFile::parse(FILE_NAME, text).unwrap_err().iter().map(ToString::to_string).collect();
    for (line, words) in [
        ("shunt.toml: image", "missing key"),
        ("shunt.toml:2: app", "`Web` is no name"),
        ("shunt.toml:3: imgae", "did you mean `image`?"),
        ("shunt.toml:5: route.hosts", "leave port and scheme away"),
        ("shunt.toml:7: run.port", "1 to 65535"),
        ("shunt.toml:9: run.bind", "private address"),
        ("shunt.toml:10: run.port_range", "too few"),
        ("shunt.toml:11: run.hosts", "not supported yet"),
        ("shunt.toml:12: run.pull", "did you mean `always`?"),
        ("shunt.toml:14: health.pth", "did you mean `path`?"),
        ("shunt.toml:16: deploy.warm", "not a duration"),
        ("shunt.toml:17: deploy.drain", "did you mean `drain_timeout`?"),
        ("shunt.toml:18: store", "is not `http(s)://host:port`"),
    ] {
        let hit = said.iter().any(|said| said.starts_with(line) && said.contains(words));
        assert!(hit, "{line} … {words} is not in {said:#?}");
    }
    assert_eq!(said.len(), 13, "{said:#?}");
}

#[test]
fn a_canary_goes_by_visitors_unless_the_file_says_otherwise() {
    let canary = "[deploy]\nstrategy = \"canary\"\n[canary]\nsteps = [\n  \
                  { percent = 1, for = \"2m\", requests = 100 },\n  { percent = 50, pause = true },\n]\n";
    let file = DeployFile::parse(FILE_NAME, &format!("{SAMPLE}{canary}")).unwrap();
    assert_eq!(file.strategy, Strategy::Canary);
    assert_eq!(file.canary.iter().map(|part| part.percent).collect::<Vec<_>>(), [1, 50]);
    assert_eq!(file.route.unwrap().split, Some(Split::Cookie));
    let text = SAMPLE.replace("[run]", "split = \"address\"\n[run]") + canary;
    let file = DeployFile::parse(FILE_NAME, &text).unwrap();
    assert_eq!(file.route.unwrap().split, Some(Split::Address));
    // With another strategy it is not followed.
    let text = format!("{SAMPLE}{}", canary.replace("\"canary\"", "\"blue_green\""));
    let file = DeployFile::parse(FILE_NAME, &text).unwrap();
    assert_eq!((file.strategy, file.canary.len()), (Strategy::BlueGreen, 0));
    assert_eq!(file.route.unwrap().split, None);
}

#[test]
fn a_canary_without_steps_that_lead_to_the_flip_is_refused() {
    for (section, words) in [
        ("", "shunt.toml: canary: missing key"),
        ("[canary]\n", "canary.steps: missing key"),
        ("[canary]\nsteps = []\n", "1 to 50 steps"),
        ("[canary]\nsteps = [{ percent = 5 }]\n", "step 1: it waits for nothing"),
        ("[canary]\nsteps = [{ percent = 5, fro = \"1m\" }]\n", "did you mean `for`?"),
    ] {
        let text = format!("{SAMPLE}[deploy]\nstrategy = \"canary\"\n{section}");
        let said = DeployFile::parse(FILE_NAME, &text).unwrap_err();
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|said| said.contains(words)), "{section}: {said:#?}");
    }
}
