use std::net::IpAddr;

use super::*;
use crate::Slot;
use crate::protocol::Protocol;
use crate::record::{Ask, OnNoAnswer};
use crate::secret::SecretSource;
use crate::split::Split;

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
    assert_eq!(file.strategy, Strategy::BlueGreen);
}

#[test]
fn a_strategy_is_a_word_and_requests_do_not_wait_for_ever() {
    let held = format!("{SAMPLE}[deploy]\nstrategy = \"hold\"\nhold_timeout = \"5m\"\n");
    let file = DeployFile::parse(FILE_NAME, &held).unwrap();
    assert_eq!(file.strategy, Strategy::Hold);
    assert_eq!(file.limits.hold, std::time::Duration::from_mins(5));
    for (from, to, word) in [
        ("\"hold\"", "\"holt\"", "did you mean `hold`?"),
        ("\"hold\"", "\"blue-green\"", "did you mean `blue_green`?"),
        ("5m", "2h", "requests wait for 1h at most"),
        ("\"5m\"", "\"5m\"\nkeep = 26", "deploy.keep: 25 releases at most"),
        ("\"5m\"", "\"5m\"\nkeep_images = -1", "a whole number from 0 to 65535"),
    ] {
        let said = format!("{:?}", DeployFile::parse(FILE_NAME, &held.replace(from, to)));
        assert!(said.contains(word), "{to}: {said}");
    }
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
fn a_bad_host_hides_no_other_mistake_and_makes_none_of_sound_keys() {
    let route = "hosts = [\"http://a\", \"www.example.com\", \"b:80\"]\nhttps = \"redirect\"\n\
                 canonical_host = \"www.example.com\"\nbalance = \"random\"\n\
                 preview = { host = \"{slot}.{host}\" }\n";
    let text = SAMPLE.replace("hosts = [\"www.example.com\"]\n", route);
    let all = DeployFile::parse(FILE_NAME, &text).unwrap_err();
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all[0].contains(":5: route.hosts: host `http://a`: leave port"), "{all:?}");
    assert!(all[1].contains(":5: route.hosts: host `b:80`: leave port"), "{all:?}");
    assert!(all[2].contains(":8: route.balance: "), "{all:?}");
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
hosts = ["ssh://deploy@app1"]
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
        ("shunt.toml:11: run.hosts", "address = \"10.0.0.11\""),
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
fn a_container_is_made_as_the_file_says() {
    let settings = r#"replicas = 2
env = { RAILS_ENV = "production" }
env_file = ".env"
env_from = ["DATABASE_URL"]
secret_command = ["bin/secrets", "web"]
secrets = { KEY = "pass show web/key" }
volumes = ["uploads:/app/uploads", "/srv/assets:/assets:ro"]
networks = ["backend"]
entrypoint = ["/sbin/init"]
command = "bin/serve --port 8080"
user = "1000:1000"
memory = "512MiB"
cpus = 1.5
log = { driver = "local", options = { max-size = "10m" } }
ulimits = { nofile = 65536, nproc = { soft = 100, hard = 200 } }
extra_hosts = { "db.internal" = "10.0.0.5", "host.internal" = "host-gateway" }
stop_signal = "SIGQUIT"
restart = "on-failure:3"
labels = { team = "shop" }
"#;
    let file = DeployFile::parse(FILE_NAME, &SAMPLE.replace("replicas = 2\n", settings)).unwrap();
    let made = file.run.settings;
    assert_eq!(made.environment.files, [std::path::Path::new(".env")]);
    assert_eq!(made.environment.from[0].as_str(), "DATABASE_URL");
    assert_eq!(made.cpus.unwrap().nano(), 1_500_000_000);
    assert_eq!(made.ulimits["nofile"], Ulimit { soft: 65536, hard: 65536 });
    assert_eq!(made.extra_hosts["host.internal"], HostAddress::Gateway);
    assert_eq!(made.restart, Restart::OnFailure(Some(3)));
}

#[test]
fn every_mistake_about_a_container_is_named_with_its_line() {
    let settings = r#"replicas = 2
env = { PORT = 8080 }
env_from = ["A=b"]
secrets = { KEY = "" }
volumes = ["data"]
networks = ["host"]
command = 7
user = "a b"
memory = "1KiB"
cpus = 0
log = { drive = "local" }
ulimits = { nofiles = 5 }
extra_hosts = { db = "ten" }
stop_signal = "quit"
restart = "never"
labels = { "shunt.app" = "x" }
ports = ["25:25"]
env_file = 3
"#;
    let text = SAMPLE.replace("replicas = 2\n", settings);
    let said: Vec<_> = DeployFile::parse(FILE_NAME, &text).unwrap_err();
    let said: Vec<_> = said.iter().map(ToString::to_string).collect();
    for (line, words) in [
        ("shunt.toml:9: run.env.PORT", "a text in quotes"),
        ("shunt.toml:10: run.env_from", "neither `=` nor spaces"),
        ("shunt.toml:11: run.secrets.KEY", "names no program"),
        ("shunt.toml:12: run.volumes", "is no volume"),
        ("shunt.toml:13: run.networks", "no port can be published"),
        ("shunt.toml:14: run.command", "a line for the shell"),
        ("shunt.toml:15: run.user", "is no user"),
        ("shunt.toml:16: run.memory", "6MiB"),
        ("shunt.toml:17: run.cpus", "0.01 to 1024"),
        ("shunt.toml:18: run.log.drive", "did you mean `driver`?"),
        ("shunt.toml:19: run.ulimits", "did you mean `nofile`?"),
        ("shunt.toml:20: run.extra_hosts.db", "neither an address"),
        ("shunt.toml:21: run.stop_signal", "is no signal"),
        ("shunt.toml:22: run.restart", "on-failure"),
        ("shunt.toml:23: run.labels", "are the deploy's"),
        ("shunt.toml:24: run.ports", "side by side"),
        ("shunt.toml:25: run.env_file", "nor a list"),
    ] {
        let hit = said.iter().any(|said| said.starts_with(line) && said.contains(words));
        assert!(hit, "{line} … {words} is not in {said:#?}");
    }
    assert_eq!(said.len(), 17, "{said:#?}");
}

#[test]
fn a_second_file_is_laid_over_the_first_and_each_mistake_names_its_file() {
    let over =
        "[run]\nreplicas = 3\nenv = { B = \"2\" }\n[route]\nhosts = [\"staging.example.com\"]\n";
    let base = SAMPLE.replace("[health]", "env = { A = \"1\" }\n[health]");
    let both = [(FILE_NAME, base.as_str()), ("shunt.staging.toml", over)];
    let file = DeployFile::layered(&both).unwrap();
    assert_eq!((file.run.port, file.run.replicas), (8080, 3));
    assert_eq!(file.route.unwrap().hosts[0].to_string(), "staging.example.com");
    assert_eq!(file.run.settings.environment.literals.len(), 2);
    let base = base.replace("replicas", "replics");
    let over = "\n[run]\nreplicas = 0\n[helth]\nx = 1\n";
    let mistakes = DeployFile::layered(&[(FILE_NAME, &base), ("over.toml", over)]).unwrap_err();
    let said: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "shunt.toml:8: run.replics: unknown key, did you mean `replicas`?",
            "over.toml:3: run.replicas: 0 is not within 1 to 64",
            "over.toml:4: helth: unknown key, did you mean `health`?",
        ]
    );
    let said = DeployFile::layered(&[(FILE_NAME, SAMPLE), ("over.toml", "\n[run\n")]).unwrap_err();
    assert!(said[0].to_string().starts_with("over.toml:2: "), "{said:?}");
}

#[test]
fn hosts_are_one_list_or_one_for_each_slot_and_say_where_targets_are() {
    let with = |hosts: &str| {
        let text = SAMPLE.replace("replicas = 2", &format!("bind = \"10.0.0.2\"\n{hosts}"));
        DeployFile::parse(FILE_NAME, &text).map(|file| file.run)
    };
    let shown = |run: &Run, slot| {
        let hosts = run.hosts.of(slot).iter();
        hosts.map(|host| format!("{} {}", host.engine, host.address)).collect::<Vec<_>>()
    };
    let run = with("hosts = [\"ssh://root@10.0.0.11\", \"unix:///run/docker.sock\"]").unwrap();
    let both = ["ssh://root@10.0.0.11 10.0.0.11", "unix:///run/docker.sock 10.0.0.2"];
    assert_eq!(shown(&run, Slot::Blue), both);
    assert_eq!(shown(&run, Slot::Green), both);
    assert_eq!(run.replicas, 2, "one on each, if nothing else is said");

    let run = with(
        "hosts.blue = [{ engine = \"ssh://app1\", address = \"10.0.0.11\" }]\n\
         hosts.green = [{ engine = \"tcp://10.0.0.12:2376\", ca = \"/c/ca.pem\", \
         certificate = \"/c/cert.pem\", key = \"/c/key.pem\" }]",
    );
    let run = run.unwrap();
    assert_eq!(shown(&run, Slot::Blue), ["ssh://app1 10.0.0.11"]);
    assert_eq!(shown(&run, Slot::Green), ["tcp://10.0.0.12:2376 10.0.0.12"]);
    assert!(run.hosts.of(Slot::Green)[0].engine.files.is_some());
    assert_eq!(run.replicas, 1);

    for (hosts, said) in [
        ("hosts = \"ssh://app1\"", "has to be a list, or a table"),
        ("hosts = { blue = [\"ssh://10.0.0.1\"] }", "missing key `green`"),
        ("hosts = { blue = [], green = [] }", "needs a host"),
        ("hosts = [\"app1\"]", "write `unix:///…`"),
        ("hosts = [{ engine = \"ssh://app1\", adress = \"10.0.0.1\" }]", "did you mean `address`?"),
        ("hosts = [{ engine = \"ssh://app1\", address = \"app1\" }]", "`app1` is no IP address"),
        ("hosts = [{ engine = \"ssh://app1\", address = \"0.0.0.0\" }]", "could connect to"),
        ("hosts = [\"ssh://10.0.0.1\", \"tcp://10.0.0.1\"]", "where another host is already"),
        ("replicas = 1\nhosts = [\"ssh://10.0.0.1\", \"ssh://10.0.0.2\"]", "without any"),
    ] {
        let mistakes = with(hosts).unwrap_err();
        let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(all.len(), 1, "{hosts}: {all:?}");
        assert!(all[0].contains(said), "{hosts}: {all:?}");
    }
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
        (
            "[canary]\nsteps = [{ percent = 5, fro = \"1m\" }]\n",
            "unknown key, expected one of `percent`, `for`",
        ),
    ] {
        let text = format!("{SAMPLE}[deploy]\nstrategy = \"canary\"\n{section}");
        let said = DeployFile::parse(FILE_NAME, &text).unwrap_err();
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|said| said.contains(words)), "{section}: {said:#?}");
    }
}

const UNITS: &str = "app = \"web\"\n[run]\nengine = \"systemd\"\n\
                     ports = { blue = [9001, 9002], green = [9101, 9102] }\n";

#[test]
fn units_have_ports_of_their_own_in_each_slot_and_run_here_if_nothing_else_is_said() {
    let file = DeployFile::parse(FILE_NAME, UNITS).unwrap();
    let (app, run) = (&file.app, &file.run);
    let units = run.units.as_ref().unwrap();
    assert_eq!((file.image.as_ref(), run.replicas), (None, 2));
    assert_eq!(units.ports(Slot::Green), [9101, 9102]);
    assert_eq!(units.unit(app, Slot::Blue, 9001), "web-blue@9001.service");
    let host = &run.hosts.of(Slot::Blue)[0];
    assert_eq!((host.engine.to_string().as_str(), host.address), ("systemd://local", run.bind));

    // Another template, and the same ports where the slots are on different machines.
    let text = "app = \"web\"\n[run]\nengine = \"systemd\"\nunit = \"bdd_assistant_{slot}@{port}.service\"\n\
                ports = [9001]\nenv = { RAILS_ENV = \"production\" }\n\
                hosts = { blue = [\"ssh://root@10.0.0.11\"], green = [\"ssh://root@10.0.0.12:2222\"] }\n";
    let run = DeployFile::parse(FILE_NAME, text).unwrap().run;
    let units = run.units.as_ref().unwrap();
    assert_eq!(units.unit(app, Slot::Green, 9001), "bdd_assistant_green@9001.service");
    let green = &run.hosts.of(Slot::Green)[0];
    assert_eq!(green.engine.to_string(), "systemd+ssh://root@10.0.0.12:2222");
    assert_eq!(green.address.to_string(), "10.0.0.12");
}

#[test]
fn what_has_no_meaning_for_units_is_refused_by_name_with_the_way_out() {
    let with = |more: &str| DeployFile::parse(FILE_NAME, &format!("{UNITS}{more}"));
    for (more, words) in [
        ("port = 8080", "run.port: a unit has none: its ports are in `ports`"),
        ("replicas = 2", "one for each of its `ports`"),
        ("memory = \"1GiB\"", "`MemoryMax=`"),
        ("volumes = [\"a:/b\"]", "`BindPaths=`"),
        ("restart = \"always\"", "`Restart=`"),
        ("unit = \"web.service\"", "`NAME@{port}.service`"),
        ("unit = \"web-{slot}@{port}\"", "ends in `.service`"),
        ("unit = \"$(x)@{port}.service\"", "letters, digits"),
        ("hosts = [\"unix:///var/run/docker.sock\"]", "write `local` or `ssh://user@host`"),
        ("[workers.jobs]\ncommand = [\"x\"]", "a hook `flipped`"),
        ("[health]\ncommand = \"bin/ready\"", "`Type=notify`"),
        ("[deploy]\nkeep = 5", "in the journal"),
    ] {
        let said = with(more).unwrap_err();
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains(words), "{more}: {said:#?}");
    }
    for (ports, words) in [
        ("[9001]", "both slots have 9001 on 127.0.0.1"),
        ("{ blue = [], green = [1] }", "`blue` has no port"),
        ("{ blue = [0], green = [1] }", "1 to 65535"),
        ("{ blue = [2, 2], green = [1] }", "2 is named twice for `blue`"),
        ("{ blue = [2] }", "missing key `green`"),
        ("{ blue = [70000], green = [1] }", "0 to 65535"),
    ] {
        let text = format!("app = \"web\"\n[run]\nengine = \"systemd\"\nports = {ports}\n");
        let said = format!("{:?}", DeployFile::parse(FILE_NAME, &text).unwrap_err());
        assert!(said.contains(words), "{ports}: {said}");
    }
    let image = format!("image = \"web\"\n{UNITS}");
    let said = format!("{:?}", DeployFile::parse(FILE_NAME, &image).unwrap_err());
    assert!(said.contains("SHUNT_VERSION"), "{said}");
    let said = DeployFile::parse(FILE_NAME, &SAMPLE.replace("replicas = 2", "hosts = [\"local\"]"));
    assert!(format!("{said:?}").contains("`engine = \\\"systemd\\\"`"), "{said:?}");
    let said =
        DeployFile::parse(FILE_NAME, &SAMPLE.replace("replicas", "engine = \"podman\"\nreplicas"));
    assert!(format!("{said:?}").contains("`podman`"), "{said:?}");
}

#[test]
fn a_check_is_a_command_or_a_query_and_comes_with_sound_defaults() {
    let checks = "[guard]\nslower = 2.0\n[guard.checks.good]\ncommand = [\"bin/good\"]\n\
                  [guard.checks.queue]\nquery = 'jobs{app=\"{app}\"}'\nmax = 0.5\n\
                  prometheus = \"http://10.0.0.3:9090/\"\ntoken_file = \"token\"\n\
                  [deploy]\nbake = \"5m\"\n";
    let file = DeployFile::parse(FILE_NAME, &format!("{SAMPLE}{checks}")).unwrap();
    assert!((file.guard.slower - 2.0).abs() < 1e-9);
    assert!(file.doubts().is_empty());
    let [good, queue] = file.checks.as_slice() else { panic!("{:?}", file.checks) };
    assert_eq!((good.name.as_str(), good.failures), ("good", 3));
    let ten = std::time::Duration::from_secs(10);
    assert_eq!((good.interval, good.timeout, good.on_no_answer), (ten, ten, OnNoAnswer::Fail));
    assert_eq!(queue.on_no_answer, OnNoAnswer::Ignore);
    let Ask::Query(query) = queue.clone().beside(std::path::Path::new("/srv/web")).ask else {
        panic!("{queue:?}")
    };
    assert_eq!((query.prometheus.as_str(), query.max), ("http://10.0.0.3:9090", Some(0.5)));
    assert_eq!(query.token, Some(SecretSource::File("/srv/web/token".into())));
}

#[test]
fn a_check_that_could_not_be_asked_or_could_not_be_bad_is_refused_with_its_line() {
    let query = "query = \"up\"\nprometheus = \"http://a:1\"\nmax = 1\n";
    for (lines, words) in [
        ("interval = \"1s\"\n", "write either `command` or `query`"),
        (&format!("{query}command = \"true\"\n"), "write either `command` or `query`"),
        ("query = \"up\"\nmax = 1\n", "guard.checks.a.prometheus: missing key"),
        ("query = \"up\"\nprometheus = \"http://a:1\"\n", "needs a bound"),
        (&format!("{query}min = 2\n"), "2 is more than `max`"),
        (&query.replace("up", "up{{job}}"), "unknown word `{job}`"),
        (&query.replace("http:", "ftp:"), "is no URL of a server"),
        (&query.replace("//a", "//ann:secret@a"), "a password is in no file of ours"),
        (&format!("{query}token = \"secret\"\n"), "token_from = "),
        (&format!("{query}token_from = \"A\"\ntoken_file = \"b\"\n"), "not both"),
        ("command = \"true\"\nmax = 1\n", "guard.checks.a.max: unknown key"),
        ("command = \"true\"\nfailures = 0\n", "0 is not within 1 to 100"),
        ("command = \"true\"\ninterval = \"1ms\"\n", "is not within 100ms to 1h"),
        ("command = \"true\"\non_no_answer = \"fial\"\n", "did you mean `fail`?"),
    ] {
        let text = format!("{SAMPLE}[guard.checks.a]\n{lines}");
        let said = DeployFile::parse(FILE_NAME, &text).unwrap_err();
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 1, "{lines}: {said:#?}");
        assert!(said[0].contains(words) && !said[0].contains("secret@"), "{lines}: {said:#?}");
    }
}

#[test]
fn checks_that_nothing_would_come_of_are_doubted() {
    let doubts = |settings: &str| {
        let text = format!("{SAMPLE}{settings}[guard.checks.a]\ncommand = \"true\"\n");
        DeployFile::parse(FILE_NAME, &text).unwrap().doubts().join("\n")
    };
    assert!(doubts("").contains("nothing is asked"));
    assert!(doubts("[deploy]\nstrategy = \"hold\"\nbake = \"5m\"\n").contains("nothing is asked"));
    assert!(doubts("[deploy]\nbake = \"20s\"\n").contains("over before 3 failures in a row"));
    assert_eq!(doubts("[deploy]\nbake = \"21s\"\n"), "");
    assert_eq!(doubts("[mirror]\n"), "");
}

#[test]
fn copies_of_requests_are_asked_for_by_a_table_alone_and_not_where_nothing_serves_meanwhile() {
    let file = DeployFile::parse(FILE_NAME, SAMPLE).unwrap();
    assert_eq!(file.mirror, None);
    let file = DeployFile::parse(FILE_NAME, &format!("{SAMPLE}[mirror]\n")).unwrap();
    assert_eq!(file.mirror, Some(Mirroring::default()));
    assert!(file.strategy.steps().contains(&crate::record::Step::Mirror));
    let said = |settings: &str| {
        let text = format!("{SAMPLE}{settings}");
        let said = DeployFile::parse(FILE_NAME, &text).unwrap_err();
        assert_eq!(said.len(), 1, "{said:?}");
        said[0].to_string()
    };
    let held = said("[mirror]\n[deploy]\nstrategy = \"hold\"\n");
    assert!(held.contains("mirror: with strategy `hold`"), "{held}");
    let said = said("[mirror]\npercent = 101\n");
    assert!(said.contains("101 is not within 1 to 100"), "{said}");
}
