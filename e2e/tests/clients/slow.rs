//! slowhttptest: clients that take all the time they can get.

use demo::load::{Load, Work};
use e2e::process::{Process, attempt, program};
use e2e::until;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::process::Command;

use crate::house::{HOST, House, short_or_long, soak};

#[tokio::test]
async fn slow_clients_of_every_kind_hold_up_nobody_else() {
    // Each slow client costs the proxy and the app a connection; both inherit this.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();

    let house = House::open().await;
    let _apps = house.serve_demo("").await;
    // The tool asks for no other host than the address. What it wants of an app is much, and no
    // matter of the others': they have an app of their own.
    let mut command = Command::new(program("shunt-demo-app"));
    command.args(["--listen", "127.0.0.1:0"]);
    let mut app = Process::start("shunt-demo-app", command, house.files());
    let address = app.said("release 1 listens on ").await;
    house.store.put("apps/slow/app", r#"{"hosts":["127.0.0.1"]}"#).await;
    house.store.put("apps/slow/blue", address).await;
    house.store.put("apps/slow/active", "blue").await;
    house.proxy.serves("127.0.0.1", "1").await;

    let load = Load::on(house.proxy.address()).host(HOST);
    let load = load.kept_alive(4, Work::QUICK).fresh(2, Work::QUICK).start().unwrap();
    let attacks: [(&str, &[&str]); 4] = [
        ("/", &["-H", "-i", "2"]),
        ("/digest", &["-B", "-i", "2", "-s", "8192"]),
        ("/bytes/100000", &["-R", "-a", "1", "-b", "3000"]),
        ("/bytes/1000000", &["-X", "-w", "512", "-y", "1024", "-n", "2", "-z", "32", "-k", "3"]),
    ];
    let address = house.proxy.address();
    let attack = async |(path, mode): (&str, &[&str])| {
        let (connections, seconds) = short_or_long(("200", "10"), ("2000", "40"));
        let url = format!("http://{address}{path}");
        let size = ["-c", connections, "-r", connections, "-l", seconds, "-u", &url];
        let (status, said) = attempt("slowhttptest", &[mode, &size].concat()).await;
        assert!(status.success(), "{status}\n{said}");
        println!("{}: {}", mode[0], last_report(&said));
    };
    match soak() {
        false => {
            let [one, two, three, four] = attacks;
            tokio::join!(attack(one), attack(two), attack(three), attack(four));
        }
        true => {
            for one in attacks {
                attack(one).await;
            }
        }
    }
    let finished = load.finished();
    until("the load goes on", async || (load.finished() > finished + 100).then_some(())).await;
    let report = load.stop().await;
    println!("meanwhile: {report}");
    assert_eq!(report.failed(), 0, "{report}");
}

/// The figures of the tool's last report.
fn last_report(said: &str) -> String {
    let mut plain = String::new();
    for (number, part) in said.split('\x1b').enumerate() {
        // What follows an escape is a colour, up to `m`.
        let text = part.split_once('m').filter(|_| number > 0).map_or(part, |(_, text)| text);
        plain.push_str(text);
    }
    let last = plain.rsplit("slow HTTP test status").next().unwrap_or_default();
    last.split_whitespace().collect::<Vec<_>>().join(" ")
}
