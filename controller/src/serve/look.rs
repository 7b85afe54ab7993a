//! What is answered without doing anything: the same values that the verbs write with `--json`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::StatusCode;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Value, json};
use shunt_config::AppName;
use shunt_config::store::StoreError;
use tokio::time::sleep;

use super::Serve;
use super::answer::{self, Answer, Refused};
use super::desk::{Output, Record, after, event};
use super::http::Asked;
use super::loaded::{Loaded, Token};
use crate::app_keys::AppKeys;
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::summary::Summary;
use crate::verb::list;

/// The description of the API.
pub(super) const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// How often a run's output is looked at while someone follows it.
const LOOK: Duration = Duration::from_millis(200);

/// Entries of a list, unless it is asked for another number.
const LIMIT: usize = 20;

/// There is nothing of that name, or nothing that this token is for: it need not know which.
pub(super) fn nothing() -> Refused {
    Box::new(answer::refused(StatusCode::NOT_FOUND, "there is nothing of that name"))
}

/// The app of the path.
pub(super) fn app_of(loaded: &Loaded, token: &Token, asked: &Asked) -> Result<AppName, Refused> {
    let found = loaded.app(asked.part("app")).map(|(app, _)| app);
    found.filter(|app| token.is_for(app)).cloned().ok_or_else(nothing)
}

/// What is counted of the apps that `token` is for.
pub(super) fn metrics(serve: &Serve, token: &Token) -> Answer {
    let runs = serve.desk.all();
    serve.metrics.lines(runs.iter().map(|run| (run.order.app.as_str(), run.state)));
    match serve.metrics.text(|app| token.sees(app)) {
        Ok(text) => answer::whole(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
        Err(error) => answer::refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The apps, as `list --json` writes them.
pub(super) async fn apps(serve: &Serve, loaded: &Loaded, token: &Token) -> Result<Answer, Refused> {
    let mut all = Vec::new();
    for app in visible(loaded, token) {
        let keys = keys(serve, app).await?;
        all.extend((!keys.is_gone()).then(|| list::value(&keys)));
    }
    Ok(answer::json(StatusCode::OK, &json!({ "apps": all })))
}

/// All apps: as `status --json` writes them, and what the daemon knows beside that.
pub(super) async fn overview(
    serve: &Serve,
    loaded: &Loaded,
    token: &Token,
) -> Result<Answer, Refused> {
    let runs = serve.desk.all();
    let mut all = Vec::new();
    for app in visible(loaded, token) {
        let keys = keys(serve, app).await?;
        let summary = match keys.is_gone() {
            true => None,
            false => Some(summary(serve, &keys).await?),
        };
        let live = runs.iter().filter(|run| run.order.app == *app && !run.state.is_over());
        let live: Vec<_> = live.map(|run| run_view(serve, run, false)).collect();
        all.push(json!({ "app": app, "status": summary, "runs": live,
            "vanished": serve.vanished.of(app) }));
    }
    Ok(answer::json(StatusCode::OK, &json!({ "apps": all })))
}

/// An app, as `status --json` writes it.
pub(super) async fn status(
    serve: &Serve,
    loaded: &Loaded,
    token: &Token,
    asked: &Asked,
) -> Result<Answer, Refused> {
    let app = app_of(loaded, token, asked)?;
    let keys = keys(serve, &app).await?;
    if keys.is_gone() {
        return Err(not_deployed(&app));
    }
    Ok(answer::json(StatusCode::OK, &summary(serve, &keys).await?))
}

/// What was deployed, as `history --json` writes it, the last first.
pub(super) async fn history(
    serve: &Serve,
    loaded: &Loaded,
    token: &Token,
    asked: &Asked,
) -> Result<Answer, Refused> {
    let app = app_of(loaded, token, asked)?;
    let limit = limit(asked)?;
    let keys = keys(serve, &app).await?;
    let entries = keys.history.iter().rev().take(limit);
    let entries: Vec<Value> =
        entries.filter_map(|(id, kept)| Some(json!({ "id": id, "entry": kept.ok()? }))).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "history": entries })))
}

/// The runs, the last first.
pub(super) fn runs(serve: &Serve, token: &Token, asked: &Asked) -> Result<Answer, Refused> {
    let (limit, app) = (limit(asked)?, asked.query("app"));
    let of_app = |run: &&Record| app.is_none_or(|app| run.order.app.as_str() == app);
    let all = serve.desk.all();
    let wanted =
        all.iter().rev().filter(|run| token.is_for(&run.order.app)).filter(of_app).take(limit);
    let wanted: Vec<_> = wanted.map(|run| run_view(serve, run, false)).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "runs": wanted })))
}

/// One run, with its steps and all it has told.
pub(super) fn run(serve: &Serve, token: &Token, asked: &Asked) -> Result<Answer, Refused> {
    let run = one(serve, token, asked)?;
    Ok(answer::json(StatusCode::OK, &run_view(serve, &run, true)))
}

/// One run, as it goes on: `text/event-stream`, an event for each of its lines, the last one `run`.
pub(super) fn events(serve: &Arc<Serve>, token: &Token, asked: &Asked) -> Result<Answer, Refused> {
    let run = one(serve, token, asked)?;
    let follow = Follow {
        serve: Arc::clone(serve),
        path: serve.desk.output(&run.id),
        id: run.id,
        place: 0,
        over: false,
    };
    let pieces = stream::unfold(follow, |mut follow| async {
        let piece = follow.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(piece))), follow))
    });
    Ok(answer::pieces("text/event-stream", StreamBody::new(pieces.boxed())))
}

/// Someone who follows a run.
struct Follow {
    serve: Arc<Serve>,
    path: PathBuf,
    id: String,
    place: u64,
    over: bool,
}

impl Follow {
    /// The next piece; `None` when nothing more comes.
    async fn next(&mut self) -> Option<String> {
        if self.over {
            return None;
        }
        loop {
            // Asked first: what was written before it was over is read after that.
            let run = self.serve.desk.run(&self.id);
            let over = run.as_ref().is_none_or(|run| run.state.is_over());
            if let Ok((bytes, next)) = after(&self.path, self.place)
                && !bytes.is_empty()
            {
                self.place = next;
                let text = String::from_utf8_lossy(&bytes);
                let lines = text.lines().filter(|line| !line.is_empty());
                let pieces: Vec<_> =
                    lines.map(|line| format!("data: {}\n\n", event(line))).collect();
                return Some(pieces.concat());
            }
            if over {
                self.over = true;
                let run = run.map(|run| run_view(&self.serve, &run, false));
                return run.map(|run| format!("event: run\ndata: {run}\n\n"));
            }
            sleep(LOOK).await;
        }
    }
}

/// A run for others to read.
pub(super) fn run_view(serve: &Serve, run: &Record, whole: bool) -> Value {
    let mut view = json!({
        "id": run.id, "app": run.order.app, "verb": run.order.verb, "by": run.order.by, "why": run.order.why,
        "version": run.order.version, "digest": run.order.digest, "state": run.state, "queued": run.queued,
        "began": run.began, "ended": run.ended, "exit": run.exit, "outcome": run.outcome,
        "error": run.error, "superseded_by": run.superseded_by,
    });
    if whole && let Some(view) = view.as_object_mut() {
        let output = Output::read(&serve.desk.output(&run.id));
        view.insert("steps".to_owned(), output.steps().into());
        view.insert("cut".to_owned(), output.cut.into());
        view.insert("events".to_owned(), output.events.into());
    }
    view
}

fn one(serve: &Serve, token: &Token, asked: &Asked) -> Result<Record, Refused> {
    let run = serve.desk.run(asked.part("run"));
    run.filter(|run| token.is_for(&run.order.app)).ok_or_else(nothing)
}

fn visible<'a>(loaded: &'a Loaded, token: &'a Token) -> impl Iterator<Item = &'a AppName> {
    loaded.file.apps.keys().filter(|app| token.is_for(app))
}

fn limit(asked: &Asked) -> Result<usize, Refused> {
    let Some(text) = asked.query("limit") else { return Ok(LIMIT) };
    let wrong = || answer::refused(StatusCode::BAD_REQUEST, "limit: it is a number");
    text.parse().map_err(|_| Box::new(wrong()))
}

async fn keys(serve: &Serve, app: &AppName) -> Result<AppKeys, Refused> {
    AppKeys::read(&*serve.store, app).await.map_err(unreachable)
}

async fn summary(serve: &Serve, keys: &AppKeys) -> Result<Value, Refused> {
    let fleet = Fleet::read(&*serve.store, Some(&keys.name)).await.map_err(unreachable)?;
    let summary = serde_json::to_value(Summary::new(keys, &fleet));
    let wrong =
        |e: serde_json::Error| answer::refused(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string());
    summary.map_err(|e| Box::new(wrong(e)))
}

fn unreachable(error: StoreError) -> Refused {
    Box::new(answer::failed(&error.into()))
}

fn not_deployed(app: &AppName) -> Refused {
    let failure = Failure::usage(format!("`{app}` has no keys in the store: deploy it first"));
    Box::new(answer::failure(StatusCode::NOT_FOUND, &failure))
}
