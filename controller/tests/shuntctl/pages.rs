//! What every verb has: a page in docs/verbs, an example in its help, and `--json`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shunt_config::key::AppKey;

use crate::site::{Run, Site};
use crate::words::Words;

/// Rewrites the help on the pages instead of comparing it.
const RENEW: &str = "SHUNT_RENEW";

/// What every verb takes.
const FLAGS: [&str; 4] = ["--store <", "--file <", "--env <", "--json "];

#[tokio::test]
async fn every_verb_has_a_page_with_its_help_word_by_word() {
    let site = Site::empty();
    let readme = std::fs::read_to_string(pages().join("README.md")).unwrap();
    let (mut wrong, mut verbs) = (Vec::new(), BTreeSet::new());
    for words in every(&site).await {
        let verb = words[0].clone();
        let path = pages().join(format!("{verb}.md"));
        if verbs.insert(verb.clone()) && !readme.contains(&format!("]({verb}.md)")) {
            wrong.push(format!("docs/verbs/README.md does not list [`{verb}`]({verb}.md)"));
        }
        let Ok(page) = std::fs::read_to_string(&path) else {
            wrong.push(format!("`shuntctl {verb}` has no page: write docs/verbs/{verb}.md"));
            continue;
        };
        let help = help(&site, &words).await;
        if std::env::var_os(RENEW).is_some()
            && let Some(renewed) = renewed(&page, &words, &help)
        {
            std::fs::write(&path, renewed).unwrap();
            continue;
        }
        let why = differs(&page, &words, &help);
        wrong.extend(why.map(|why| format!("docs/verbs/{verb}.md: {why}")));
    }
    for file in std::fs::read_dir(pages()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name != "README" && !verbs.contains(name) {
            wrong.push(format!("docs/verbs/{name}.md is of no verb"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_help_of_every_verb_ends_with_an_example_and_names_the_flags_of_all() {
    let site = Site::empty();
    for words in every(&site).await {
        let help = help(&site, &words).await;
        let verb = words.join(" ");
        let (_, examples) = help.rsplit_once("\n\nExample").unwrap_or_else(|| {
            panic!("the help of `{verb}` does not end with an example: give it an `after_help`")
        });
        assert!(examples.contains(&format!("shuntctl {verb}")), "{verb}: {examples}");
        for flag in FLAGS {
            assert!(help.contains(flag), "{verb}: no {flag} in\n{help}");
        }
    }
}

/// A script that asked for JSON gets it for a slip of its own as well, from any verb.
#[tokio::test]
async fn a_wrong_flag_is_said_as_json_by_every_verb() {
    let site = Site::empty();
    for words in every(&site).await {
        let mut line: Vec<&str> = words.iter().map(String::as_str).collect();
        line.extend(["--json", "--no-such-flag"]);
        let run = site.run(&line).await.ended_with(2);
        all_json(&line, &run);
        let end = run.json();
        assert!(end["error"].as_str().unwrap().contains("--no-such-flag"), "{line:?}: {end}");
    }
    let run = site.run(&["flip", "--json"]).await.ended_with(2).says("not provided: <APP>");
    all_json(&["flip"], &run.says("Usage: shuntctl flip"));
    let run = site.run(&["--json"]).await.ended_with(2).says("shuntctl help");
    all_json(&["--json"], &run);
    // For people it is what it was: the mistake on standard error.
    let run = site.run(&["flip"]).await.ended_with(2);
    assert!(run.output.is_empty() && run.errors.contains("Usage: shuntctl flip"), "{run:?}");
}

#[tokio::test]
async fn with_json_every_verb_writes_lines_of_json_and_nothing_else() {
    let site = Site::with_two_releases().await;
    let runs: [(&[&str], i32); 10] = [
        (&["init"], 0),
        (&["init"], 2),
        (&["check"], 0),
        (&["check", "--env", "nowhere"], 2),
        (&["completions", "bash"], 0),
        (&["deploy", "--dry-run"], 3),
        (&["deploy", "--tag", "1"], 3),
        (&["flip", "web"], 3),
        (&["proxy", "list"], 0),
        (&["proxy", "forget", "lb9"], 2),
    ];
    try_all(&site, &runs).await;
    let run = site.run(&["deploy", "--dry-run", "--json"]).await.ended_with(3);
    assert!(run.output.contains("\"would_fail\":\"no proxy is known"), "{}", run.output);

    // From here on without a deploy file, which speaks of an engine.
    std::fs::remove_file(site.directory.path().join("shunt.toml")).unwrap();
    let proxy = Words::of("lb1", &site).await;
    let _proxy = proxy.obeys();
    let runs: [(&[&str], i32); 32] = [
        (&["list"], 0),
        (&["status"], 0),
        (&["status", "web"], 0),
        (&["status", "shop"], 2),
        (&["history", "web"], 0),
        (&["history", "shop"], 2),
        (&["logs", "web"], 2),
        (&["flip", "web"], 0),
        (&["flip", "web", "green"], 0),
        (&["undo", "web"], 0),
        (&["undo", "web", "--to", "0.1"], 2),
        (&["announce", "web", "green", "127.0.0.1:9003", "--no-wait"], 0),
        (&["announce", "web", "blue", "127.0.0.1:9003"], 2),
        (&["hold", "web"], 0),
        (&["maintenance", "web", "on"], 2),
        (&["release", "web"], 0),
        (&["release", "web"], 0),
        (&["maintenance", "web", "on"], 0),
        (&["maintenance", "web", "off", "--message", "x"], 2),
        (&["maintenance", "web", "off"], 0),
        (&["promote", "web"], 2),
        (&["abort", "web"], 2),
        (&["resume", "web"], 0),
        (&["retire", "web"], 0),
        (&["undo", "web"], 2),
        (&["proxy", "list"], 0),
        (&["proxy", "forget", "lb1"], 2),
        (&["history", "web", "--steps"], 0),
        (&["list", "--store", "http://127.0.0.1:1"], 7),
        (&["remove", "web"], 2),
        (&["remove", "web", "--yes"], 0),
        (&["remove", "web", "--yes"], 2),
    ];
    site.put(AppKey::History("20260101T000000-00000001".into()), "not an entry").await;
    try_all(&site, &runs).await;
}

async fn try_all(site: &Site, runs: &[(&[&str], i32)]) {
    for (line, code) in runs {
        let line = [line, &["--json"][..]].concat();
        let run = site.run(&line).await;
        assert_eq!(run.code, *code, "{line:?}: {run:?}");
        all_json(&line, &run);
    }
}

/// Nothing but objects on standard output, nothing on standard error, and the code of a run that
/// failed is in its last line.
#[track_caller]
fn all_json(line: &[&str], run: &Run) {
    assert_eq!(run.errors, "", "{line:?}");
    for said in run.output.lines() {
        let value: Result<Value, _> = serde_json::from_str(said);
        assert!(value.is_ok_and(|value| value.is_object()), "{line:?} wrote: {said}");
    }
    if run.code != 0 {
        let end = run.json();
        assert_eq!(
            (end["event"].as_str(), end["exit"].as_i64()),
            (Some("end"), Some(run.code.into()))
        );
        assert!(end["error"].is_string() && end["outcome"].is_string(), "{line:?}: {end}");
    }
}

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verbs")
}

/// Every verb and sub-verb, as the help of the program lists them.
async fn every(site: &Site) -> Vec<Vec<String>> {
    let (mut all, mut next) = (Vec::new(), vec![Vec::new()]);
    while let Some(words) = next.pop() {
        let help = help(site, &words).await;
        let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names = lines.take_while(|line| !line.is_empty());
        let names = names.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let names = names.filter(|name| !name.is_empty() && *name != "help");
        next.extend(names.map(|name| [&words[..], &[name.to_owned()]].concat()));
        if !words.is_empty() {
            all.push(words);
        }
    }
    assert!(all.len() > 20, "{all:?}");
    all.sort();
    all
}

async fn help(site: &Site, words: &[String]) -> String {
    let mut line: Vec<&str> = words.iter().map(String::as_str).collect();
    line.push("--help");
    site.run_with(&line, &[("COLUMNS", "100")]).await.ended_with(0).output
}

/// The first line of a verb's help on its page.
fn prompt(words: &[String]) -> String {
    format!("$ shuntctl {} --help", words.join(" "))
}

/// Why the block of `words` on `page` is not `help`.
fn differs(page: &str, words: &[String], help: &str) -> Option<String> {
    let verb = words.join(" ");
    let renew = format!(
        "{RENEW}=1 cargo nextest run --workspace --test shuntctl -E 'test(pages)' renews it"
    );
    let Some((_, shown)) = block(page, words) else {
        let prompt = prompt(words);
        return Some(format!(
            "no block that begins with `{prompt}`: put an empty one there; {renew}"
        ));
    };
    let (mut shown, mut help) = (shown.lines(), help.trim_end().lines());
    for number in 1.. {
        match (shown.next(), help.next()) {
            (None, None) => break,
            (on_page, said) if on_page.map(str::trim_end) == said.map(str::trim_end) => {}
            (on_page, said) => {
                let [on_page, said] = [on_page, said].map(|line| line.unwrap_or("(nothing)"));
                return Some(format!(
                    "line {number} of the help of `{verb}` is\n  {said}\nand on the page it is\n  {on_page}\n{renew}"
                ));
            }
        }
    }
    None
}

/// `page` with `help` in the block of `words`, if there is one.
fn renewed(page: &str, words: &[String], help: &str) -> Option<String> {
    let (begin, shown) = block(page, words)?;
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let (before, after) = (&page[..begin], &page[begin + shown.len()..]);
    Some(format!("{before}{}\n{after}", lines.join("\n")))
}

/// Where the block's text after its prompt begins, and the text.
fn block<'a>(page: &'a str, words: &[String]) -> Option<(usize, &'a str)> {
    let opening = format!("```text\n{}\n", prompt(words));
    let begin = page.find(&opening)? + opening.len();
    let rest = &page[begin..];
    let length = if rest.starts_with("```") { 0 } else { rest.find("\n```")? + 1 };
    Some((begin, &rest[..length]))
}
