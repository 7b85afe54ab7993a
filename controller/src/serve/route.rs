//! Where a request goes. The table is what docs/openapi.json describes, and a test compares the two.

use std::collections::BTreeMap;

use super::verbs::{VERBS, Verb};

/// What a request is answered with.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// That the daemon runs.
    Health,
    /// Counters.
    Metrics,
    /// The description of all this.
    OpenApi,
    /// The apps, as `list` shows them.
    Apps,
    /// All apps, with their queues.
    Overview,
    /// An app, as `status` shows it.
    Status,
    /// What was deployed, as `history` shows it.
    History,
    /// The runs.
    Runs,
    /// One run.
    Run,
    /// One run, as it goes on.
    Events,
    /// A verb is done.
    Act(&'static Verb),
    /// A webhook.
    Hook,
}

/// Where a request of some method to some path goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path; `{app}` and its like stand for one part.
    pub path: String,
    /// What it is answered with.
    pub what: What,
}

/// What was found for a request.
#[derive(Debug)]
pub enum Found {
    /// Where it goes, with the parts of its path by their names.
    Route(What, BTreeMap<String, String>),
    /// The path is there, for another method.
    Method(&'static str),
    /// There is no such path.
    Nothing,
}

/// All there are.
pub fn routes() -> Vec<Route> {
    let get = |path: &str, what| Route { method: "GET", path: path.to_owned(), what };
    let mut all = vec![
        get("/healthz", What::Health),
        get("/metrics", What::Metrics),
        get("/v1/openapi.json", What::OpenApi),
        get("/v1/apps", What::Apps),
        get("/v1/status", What::Overview),
        get("/v1/apps/{app}/status", What::Status),
        get("/v1/apps/{app}/history", What::History),
        get("/v1/runs", What::Runs),
        get("/v1/runs/{run}", What::Run),
        get("/v1/runs/{run}/events", What::Events),
        Route { method: "POST", path: "/hooks/{app}/{hook}".to_owned(), what: What::Hook },
    ];
    all.extend(VERBS.iter().map(|verb| Route {
        method: "POST",
        path: format!("/v1/apps/{{app}}/{}", verb.name),
        what: What::Act(verb),
    }));
    all
}

/// Finds where a request goes.
pub fn find(routes: &[Route], method: &str, path: &str) -> Found {
    // As in the rest of HTTP, whatever answers GET answers HEAD.
    let method = if method == "HEAD" { "GET" } else { method };
    let mut other = Found::Nothing;
    for route in routes {
        let Some(parts) = parts(&route.path, path) else { continue };
        if route.method == method {
            return Found::Route(route.what, parts);
        }
        other = Found::Method(route.method);
    }
    other
}

fn parts(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut parts = BTreeMap::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parts),
            (Some(name), Some(part)) => {
                match name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) if !part.is_empty() => {
                        parts.insert(name.to_owned(), part.to_owned());
                    }
                    None if name == part => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
}
