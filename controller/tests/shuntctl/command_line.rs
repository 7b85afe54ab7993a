//! What the command line says without a store.

use crate::site::Site;
use crate::words::Words;

#[tokio::test]
async fn the_help_of_all_names_the_exit_codes_and_shows_how_to_begin() {
    let site = Site::empty();
    site.run(&["--help"]).await.ended_with(0).says("Exit codes:").says("Start here:");
}

#[tokio::test]
async fn all_mistakes_of_the_deploy_file_come_out_in_one_run() {
    let site = Site::empty();
    site.write("shunt.toml", "app = \"Web\"\nimage = \"web\"\n[run]\nprt = 80\nreplicas = 0\n");
    let run = site.run(&["check"]).await.ended_with(2).says("shunt.toml has 4 mistakes");
    run.says("shunt.toml:1: app: `Web` is no name")
        .says("shunt.toml:3: run.port: missing key")
        .says("shunt.toml:4: run.prt: unknown key, did you mean `port`?")
        .says("shunt.toml:5: run.replicas: 0 is not within 1 to 64");
}

#[tokio::test]
async fn init_writes_a_sound_file_and_never_over_another() {
    let site = Site::empty();
    site.run(&["init", "--app", "shop"]).await.ended_with(0);
    site.run(&["check"]).await.ended_with(0).says("`shop`");
    site.run(&["init"]).await.ended_with(2).says("exists");
    site.run(&["init", "--app", "Shop", "--file", "other.toml"]).await.ended_with(2);
}

#[tokio::test]
async fn an_unnamed_app_or_store_is_asked_for() {
    let site = Site::empty();
    site.run(&["undo"]).await.ended_with(2).says("which app?");
    site.run(&["deploy"]).await.ended_with(2).says("shuntctl init");
}

#[tokio::test]
async fn completions_know_the_verbs() {
    let site = Site::empty();
    for shell in ["bash", "zsh", "fish"] {
        let script = site.run(&["completions", shell]).await.ended_with(0).says("announce");
        let json = site.run(&["completions", shell, "--json"]).await.ended_with(0).json();
        assert_eq!(json["script"].as_str(), Some(script.output.as_str()));
    }
}

#[tokio::test]
async fn a_failure_as_json_says_the_same_in_one_line() {
    let site = Site::with_two_releases().await;
    let run = site.run(&["status", "shop", "--json"]).await.ended_with(2);
    let end = run.json();
    assert_eq!((end["event"].as_str(), end["exit"].as_u64()), (Some("end"), Some(2)));
    assert!(end["error"].as_str().unwrap().contains("no app `shop`"));
    assert_eq!(run.errors, "");
}

#[tokio::test]
async fn an_environments_file_is_laid_over_the_deploy_file() {
    let site = Site::empty();
    site.make_store();
    site.run(&["init"]).await.ended_with(0);
    site.write("shunt.staging.toml", "app = \"web-staging\"\n[run]\nreplicas = 2\n");
    site.run(&["check"]).await.ended_with(0).says("`web`").says("with `staging` is sound");
    site.run(&["check", "--env", "staging"]).await.ended_with(0).says("`web-staging`");
    site.run(&["undo", "-e", "staging"]).await.ended_with(2).says("`web-staging`");
    site.run_with(&["undo"], &[("SHUNT_ENV", "staging")]).await.ended_with(2).says("web-staging");
    site.run(&["deploy", "-e", "prod"]).await.ended_with(2).says("shunt.prod.toml");
    site.run(&["deploy", "-e", "A=b"]).await.ended_with(2).says("[run] of a file");
    site.write("shunt.staging.toml", "[run]\nreplica = 2\n");
    let run = site.run(&["check"]).await.ended_with(2).says("shunt.staging.toml:2: run.replica: ");
    run.says("did you mean `replicas`?");
    site.write("shunt.toml", "app = 1\n");
    let run = site.run(&["check"]).await.ended_with(2);
    assert_eq!(run.errors.matches("shunt.toml:1: app: ").count(), 1, "{}", run.errors);
}

#[tokio::test]
async fn files_of_variables_are_read_although_the_deploy_file_has_mistakes() {
    let site = Site::empty();
    let file =
        "app = \"web\"\nimge = \"web\"\n[run]\nport = 80\nenv_file = [\"a.env\", \"b.env\"]\n";
    site.write("shunt.toml", file);
    site.write("a.env", "A=1\nA B=2\n");
    let run = site.run(&["check"]).await.ended_with(2).says("shunt.toml:2: imge: unknown key");
    run.says("a.env:2: ").says("b.env: No such file");
}

#[tokio::test]
async fn what_is_no_tag_or_image_is_refused_before_anything_is_asked() {
    let site = Site::empty();
    site.make_store();
    site.run(&["init"]).await.ended_with(0);
    for tag in ["a b", "", "-1", "a/b"] {
        let tag = format!("--tag={tag}");
        site.run(&["deploy", &tag]).await.ended_with(2).says("is no tag of an image");
    }
    site.run(&["deploy", "--image", "web 1"]).await.ended_with(2).says("`web 1` is no image");
    site.run(&["deploy", "--tag", "1_0.A-b"]).await.ended_with(3).says("no proxy is known");
}

#[tokio::test]
async fn a_word_that_means_something_else_is_told_what() {
    let site = Site::empty();
    for (words, tip) in [
        (&["deploy", "1.1"][..], "did you mean `--tag 1.1`?"),
        (&["deploy", "acme/web:1.1"], "did you mean `--image acme/web:1.1`?"),
        (&["rollback"], "`shuntctl undo` goes back"),
        (&["stop", "web"], "`shuntctl retire` stops"),
        (&["maintenance", "off"], "`shuntctl maintenance web off`"),
        (&["histroy"], "'history'"),
        (&["history", "web", "--limit", "0"], "--limit"),
        (&["list", "--store", "http://127.0.0.1:1/"], "leave the slash at its end away"),
    ] {
        let run = site.run(words).await.ended_with(2).says(tip);
        assert!(run.errors.matches("tip: ").count() < 2, "{}", run.errors);
        let json = site.run(&[words, &["--json"]].concat()).await.ended_with(2);
        assert!(json.json().to_string().contains(tip), "{words:?}: {}", json.output);
    }
}

/// In an incident nobody waits for a typo elsewhere to be mended.
#[tokio::test]
async fn a_mistake_elsewhere_in_the_deploy_file_keeps_nobody_from_looking_and_going_back() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let store = site.directory.path().join("store");
    let store = format!("[store]\ndirectory = \"{}\"\n", store.display());
    let file = format!("app = \"web\"\nimge = \"web\"\n[run]\nport = \"x\"\n{store}");
    site.write("shunt.toml", &file);
    site.run(&["flip", "web"]).await.ended_with(0);
    for verb in [&["status"][..], &["history"], &["undo"], &["undo", "--json"]] {
        let run = site.run_without(verb, "SHUNT_STORE").await.ended_with(0);
        assert!(run.errors.starts_with("warning: shunt.toml has 3 mistakes"), "{verb:?}: {run:?}");
        assert_eq!(run.errors.lines().count(), 1, "{verb:?}: {run:?}");
    }
    site.run(&["deploy"]).await.ended_with(2).says("imge: unknown key");
    // What it takes has to be sound all the same, and all of the file has to be TOML.
    for (from, to) in [("\"web\"", "\"Web\""), ("directory", "directry"), ("[run]", "[run")] {
        site.write("shunt.toml", &file.replacen(from, to, 1));
        let run = site.run_without(&["undo"], "SHUNT_STORE").await.ended_with(2);
        run.says("shunt.toml:").says("--store");
    }
    site.run(&["undo", "web"]).await.ended_with(0);
}
