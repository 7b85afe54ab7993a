//! What it takes to see a release through the proxies while it gets no requests.

use std::path::Path;
use std::time::Duration;

use shunt_config::app::HostPattern;
use shunt_config::https::Https;
use shunt_config::pass::{HEADER, PassKey, cookie};
use shunt_config::secret::Secret;
use shunt_config::{App, AppName, Slot, Token};

use crate::context::Context;
use crate::exit::Failure;

/// The variable that names the file of the key.
pub const KEY_VARIABLE: &str = "SHUNT_PREVIEW_KEY";

/// What it takes to see the release of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Where it is seen: under preview hosts, or with a pass under the app's own.
    pub urls: Vec<String>,
    /// The pass, as a header field and as a cookie, if there is a key to sign it with.
    pub pass: Option<Pass>,
}

/// A pass, in its two forms. Whoever has it sees the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// `X-Shunt-Preview: …`
    pub header: Secret,
    /// `shunt-web.preview=…`
    pub cookie: Secret,
}

impl View {
    /// What it takes to see the release of `app` (its settings: `settings`) announced as `token` in
    /// `slot`, for `lasts` from now on; `None` if nobody can.
    pub fn of(
        app: &AppName,
        settings: &App,
        (slot, token): (Slot, &Token),
        key: Option<&PassKey>,
        lasts: Duration,
    ) -> Option<Self> {
        let preview = settings.preview.as_ref()?;
        let pass = key.map(|key| {
            let pass = key.issue(app, token, lasts);
            let header = Secret::new(format!("{}: {pass}", field()));
            Pass { header, cookie: Secret::new(format!("{}={pass}", cookie(app))) }
        });
        let of_slot = preview.hosts(settings).into_iter().filter(|found| found.slot == slot);
        let mut hosts: Vec<String> = of_slot.map(|found| found.host.to_string()).collect();
        if hosts.is_empty() {
            // There the pass alone leads to it.
            pass.as_ref()?;
            let exact = settings.hosts.iter().filter(|host| matches!(host, HostPattern::Exact(_)));
            hosts = exact.map(ToString::to_string).collect();
        }
        let scheme = if settings.https == Https::Redirect { "https" } else { "http" };
        let path = settings.paths.first().map_or("/", |path| path.as_str());
        let urls = hosts.iter().map(|host| format!("{scheme}://{host}{path}")).collect();
        Some(Self { urls, pass })
    }
}

/// The header's name as people write it.
fn field() -> String {
    let upper = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    };
    HEADER.split('-').map(upper).collect::<Vec<_>>().join("-")
}

/// The key that passes are signed with: that in the file `given`, else in the one that
/// [`KEY_VARIABLE`] or the deploy file's `[preview] key_file` names.
pub fn key(
    context: &Context,
    given: Option<&Path>,
    of_file: Option<&Path>,
) -> Result<Option<PassKey>, Failure> {
    let variable = std::env::var_os(KEY_VARIABLE).filter(|path| !path.is_empty());
    let path = match (given, variable, of_file) {
        (Some(path), _, _) => path.to_owned(),
        (None, Some(path), _) => path.into(),
        (None, None, Some(path)) => context.directory().join(path),
        (None, None, None) => return Ok(None),
    };
    let key = PassKey::load(&path).map_err(|mistake| {
        Failure::usage(mistake.to_string())
            .hint("it is the key that `[preview] keys` of the proxies' own files name")
    });
    key.map(Some)
}

#[cfg(test)]
mod tests {
    use shunt_config::pass::MOST;

    use super::*;

    fn view(settings: &str, key: bool) -> Option<View> {
        let app = App::parse(format!("{{{settings}}}").as_bytes()).unwrap();
        let key = key.then(|| PassKey::new(&[7; 32]));
        View::of(&"web".parse().unwrap(), &app, (Slot::Green, &"t".into()), key.as_ref(), MOST)
    }

    #[test]
    fn a_release_is_seen_under_its_preview_hosts_or_with_a_pass_under_the_apps_own() {
        let hosts = r#""hosts":["a.com","*.a.com"],"preview":{"host":"{slot}.{host}"}"#;
        assert_eq!(view(hosts, false).unwrap().urls, ["http://green.a.com/"]);
        assert_eq!(view(hosts, false).unwrap().pass, None);
        let signed = r#""hosts":["a.com"],"paths":["/api"],"https":"redirect","preview":{}"#;
        assert_eq!(view(signed, false), None);
        let seen = view(signed, true).unwrap();
        assert_eq!(seen.urls, ["https://a.com/api"]);
        let pass = seen.pass.unwrap();
        assert!(pass.header.reveal().starts_with("X-Shunt-Preview: v1."));
        assert!(pass.cookie.reveal().starts_with("shunt-web.preview=v1."));
        assert_eq!(view(r#""hosts":["a.com"]"#, true), None);
    }
}
