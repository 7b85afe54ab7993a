//! Values that are in the container and nowhere else.

use crate::shop::Shop;
use crate::site::{Run, Site};

/// A deploy file whose `[run]` ends with `settings`, and a deploy by it, which finds no proxy.
async fn deploy(settings: &str) -> (Site, Run) {
    let site = Site::with_two_releases().await;
    let text = format!("app = \"web\"\nimage = \"web\"\n[run]\nport = 80\n{settings}");
    site.write("shunt.toml", &text);
    let run = site.run(&["deploy", "--tag", "1"]).await;
    (site, run)
}

fn all(run: &Run) -> String {
    format!("{}{}", run.output, run.errors)
}

#[tokio::test]
async fn what_commands_say_beside_their_values_is_shown_once_these_are_known_and_without_them() {
    // The first one says what only the second one prints.
    let settings = "secret_command = 'KEY=hunter-two; echo both first-hunter and $KEY >&2; set -x; \
                    echo \"KEY=$KEY\"'\nsecrets = { OTHER = \"echo first-hunter\" }\n";
    let (_, run) = deploy(settings).await;
    let run = run.says("run.secret_command | both *** and ***");
    let run = run.says("run.secret_command | (what came after that is not shown: a shell's trace");
    assert!(!all(&run).contains("hunter"), "{}", all(&run));
}

#[tokio::test]
async fn what_a_command_says_that_fails_is_shown_without_what_it_had_of_its_values() {
    let settings = "secret_command = 'echo \"KEY=first-hunter\"; echo no right to first-hunter >&2; \
                    set -x; PASS=hunter-two; exit 3'\n";
    let (_, run) = deploy(settings).await;
    let run = run.ended_with(2).says("| no right to ***");
    let run = run.says("run.secret_command: the command ended with exit status: 3");
    assert!(!all(&run).contains("hunter"), "{}", all(&run));
}

#[tokio::test]
async fn no_line_of_a_value_that_a_shells_trace_shows_over_several_is_seen() {
    let settings = "secrets = { KEY = 'echo first; set -x; KEY=\"$(printf \"%s\\n\" begin \
                    hunter-two end)\"; false && echo; exit 3' }\n";
    let settings = settings.replace("echo first;", "echo first >&2;");
    let (_, run) = deploy(&settings).await;
    let run = run.ended_with(2).says("run.secrets.KEY | first");
    let run = run.says("run.secrets.KEY | (what came after that is not shown");
    assert!(!all(&run).contains("hunter"), "{}", all(&run));
}

#[tokio::test]
async fn what_a_check_says_of_a_secret_is_covered_in_keys_and_for_hooks_too() {
    let settings = "secrets = { KEY = \"cat key\" }\n[deploy]\nbake = \"5m\"\n\
                    [guard.checks.stuck]\nfailures = 1\ncommand = 'echo it is $(cat key); exit 1'\n\
                    [hooks]\nfailed = 'echo \"$SHUNT_REASON\" > reason'\n";
    let shop = Shop::open(&["1", "2"], settings).await;
    shop.site.write("key", "hunter-two\n");
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let run = shop.deploy("2").await.ended_with(6).says("(`it is ***`)");
    let reason = std::fs::read_to_string(shop.site.directory.path().join("reason")).unwrap();
    assert!(reason.contains("(`it is ***`)"), "{reason}");
    let history = shop.site.run(&["history"]).await.says("(`it is ***`)");
    let keys = shop.site.everything().await;
    let shown = format!("{}{reason}{keys:?}{}", all(&run), all(&history));
    assert!(!shown.contains("hunter-two"), "{shown}");
}

/// All that is stored, and what these runs have shown.
async fn seen(shop: &Shop, runs: &[&Run]) -> String {
    let shown: Vec<_> = runs.iter().map(|run| all(run)).collect();
    format!("{:?}{}", shop.site.everything().await, shown.concat())
}

#[tokio::test]
async fn whoever_takes_a_deploy_over_and_does_not_know_its_secrets_shows_nothing_that_its_containers_wrote()
 {
    // The app writes its version.
    let settings = "secrets = { VERSION = \"cat key\" }\n[workers.jobs]\nsettle = \"1m\"\n\
                    command = [\"--port\", \"9\"]\nenv = { EXIT_AFTER = \"1s\" }\n";
    let shop = Shop::open(&["1"], settings).await;
    shop.site.write("key", "hunter-two\n");
    let _proxy = shop.obedient("lb1").await;
    shop.stopped_at("before workers", "1").await.kill().await;
    let run = shop.site.run(&["resume", "web"]).await.ended_with(10);
    let run = run.says("ended with code 1").says("(not shown: ");
    let seen = seen(&shop, &[&run]).await;
    assert!(!seen.contains("hunter-two"), "{seen}");
}

#[tokio::test]
async fn whoever_takes_a_bake_over_and_does_not_know_its_secrets_shows_nothing_that_checks_and_hooks_say()
 {
    let settings = "secrets = { KEY = \"cat key\" }\n[deploy]\nbake = \"5m\"\n\
                    [guard.checks.stuck]\nfailures = 1\ncommand = 'echo it is $(cat key); exit 1'\n\
                    [hooks]\nfailed = 'echo \"$(cat key) $SHUNT_REASON\" | tee -a said'\n";
    let shop = Shop::open(&["1", "2"], settings).await;
    shop.site.write("key", "hunter-two\n");
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.stopped_at("before bake", "2").await.kill().await;
    let run = shop.site.run(&["resume", "web", "--json"]).await.ended_with(0);
    let run = run.says("the check `stuck`: ended with code 1 (not shown: ");
    let said = std::fs::read_to_string(shop.site.directory.path().join("said")).unwrap();
    assert!(said.starts_with("hunter-two the check `stuck`: ended with code 1 ("), "{said}");
    let history = shop.site.run(&["history"]).await.says("the check `stuck`: ended with code 1");
    let seen = seen(&shop, &[&run, &history]).await;
    assert!(!seen.contains("hunter-two") && !seen.contains("(`it is"), "{seen}");
}

#[tokio::test]
async fn json_stays_json_whatever_a_value_happens_to_be() {
    let (site, _) = deploy("").await;
    let from =
        "app = \"web\"\nimage = \"web\"\n[run]\nport = 80\nenv_from = [\"A\", \"B\", \"C\"]\n";
    site.write("shunt.toml", from);
    let ends = async |values: [&str; 3]| {
        let variables = [("A", values[0]), ("B", values[1]), ("C", values[2])];
        site.run_with(&["deploy", "--tag", "1", "--json"], &variables).await.json()
    };
    let plain = ends(["1", "2", "3"]).await;
    let (outcome, error) = (plain["outcome"].as_str().unwrap(), plain["error"].as_str().unwrap());
    let covered = ends(["outcome", outcome, error]).await;
    assert_eq!((&covered["outcome"], covered["error"].as_str()), (&plain["outcome"], Some("***")));
}

#[tokio::test]
async fn a_file_with_variables_that_never_ends_is_refused_by_name() {
    let (site, run) = deploy("env_file = [\"/dev/zero\", \"large\"]\n").await;
    let said = "/dev/zero: not a regular file";
    run.ended_with(2).says(said).says("large: No such file");
    site.write("large", &format!("A={}\n", "x".repeat(1 << 20)));
    let run = site.run(&["check"]).await.ended_with(2).says(said);
    run.says("large: larger than 1048576 bytes");
    site.write("large", &format!("A={}\n", "x".repeat((1 << 20) - 3)));
    let run = site.run(&["check"]).await.ended_with(2).says(said);
    assert!(!all(&run).contains("large"), "{}", all(&run));
}
