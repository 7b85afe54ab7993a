//! Every case of the suite, on shunt as it was built; and the suite, on one that does nothing right.

// Helpers outside of test functions may fail the test as well.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use conformance::{Case, Peer, cases, report, suite};

/// Processes of shunt side by side in one test; tests run side by side as well.
const LANES: usize = 2;

macro_rules! subjects {
    ($($test:ident: $subject:literal,)*) => {
        const SUBJECTS: &[&str] = &[$($subject),*];

        $(#[tokio::test]
        async fn $test() {
            is_right($subject).await;
        })*
    };
}

subjects! {
    request_lines_are_right: "request_line",
    hosts_are_right: "host",
    fields_are_right: "fields",
    connections_are_right: "connection",
    lengths_are_right: "lengths",
    codings_are_right: "codings",
    chunks_are_right: "chunks",
    answers_are_right: "answers",
    endings_are_right: "endings",
    pipelines_are_right: "pipelines",
    interim_answers_are_right: "interim",
    what_is_said_of_the_client_is_right: "forwarded",
    upgrades_are_right: "upgrades",
    streams_are_right: "streams",
    frames_of_http_2_are_right: "h2_frames",
    heads_of_http_2_are_right: "h2_heads",
    http_2_is_put_into_http_1_right: "h2_downgrade",
    floods_of_http_2_are_stopped: "h2_floods",
}

async fn is_right(subject: &str) {
    let (_, cases) = cases::all().into_iter().find(|(name, _)| *name == subject).unwrap();
    let results = suite::run_all(Peer::Shunt, &cases, LANES).await;
    let wrong = results.iter().flatten().filter(|result| result.is_err()).count();
    let failures = report::failures(&cases, &results);
    assert_eq!(wrong, 0, "{wrong} of {} are wrong:\n{failures}", cases.len());
}

#[test]
fn every_subject_is_tested_and_every_case_has_a_name_of_its_own() {
    let all = cases::all();
    let subjects: Vec<_> = all.iter().map(|(subject, _)| *subject).collect();
    assert_eq!(subjects, SUBJECTS);
    let mut names = HashSet::new();
    for case in all.iter().flat_map(|(_, cases)| cases) {
        assert!(names.insert(case.name), "{} is the name of two cases", case.name);
        assert!(!case.rule.is_empty(), "{} has no rule", case.name);
    }
    assert!(names.len() >= 200, "{} cases", names.len());
}

#[tokio::test]
async fn what_must_stay_outside_is_noticed_when_it_does_not() {
    let mut cases: Vec<_> = cases::all().into_iter().flat_map(|(_, cases)| cases).collect();
    cases.retain(Case::stays_outside);
    let results = suite::run_all(Peer::Relay, &cases, 16).await;
    let passed = cases.iter().zip(&results).filter(|(_, result)| matches!(result, Some(Ok(()))));
    let passed: Vec<_> = passed.map(|(case, _)| case.name).collect();
    assert!(passed.is_empty(), "a relay that looks at nothing passes {passed:?}");
}
