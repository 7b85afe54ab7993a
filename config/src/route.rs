//! The ways to an app: each of its hosts with each of its path prefixes.

use crate::app::{App, HostPattern, PathPrefix};
use crate::name::AppName;
use crate::preview::PreviewHost;
use crate::strict::Mistake;

/// One way to an app.
pub type Route = (HostPattern, PathPrefix);

/// All routes of an app's settings.
pub fn routes(app: &App) -> Vec<Route> {
    let with_host = |host: &HostPattern| {
        let host = host.clone();
        app.paths.iter().map(move |path| (host.clone(), path.clone()))
    };
    let mut all: Vec<_> = app.hosts.iter().flat_map(with_host).collect();
    all.sort();
    all.dedup();
    // Most have one, and room for four was made.
    all.shrink_to_fit();
    all
}

/// The same with the hosts of its previews, which no other app may have either.
pub fn all_routes(app: &App) -> Vec<Route> {
    let mut all = routes(app);
    let hosts = app.preview.iter().flat_map(|preview| preview.hosts(app));
    let each = |preview: PreviewHost| {
        app.paths.iter().map(move |path| (preview.host.clone(), path.clone())).collect::<Vec<_>>()
    };
    all.extend(hosts.flat_map(each));
    all
}

/// Why an app cannot have a route: it is `other`'s.
pub fn taken((host, path): &Route, other: &AppName) -> Mistake {
    let path = if path.as_str() == "/" { "" } else { path.as_str() };
    Mistake::new(format!("host `{host}{path}` is app `{other}`'s"))
}
