use std::time::Duration;

use super::*;
use crate::{AppName, Health, Timeouts};

/// A file in the shape of ours: a required key, a nested strict struct, an array of tables.
fn read_sample(text: &str) -> Result<(AppName, Vec<u16>), Vec<String>> {
    read("sample.toml", text, |root| {
        let app = root.required::<AppName>("app");
        let _: Option<Health> = root.optional("health");
        let _: Option<Timeouts> = root.optional("timeouts");
        let mut ports = Vec::new();
        for mut listen in root.sections("listen") {
            let port: Option<u16> = listen.required("port");
            if port == Some(0) {
                listen.mistake("port", "a port is a number from 1 to 65535");
            }
            let _: bool = listen.or("tls", false);
            ports.extend(port);
        }
        if let Some(mut run) = root.section("run") {
            let _: Option<u16> = run.optional("replicas");
        }
        Some((app?, ports))
    })
    .map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[test]
fn a_sound_file_is_read() {
    let text = "app = \"web\"\n[health]\npath = \"/up\"\n[[listen]]\nport = 80\n";
    let (app, ports) = read_sample(text).unwrap();
    assert_eq!((app.as_str(), ports), ("web", vec![80]));
}

#[test]
fn every_mistake_is_named_in_one_run_with_its_line() {
    let text = "ap = \"web\"\n\
                [health]\n\
                intervall = \"1s\"\n\
                fall = 0\n\
                timeout = 5\n\
                [[listen]]\n\
                port = 80\n\
                [[listen]]\n\
                prt = 81\n\
                tls = \"yes\"\n\
                [[listen]]\n\
                port = 0\n";
    let said = read_sample(text).unwrap_err();
    assert_eq!(
        said,
        [
            "sample.toml: app: missing key",
            "sample.toml:1: ap: unknown key, did you mean `app`?",
            "sample.toml:3: health.intervall: unknown key, did you mean `interval`?",
            "sample.toml:4: health.fall: 0 is not within 1 to 100",
            "sample.toml:5: health.timeout: is `5`, and has to be a text in quotes",
            "sample.toml:8: listen[1].port: missing key",
            "sample.toml:9: listen[1].prt: unknown key, did you mean `port`?",
            "sample.toml:10: listen[1].tls: is the text `yes`, and has to be `true` or `false`",
            "sample.toml:12: listen[2].port: a port is a number from 1 to 65535",
        ]
    );
}

#[test]
fn a_value_of_the_wrong_shape_is_named() {
    let said = read_sample("app = \"Web\"\nhealth = 3\nlisten = 80\nrun = []\n").unwrap_err();
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(said[0].starts_with("sample.toml:1: app: `Web` is no name"), "{said:#?}");
    assert!(
        said[1].starts_with("sample.toml:2: health: is `3`, and has to be a table"),
        "{said:#?}"
    );
    assert_eq!(said[2], "sample.toml:3: listen: write it as `[[listen]]`");
    assert_eq!(said[3], "sample.toml:4: run: write it as a table `[run]`, not as array");
}

#[test]
fn a_syntax_error_is_named_with_its_line_and_alone() {
    let said = read_sample("app = \"web\"\nport = = 3\nunknown = 1\n").unwrap_err();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].starts_with("sample.toml:2: "), "{said:#?}");
}

#[test]
fn a_duration_without_its_unit_is_a_mistake() {
    let said = read("sample.toml", "warm = \"10\"", |root| {
        Some(root.duration("warm", Duration::from_secs(1)))
    });
    let said = said.unwrap_err()[0].to_string();
    assert!(said.starts_with("sample.toml:1: warm: `10` is not a duration"), "{said}");
}

#[test]
fn a_key_given_twice_is_a_mistake() {
    let said = read_sample("app = \"web\"\napp = \"api\"\n").unwrap_err();
    assert!(said[0].starts_with("sample.toml:2: duplicate key"), "{said:#?}");
}
