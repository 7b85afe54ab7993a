//! Hosts and paths to apps. One persistent map: a change of one app copies the few nodes on the way
//! to its own entries, whatever the number of apps.

use std::sync::Arc;

use rustc_hash::FxBuildHasher;
use shunt_config::app::{HostPattern, PathPrefix};
use shunt_config::{AppName, Slot};

use super::epoch::Epoch;
use super::front::Front;
use super::hold::Hold;
use super::mirror::Mirror;
use super::preview::Preview;

type Map<K, V> = imbl::GenericHashMap<K, V, FxBuildHasher, imbl::shared_ptr::DefaultSharedPtr>;

/// One app as requests see it.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub app: AppName,
    /// The hosts and prefixes that are its own; conflicts with other apps are already settled.
    pub routes: Vec<(HostPattern, PathPrefix)>,
    /// Whether the matched prefix is taken off before the request is forwarded.
    pub strip_prefix: bool,
    /// What stands in front of it, if anything does.
    pub front: Option<Arc<Front>>,
    /// What stops its requests, if anything does.
    pub hold: Option<Arc<Hold>>,
    /// Its releases; `None` while nothing has been proved yet (503).
    pub epoch: Option<Arc<Epoch>>,
    /// What is reached beside its own requests, if anything is.
    pub preview: Option<Arc<Preview>>,
    /// Where its requests are copied to, if they are.
    pub mirror: Option<Arc<Mirror>>,
}

impl Site {
    /// All epochs that requests may claim on. That of copies is none of them: nobody waits for those.
    pub fn epochs(&self) -> impl Iterator<Item = &Arc<Epoch>> {
        let previews = self.preview.iter().flat_map(|preview| preview.epochs());
        self.epoch.iter().chain(previews)
    }

    /// The ways to it, and the slot that one is a preview of.
    fn ways(&self) -> impl Iterator<Item = (&HostPattern, &PathPrefix, Option<Slot>)> {
        let own = self.routes.iter().map(|(host, prefix)| (host, prefix, None));
        let previews = self.preview.iter().flat_map(|preview| preview.hosts());
        // Under each prefix that is the app's under any of its own hosts.
        let paths = || {
            let first = self.routes.first().map(|(host, _)| host);
            self.routes.iter().filter(move |(host, _)| Some(host) == first).map(|(_, path)| path)
        };
        let each = previews
            .flat_map(move |(host, slot)| paths().map(move |prefix| (host, prefix, Some(slot))));
        own.chain(each)
    }
}

/// One way to an app, under a host.
#[derive(Clone, Debug)]
struct Route {
    prefix: PathPrefix,
    site: Arc<Site>,
    preview: Option<Slot>,
}

/// The routes under one host, longest prefix first.
type Routes = Arc<[Route]>;

/// All routes of this proxy at one moment.
#[derive(Clone, Debug, Default)]
pub struct Table {
    sites: Map<AppName, Arc<Site>>,
    exact: Map<Box<str>, Routes>,
    /// By the suffix after `*.`.
    wildcard: Map<Box<str>, Routes>,
    any: Option<Routes>,
    /// Whether there may be apps that this proxy has not heard of.
    pub(super) unread: bool,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The app.
    pub site: &'a Arc<Site>,
    /// The prefix that matched.
    pub prefix: &'a PathPrefix,
    /// The slot that the host is a preview of, if it is one.
    pub preview: Option<Slot>,
}

impl Table {
    /// The app for `host` (lower case, without port) and `path`: the most specific host that has a
    /// matching prefix, and of its prefixes the longest.
    pub fn find(&self, host: &str, path: &str) -> Option<Match<'_>> {
        let wildcard = || {
            let (_, suffix) = host.split_once('.')?;
            under(self.wildcard.get(suffix), path)
        };
        under(self.exact.get(host), path)
            .or_else(wildcard)
            .or_else(|| under(self.any.as_ref(), path))
    }

    /// Whether there may be apps that this proxy has not heard of: then a host that none of these has
    /// need not be nobody's.
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// The app by name.
    pub fn site(&self, app: &AppName) -> Option<&Arc<Site>> {
        self.sites.get(app)
    }

    /// All apps.
    pub fn sites(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.sites.values()
    }

    /// Puts `site` in the place of the app's present one.
    pub(super) fn insert(&mut self, site: Arc<Site>) -> Option<Arc<Site>> {
        let replaced = self.remove(&site.app);
        for (host, prefix, preview) in site.ways() {
            let route = Route { prefix: prefix.clone(), site: Arc::clone(&site), preview };
            self.edit(host, |routes| {
                let length = |p: &PathPrefix| p.as_str().len();
                let at = routes.partition_point(|r| length(&r.prefix) > length(&route.prefix));
                routes.insert(at, route);
            });
        }
        self.sites.insert(site.app.clone(), site);
        replaced
    }

    /// Takes the app out.
    pub(super) fn remove(&mut self, app: &AppName) -> Option<Arc<Site>> {
        let site = self.sites.remove(app)?;
        for (host, _, _) in site.ways() {
            self.edit(host, |routes| routes.retain(|route| route.site.app != *app));
        }
        Some(site)
    }

    /// Edits the routes under one host; a host without routes is gone.
    fn edit(&mut self, host: &HostPattern, change: impl FnOnce(&mut Vec<Route>)) {
        let present = match host {
            HostPattern::Exact(host) => self.exact.get(host.as_str()),
            HostPattern::Wildcard(suffix) => self.wildcard.get(suffix.as_str()),
            HostPattern::Any => self.any.as_ref(),
        };
        let mut routes = present.map_or_else(Vec::new, |routes| routes.to_vec());
        change(&mut routes);
        let routes: Option<Routes> = (!routes.is_empty()).then(|| routes.into());
        match host {
            HostPattern::Exact(host) => set(&mut self.exact, host, routes),
            HostPattern::Wildcard(suffix) => set(&mut self.wildcard, suffix, routes),
            HostPattern::Any => self.any = routes,
        }
    }
}

fn set(map: &mut Map<Box<str>, Routes>, key: &str, routes: Option<Routes>) {
    match routes {
        Some(routes) => map.insert(key.into(), routes),
        None => map.remove(key),
    };
}

fn under<'a>(routes: Option<&'a Routes>, path: &str) -> Option<Match<'a>> {
    let route = routes?.iter().find(|route| route.prefix.matches(path))?;
    Some(Match { site: &route.site, prefix: &route.prefix, preview: route.preview })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(app: &str, routes: &[(&str, &str)]) -> Arc<Site> {
        let route = |(host, path): &(&str, &str)| (host.parse().unwrap(), path.parse().unwrap());
        Arc::new(Site {
            app: app.parse().unwrap(),
            routes: routes.iter().map(route).collect(),
            strip_prefix: false,
            front: None,
            hold: None,
            epoch: None,
            preview: None,
            mirror: None,
        })
    }

    fn found<'a>(table: &'a Table, host: &str, path: &str) -> &'a str {
        table.find(host, path).map_or("-", |m| m.site.app.as_str())
    }

    #[test]
    fn the_most_specific_host_and_the_longest_prefix_win() {
        let mut table = Table::default();
        table.insert(site("web", &[("www.a.com", "/"), ("*.a.com", "/")]));
        table.insert(site("api", &[("www.a.com", "/api"), ("www.a.com", "/api/v2/x")]));
        table.insert(site("all", &[("*", "/")]));
        assert_eq!(found(&table, "www.a.com", "/"), "web");
        assert_eq!(found(&table, "www.a.com", "/api/v2"), "api");
        assert_eq!(found(&table, "www.a.com", "/apiary"), "web");
        assert_eq!(found(&table, "x.a.com", "/api"), "web");
        assert_eq!(found(&table, "x.y.a.com", "/"), "all");
        assert_eq!(found(&table, "", "/"), "all");
    }

    #[test]
    fn a_preview_host_has_the_prefixes_of_its_app_and_goes_with_it() {
        let text =
            br#"{"hosts":["a.com"],"paths":["/api","/x"],"preview":{"host":"{slot}.{host}"}}"#;
        let app = shunt_config::App::parse(text).unwrap();
        let preview = Preview::of(&"web".parse().unwrap(), &app, Default::default()).map(Arc::new);
        let own = Arc::into_inner(site("web", &[("a.com", "/api"), ("a.com", "/x")])).unwrap();
        let mut table = Table::default();
        table.insert(Arc::new(Site { preview, ..own }));
        let slot = |host: &str, path: &str| Some(table.find(host, path)?.preview);
        assert_eq!(slot("green.a.com", "/api/1"), Some(Some(Slot::Green)));
        assert_eq!(slot("blue.a.com", "/x"), Some(Some(Slot::Blue)));
        assert_eq!((slot("a.com", "/x"), slot("green.a.com", "/")), (Some(None), None));
        table.remove(&"web".parse().unwrap());
        assert!(table.exact.is_empty());
    }

    #[test]
    fn a_host_without_a_matching_prefix_falls_through_to_a_wider_one() {
        let mut table = Table::default();
        table.insert(site("api", &[("www.a.com", "/api")]));
        assert_eq!(found(&table, "www.a.com", "/"), "-");
        table.insert(site("all", &[("*", "/")]));
        assert_eq!(found(&table, "www.a.com", "/"), "all");
    }

    #[test]
    fn an_app_put_again_leaves_nothing_of_its_old_routes() {
        let mut table = Table::default();
        table.insert(site("web", &[("a.com", "/"), ("*", "/")]));
        table.insert(site("web", &[("b.com", "/")]));
        assert_eq!(found(&table, "a.com", "/"), "-");
        assert_eq!(found(&table, "b.com", "/"), "web");
        assert!(table.remove(&"web".parse().unwrap()).is_some());
        assert_eq!(found(&table, "b.com", "/"), "-");
        assert!(table.exact.is_empty() && table.any.is_none());
    }
}
