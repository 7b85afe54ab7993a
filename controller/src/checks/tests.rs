use std::time::Duration;

use shunt_config::Token;
use shunt_config::command::Command;

use super::*;
use crate::report::Hidden;

/// A check of nothing, which is bad after two bad answers.
fn check(on_no_answer: OnNoAnswer) -> Check {
    let (interval, timeout) = (Duration::from_hours(1), Duration::from_secs(1));
    let ask = Ask::Command(Command::Shell("true".to_owned()));
    Check { name: "queue".to_owned(), ask, interval, timeout, failures: 2, on_no_answer }
}

fn record() -> shunt_config::record::Deploy {
    let text = r#"{"id":"1","who":{"user":"ann","host":"ci","pid":1},"began":"2026-01-01T00:00:00Z",
        "slot":"green","limits":{"health":"1s","flip":"1s","drain":"1s","warm":"1s","lost":"1s",
        "stop":"1s"},"version":"1.1","plan":["bake"],"steps":[],"stage":"acknowledged","before":{}}"#;
    shunt_config::record::Deploy::parse(text.as_bytes()).unwrap()
}

fn checks<'a>(report: &'a Report, all: &[Check]) -> Checks<'a> {
    let watched = Watched::new(&"web".parse().unwrap(), &record(), &Token::from("7-8"), None);
    Checks::begin(report, all, watched)
}

#[tokio::test]
async fn only_bad_answers_in_a_row_break_a_check_and_none_is_no_bad_one() {
    let report = Report::new(false);
    let mut checks = checks(&report, &[check(OnNoAnswer::Ignore)]);
    let (good, bad) = (Answer::Good("1".to_owned()), Answer::Bad("9 is more than 5".to_owned()));
    let none = Answer::None("connect: refused".to_owned());
    for answer in [&bad, &good, &none, &none, &none, &bad, &none] {
        assert_eq!(checks.take(0, answer.clone()), None, "{answer:?}");
    }
    assert_eq!(checks.unanswered(), "no answer from the check `queue`");
    let broken = checks.take(0, bad).unwrap();
    assert_eq!(broken.to_string(), "the check `queue`: 9 is more than 5, 2 times in a row");
    assert_eq!(checks.unanswered(), "");
}

#[tokio::test]
async fn no_answer_breaks_a_check_where_the_file_says_so() {
    let report = Report::new(false);
    let mut checks = checks(&report, &[check(OnNoAnswer::Fail)]);
    let none = Answer::None("connect: refused".to_owned());
    assert_eq!(checks.take(0, none.clone()), None);
    let said = checks.take(0, none).unwrap().to_string();
    assert_eq!(said, "the check `queue`: no answer: connect: refused, 2 times in a row");
}

#[tokio::test]
async fn a_command_is_told_of_the_release_and_what_is_no_verdict_of_its_is_none() {
    let told =
        r#"test "$SHUNT_APP $SHUNT_SLOT $SHUNT_VERSION $SHUNT_TOKEN $SHUNT_SHARE $SHUNT_CHECK" = "#;
    let told = format!("{told}'web green 1.1 7-8 10 queue'");
    let watched = Watched::new(&"web".parse().unwrap(), &record(), &Token::from("7-8"), None);
    let (watched, hidden) = (watched.share(10), Hidden::default());
    hidden.add(&Secret::new("hunter-two"));
    let run = async |line: &str| {
        let command = Command::Shell(line.to_owned());
        command::run(&check(OnNoAnswer::Ignore), &command, &watched, &hidden).await
    };
    assert_eq!(run(&told).await, Answer::Good("ended with code 0".to_owned()));
    let bad = run("echo 7 jobs are stuck; exit 3").await;
    assert_eq!(bad, Answer::Bad("ended with code 3 (`7 jobs are stuck`)".to_owned()));
    let bad = run("echo it is hunter-two; exit 1").await;
    assert_eq!(bad, Answer::Bad("ended with code 1 (`it is ***`)".to_owned()));
    for line in ["/no/such/program", "sleep 1000", "kill -9 $$"] {
        assert!(matches!(run(line).await, Answer::None(_)), "{line}");
    }
}
