//! Whether the containers of a release that is watched go on running: one that ends and is started again by
//! its engine is away too shortly for a health check, and for few requests.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use shunt_config::Engine;
use tokio::time::sleep;

use super::check::last_lines_of;
use super::run::Run;
use crate::engine::{self, Labels, State, label};
use crate::judge::Finding;

/// How often they are looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// Looks in a row at which one has to be ended: an engine that is being restarted starts them again.
const LOOKS: u32 = 3;

/// The containers of a release that is watched.
#[derive(Debug)]
pub(super) struct Lives {
    labels: Labels,
    engines: Vec<Engine>,
}

impl Run<'_> {
    /// The containers of the new release that get requests. No engine is asked for them yet: whoever watches
    /// has more to look at than these.
    pub(super) fn lives(&self) -> Lives {
        let record = self.journal.record();
        let labels = label::of_deploy(&self.app, &record.id);
        Lives { labels, engines: record.engines.clone() }
    }
}

impl Lives {
    /// Waits until one of them has ended. An engine that does not answer says nothing of that, and is asked
    /// again; it keeps nobody from hearing the others.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again; then looks are counted anew.
    pub(super) async fn ended(&self) -> Finding {
        let all = self.engines.iter().map(|engine| self.ended_on(engine));
        match all.collect::<FuturesUnordered<_>>().next().await {
            Some(found) => found,
            None => pending().await,
        }
    }

    async fn ended_on(&self, named: &Engine) -> Finding {
        let (engine, mut all) = loop {
            match engine::look(named, &self.labels).await {
                Ok(found) => break found,
                Err(_) => sleep(GLANCE).await,
            }
        };
        all.retain(|container| !label::is_worker(container));
        let mut looks = BTreeMap::new();
        loop {
            for container in &all {
                let seen: &mut u32 = looks.entry(&container.id).or_default();
                match engine::in_time(engine.name(), engine.state(&container.id)).await {
                    Ok(State::Ended(how)) => {
                        *seen += 1;
                        if *seen == LOOKS {
                            let last = last_lines_of(&*engine, container).await;
                            return Finding::Ended(format!("{} {how}", container.name), last);
                        }
                    }
                    Ok(_) => *seen = 0,
                    Err(_) => {}
                }
            }
            sleep(GLANCE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::pin::pin;

    use tempfile::TempDir;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{UnixListener, UnixStream};
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    /// What an engine says whose one container has ended.
    async fn answer(stream: UnixStream) -> Option<()> {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let mut path = None;
        while let Some(line) = lines.next_line().await.ok()? {
            path = path.or_else(|| line.split(' ').nth(1).map(str::to_owned));
            if !line.is_empty() {
                continue;
            }
            let body = match path.take()? {
                path if path.ends_with("/version") => r#"{"ApiVersion":"1.41"}"#,
                path if path.contains("/containers/json") => r#"[{"Id":"c1","Names":["/web-0"]}]"#,
                path if path.contains("/c1/json") => r#"{"State":{"Running":false,"ExitCode":3}}"#,
                _ => "",
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            writer.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
        }
        None
    }

    fn engine(path: &Path) -> Engine {
        Engine { url: format!("unix://{}", path.display()).parse().unwrap(), files: None }
    }

    #[tokio::test]
    async fn what_ends_on_one_engine_is_found_though_another_hangs_and_it_was_away_itself() {
        let directory = TempDir::new().unwrap();
        let [hung, away] = ["hung", "away"].map(|name| directory.path().join(name));
        // It lets everybody in, and answers nobody.
        let _hung = UnixListener::bind(&hung).unwrap();
        let engines = vec![engine(&hung), engine(&away)];
        let lives = Lives { labels: Labels::new(), engines };
        let mut ended = pin!(lives.ended());
        let early = timeout(Duration::from_millis(100), &mut ended).await;
        assert!(early.is_err(), "nobody can tell");
        let listener = UnixListener::bind(&away).unwrap();
        tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(answer(stream));
            }
        });
        let found = ended.await;
        assert!(
            matches!(&found, Finding::Ended(how, _) if how == "web-0 ended with code 3"),
            "{found}"
        );
    }
}
