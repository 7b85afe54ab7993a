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
