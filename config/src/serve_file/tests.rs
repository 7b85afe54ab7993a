//! What may stand in `serve.toml`, and how mistakes in it are named.

use super::*;

const SMALLEST: &str = "[store]\ndirectory = \"/var/lib/shunt/store\"\n";

fn parse(text: &str) -> Result<ServeFile, Vec<String>> {
    ServeFile::parse("serve.toml", text)
        .map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[test]
fn the_smallest_file_is_a_store() {
    let file = parse(SMALLEST).unwrap();
    assert_eq!(file.listen.to_string(), "127.0.0.1:9190");
    assert_eq!(file.state, Path::new("/var/lib/shunt/serve"));
    assert!(file.apps.is_empty() && file.tokens.is_empty());
}

/// Every setting is in the sample, in a comment where it is a default, and none that does not exist.
#[test]
fn the_sample_file_is_sound_and_so_is_all_that_stands_in_its_comments() {
    let text = include_str!("../../../docs/serve.toml");
    let file = parse(text).unwrap();
    let web = &file.apps[&"web".parse::<AppName>().unwrap()];
    assert_eq!(web.webhooks.len(), 5, "one of each kind");
    let lines = text.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line));
    let all = lines.collect::<Vec<_>>().join("\n");
    let whole = parse(&all).unwrap();
    for key in [
        "listen",
        "state",
        "look",
        "file",
        "apps",
        "may",
        "deploy_file",
        "env",
        "restart",
        "kind",
        "name",
        "secret_file",
        "image_tag",
        "tags",
        "refs",
        "events",
    ] {
        assert!(all.contains(&format!("{key} = ")), "the sample does not show `{key}`");
    }
    assert_eq!(whole.apps[&"web".parse::<AppName>().unwrap()].env.as_deref(), Some("staging"));
}

#[test]
fn events_are_the_providers_and_have_defaults() {
    let text = format!(
        "{SMALLEST}[apps.web]\ndeploy_file = \"/srv/web/shunt.toml\"\n\
         [[apps.web.webhooks]]\nkind = \"gitlab\"\nsecret_file = \"/s\"\n\
         [[apps.web.webhooks]]\nkind = \"github\"\nname = \"releases\"\nevents = [\"release\"]\nsecret_file = \"/s\"\n"
    );
    let file = parse(&text).unwrap();
    let web = file.apps.values().next().unwrap();
    assert_eq!(web.webhooks[0].events, ["pipeline"]);
    assert_eq!(
        (web.webhooks[0].name.as_str(), web.webhooks[1].name.as_str()),
        ("gitlab", "releases")
    );
    assert_eq!(web.webhooks[1].events, ["release"]);
}

#[test]
fn mistakes_are_all_named_with_their_places() {
    let text = "look = \"10ms\"\nstate = \"serve\"\n[store]\ndirectory = \"/s\"\n\
        [tokens.CI]\nfile = \"/t\"\napps = [\"shop\"]\nmay = \"everything\"\n\
        [apps.web]\ndeploy_file = \"shunt.toml\"\nrestrat = true\n\
        [[apps.web.webhooks]]\nkind = \"generic\"\nsecret_file = \"/s\"\nevents = [\"push\"]\nrefs = [\"main\"]\n\
        [[apps.web.webhooks]]\nkind = \"generic\"\nsecret_file = \"s\"\nimage_tag = \"{branch}\"\n\
        [apps.Web]\ndeploy_file = \"/srv/shunt.toml\"\n";
    let said = parse(text).unwrap_err().join("\n");
    for words in [
        "serve.toml:1: look: at least 1s",
        "state: `serve` is not absolute",
        "`CI` is no name for a token",
        "there is no [apps.shop]",
        "`everything`",
        "deploy_file: `shunt.toml` is not absolute",
        "restrat: unknown key, did you mean `restart`?",
        "has no events to choose from",
        "names no branch",
        "two webhooks are named `generic`",
        "secret_file: `s` is not absolute",
        "`{branch}` is no tag",
        "`Web` is no name for an app",
    ] {
        assert!(said.contains(words), "`{words}` is not in:\n{said}");
    }
}

#[test]
fn a_file_without_a_store_says_so() {
    assert!(parse("").unwrap_err().join("\n").contains("store: missing key"));
}
