//! What the operator's own checks say of a release that is watched: commands, and queries of
//! Prometheus. They are asked beside the judge, which needs none of them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use shunt_config::record::{Ask, Check, OnNoAnswer};
use shunt_config::secret::Secret;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::environment::secret;
use crate::report::Report;

mod command;
mod prometheus;
mod release;

pub use release::Watched;

/// The checks of a release that is watched. What still runs when this is dropped is killed.
#[derive(Debug)]
pub struct Checks<'a> {
    report: &'a Report,
    watched: Arc<Watched>,
    all: Vec<Asked>,
    tasks: JoinSet<Event>,
}

/// A check, and what has come of it.
#[derive(Debug)]
struct Asked {
    check: Arc<Check>,
    begun: Instant,
    /// Bad answers in a row.
    bad: u32,
    last: Option<Answer>,
}

/// What one run of a check came to, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Good(String),
    Bad(String),
    None(String),
}

#[derive(Debug)]
enum Event {
    /// It is time for another run.
    Due(usize),
    Answered(usize, Answer),
}

/// A check that was bad too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub name: String,
    /// The last answer.
    pub said: String,
    /// How many bad ones there were in a row.
    pub times: u32,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the check `{}`: {}", self.name, self.said)?;
        match self.times {
            1 => Ok(()),
            times => write!(f, ", {times} times in a row"),
        }
    }
}

impl<'a> Checks<'a> {
    /// Begins to ask `checks` about a release.
    pub fn begin(report: &'a Report, checks: &[Check], watched: Watched) -> Self {
        let (now, mut tasks) = (Instant::now(), JoinSet::new());
        let asked = |check: &Check| Asked {
            check: Arc::new(check.clone()),
            begun: now,
            bad: 0,
            last: None,
        };
        let all: Vec<_> = checks.iter().map(asked).collect();
        for index in 0..all.len() {
            tasks.spawn(async move { Event::Due(index) });
        }
        Self { report, watched: Arc::new(watched), all, tasks }
    }

    /// From here on the release gets so many percent of the requests.
    pub fn share(&mut self, percent: u8) {
        let watched = (*self.watched).clone();
        self.watched = Arc::new(watched.share(percent));
    }

    /// Goes on asking until a check is bad too often.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again. Meanwhile what runs goes on, and nothing new begins.
    pub async fn broken(&mut self) -> Broken {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Event::Due(index))) => self.ask(index),
                Some(Ok(Event::Answered(index, answer))) => {
                    if let Some(broken) = self.take(index, answer) {
                        return broken;
                    }
                }
                // One that broke by itself is asked no more, and is among those without an answer.
                Some(Err(_)) => {}
                None => return std::future::pending().await,
            }
        }
    }

    /// The checks that have no answer now, in words; empty if all have one.
    pub fn unanswered(&self) -> String {
        let none = |asked: &&Asked| !matches!(asked.last, Some(Answer::Good(_) | Answer::Bad(_)));
        let names: Vec<_> = self.all.iter().filter(none).map(|a| a.check.to_string()).collect();
        match names.is_empty() {
            true => String::new(),
            false => format!("no answer from the check {}", names.join(" and ")),
        }
    }

    fn ask(&mut self, index: usize) {
        let Some(asked) = self.all.get_mut(index) else { return };
        asked.begun = Instant::now();
        let (check, watched) = (Arc::clone(&asked.check), Arc::clone(&self.watched));
        let (token, hidden) = (token(&check, self.report), self.report.hidden().clone());
        self.tasks.spawn(async move {
            let answer = match (&check.ask, token) {
                (_, Err(why)) => Answer::None(why),
                (Ask::Command(command), _) => {
                    command::run(&check, command, &watched, &hidden).await
                }
                (Ask::Query(query), Ok(token)) => {
                    prometheus::ask(query, &watched, token.as_ref(), check.timeout).await
                }
            };
            Event::Answered(index, answer)
        });
    }

    /// Counts an answer, tells it, and has the next run begin in time.
    fn take(&mut self, index: usize, answer: Answer) -> Option<Broken> {
        let asked = self.all.get_mut(index)?;
        let check = &asked.check;
        let counts = match &answer {
            Answer::Good(_) => {
                asked.bad = 0;
                false
            }
            Answer::Bad(_) => true,
            Answer::None(_) => check.on_no_answer == OnNoAnswer::Fail,
        };
        asked.bad += u32::from(counts);
        tell(self.report, check, &answer, asked.last.as_ref(), counts.then_some(asked.bad));
        let broken = (asked.bad >= check.failures).then(|| {
            let said = answer.in_words();
            Broken { name: check.name.clone(), said, times: asked.bad }
        });
        asked.last = Some(answer);
        let next = asked.begun + check.interval;
        self.tasks.spawn(async move {
            sleep_until(next).await;
            Event::Due(index)
        });
        broken
    }
}

impl Answer {
    fn in_words(&self) -> String {
        match self {
            Self::Good(said) | Self::Bad(said) => said.clone(),
            Self::None(why) => format!("no answer: {why}"),
        }
    }
}

/// The token that a check asks with, if it has one: never shown from here on.
fn token(check: &Check, report: &Report) -> Result<Option<Secret>, String> {
    let Ask::Query(query) = &check.ask else { return Ok(None) };
    let Some(source) = &query.token else { return Ok(None) };
    let token = secret(source, Path::new(""))?;
    report.hide(&token);
    Ok(Some(token))
}

/// Tells people of what has changed and of what counts, and scripts of every run.
fn tell(report: &Report, check: &Check, answer: &Answer, last: Option<&Answer>, bad: Option<u32>) {
    let state = match answer {
        Answer::Good(_) => "good",
        Answer::Bad(_) => "bad",
        Answer::None(_) => "none",
    };
    let said = answer.in_words();
    let fields =
        json!({ "name": check.name, "state": state, "said": said, "bad": bad.unwrap_or(0) });
    report.event("check", fields);
    let line = match (answer, bad) {
        (_, Some(bad)) => format!("{check} is bad, {bad} of {}: {said}", check.failures),
        (Answer::Good(_), None) if matches!(last, None | Some(Answer::Good(_))) => return,
        (Answer::Good(_), None) => format!("{check} is good again"),
        (_, None) if matches!(last, Some(Answer::None(_))) => return,
        (_, None) => format!("{check} has {said}; that counts for nothing"),
    };
    report.line(&format!("  …  check        {line}"));
}

#[cfg(test)]
mod tests;
