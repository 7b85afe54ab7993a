//! How new requests are divided between two releases of an app.

use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use shunt_config::App;
use shunt_config::split::{Split, Testers};
use shunt_config::sticky::Cookie;

use super::mark::cookies;
use super::visitors::{NUMBERS, Visitors};
use crate::data::hash;

/// How new requests are divided between two releases: what the app says of it, and its visitors.
#[derive(Clone, Debug)]
pub struct Division {
    split: Split,
    testers: Option<Testers>,
    /// What the attributes of visitors' cookies are.
    cookie: Cookie,
    visitors: Arc<Visitors>,
}

impl PartialEq for Division {
    fn eq(&self, other: &Self) -> bool {
        self.split == other.split
            && self.testers == other.testers
            && self.cookie == other.cookie
            && Arc::ptr_eq(&self.visitors, &other.visitors)
    }
}

impl Division {
    /// As `app` says, among its `visitors`.
    pub fn of(app: &App, visitors: &Arc<Visitors>) -> Self {
        Self {
            split: app.split.unwrap_or_default(),
            testers: app.testers.clone(),
            cookie: app.stays_with().cookie().cloned().unwrap_or_default(),
            visitors: Arc::clone(visitors),
        }
    }

    /// Whose test the request is, if it is a tester's.
    pub(super) fn tests(&self, headers: &HeaderMap) -> Option<&Testers> {
        let testers = self.testers.as_ref()?;
        let is = |wanted: &Option<String>, shown: &[u8]| {
            wanted.as_ref().is_none_or(|wanted| wanted.as_bytes() == shown)
        };
        let header = testers.header.as_ref().is_some_and(|field| {
            let mut lines = headers.get_all(&field.name).iter();
            lines.any(|line| is(&field.value, line.as_bytes().trim_ascii()))
        });
        let cookie = || {
            let pair = testers.cookie.as_ref();
            pair.is_some_and(|pair| {
                cookies(headers, &pair.name).into_iter().any(|shown| is(&pair.value, shown))
            })
        };
        (header || cookie()).then_some(testers)
    }

    /// The field by which testers are known, if there is one.
    pub(super) fn tester_field(&self) -> Option<&HeaderName> {
        Some(&self.testers.as_ref()?.header.as_ref()?.name)
    }

    /// The number of the client at `address`, below ten thousand; `None` if each request goes by
    /// itself. One that has none yet gets the one `drawn` for it.
    pub(super) fn number(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        drawn: &Cell<Option<u16>>,
    ) -> Option<u16> {
        match self.split {
            Split::Request => None,
            Split::Address => Some(of_address(address)),
            Split::Cookie => drawn.get().or_else(|| self.visitors.find(headers)).or_else(|| {
                drawn.set(Some(self.visitors.draw()));
                drawn.get()
            }),
        }
    }

    /// `Set-Cookie` for the visitor whose `number` was drawn.
    pub(crate) fn cookie(&self, number: u16, secure: bool) -> Option<HeaderValue> {
        self.visitors.set(number, &self.cookie, secure)
    }
}

/// The number of an address, the same on every proxy. Of IPv6 it is the network's, within which
/// clients change their addresses as they like.
fn of_address(address: IpAddr) -> u16 {
    let hash = match address.to_canonical() {
        IpAddr::V4(v4) => hash(&v4.octets()),
        IpAddr::V6(v6) => hash(&network(v6)),
    };
    // Below ten thousand.
    u16::try_from(hash % u64::from(NUMBERS)).unwrap_or_default()
}

/// The first 64 bits.
fn network(address: Ipv6Addr) -> [u8; 8] {
    address.octets().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use shunt_config::Slot;

    use super::*;
    use crate::route::Key;

    fn division(settings: &str) -> Division {
        let app = App::parse(format!(r#"{{"hosts":["*"],{settings}}}"#).as_bytes()).unwrap();
        let visitors = Visitors::of(&"web".parse().unwrap(), &Key::new(&[7; 32]));
        Division::of(&app, &Arc::new(visitors))
    }

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_tester_is_known_by_header_or_cookie_and_nobody_else_is_one() {
        let both = r#""testers":{"header":"X-Canary: yes","cookie":"canary","slot":"green"}"#;
        let division = division(both);
        for (name, value, is) in [
            ("x-canary", "yes", true),
            ("x-canary", "no", false),
            ("x-canary", "yes, yes", false),
            ("cookie", "a=b; canary=anything", true),
            ("cookie", "canary2=1", false),
            ("accept", "yes", false),
        ] {
            let slot = division.tests(&headers(name, value)).and_then(|testers| testers.slot);
            assert_eq!(slot, is.then_some(Slot::Green), "{name}: {value}");
        }
    }

    #[test]
    fn one_client_has_one_number_whatever_it_changes_within_its_network() {
        let of = |text: &str| of_address(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        let counts = |percent: u16| {
            let clients =
                (0..10_000_u32).map(|n| of_address(IpAddr::from((10 << 24 | n).to_be_bytes())));
            clients.filter(|number| *number < percent * 100).count()
        };
        // Chance, and the same chance everywhere: four standard deviations.
        for (percent, most) in [(1, 40), (10, 120), (50, 200)] {
            assert!(counts(percent).abs_diff(usize::from(percent) * 100) < most);
        }
    }

    #[test]
    fn a_request_draws_once_however_often_it_asks() {
        let (division, drawn) = (division(r#""split":"cookie""#), Cell::new(None));
        let address = IpAddr::from([192, 0, 2, 1]);
        let number = |headers: &HeaderMap| division.number(headers, address, &drawn);
        let first = number(&HeaderMap::new());
        assert!(first.is_some() && first == drawn.get());
        assert_eq!(number(&HeaderMap::new()), first);
        drawn.set(None);
        let set = division.cookie(first.unwrap(), false).unwrap();
        let pair = HeaderValue::try_from(set.to_str().unwrap().split(';').next().unwrap()).unwrap();
        assert_eq!(number(&HeaderMap::from_iter([(COOKIE, pair)])), first);
        assert_eq!(drawn.get(), None, "one who has a number draws none");
    }
}
