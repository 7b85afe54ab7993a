//! Who a request comes from, as told to the target: `X-Forwarded-*` and `Forwarded` (RFC 7239), and
//! the client's address as logs, rules and hashing see it.
//!
//! A client's word on it is worth nothing: its fields are replaced. A trusted proxy in front, a load
//! balancer or a content network, is appended to.
//!
//! # Layout
//!
//! - [`chain`]: who of all that passed a request on is the client
//! - [`node`]: one address as those fields write it
//! - [`element`]: the syntax of `Forwarded`

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{Entry, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue};

use self::chain::Hop;
use self::element::{Element, Elements, Malformed};
use crate::tls::subject;

pub mod chain;
pub mod element;
pub mod node;
#[cfg(test)]
mod tests;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const SENT_TO: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The field that trusted proxies append to. The other one may be the client's own invention, so
/// only this one is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field {
    /// `X-Forwarded-For`, as nearly all do.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

/// Whose word is believed.
pub struct Trust {
    proxies: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    field: Field,
}

impl Trust {
    /// Believes those of whom `proxies` says so, on what they say in `field`.
    pub fn new(proxies: impl Fn(IpAddr) -> bool + Send + Sync + 'static, field: Field) -> Self {
        Self { proxies: Box::new(proxies), field }
    }

    /// Believes nobody.
    pub fn nobody() -> Self {
        Self::new(|_| false, Field::default())
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("field", &self.field).finish_non_exhaustive()
    }
}

/// Who sent a request in the first place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Whether it asked over TLS.
    pub secure: bool,
}

/// Where the requests of one connection come from; made once per connection, so that the usual
/// request allocates nothing here.
#[derive(Debug)]
pub struct Origin {
    peer: Client,
    /// The peer is a proxy to be believed.
    trusted: Option<Arc<Trust>>,
    address: HeaderValue,
}

impl Origin {
    /// A connection from `peer`, `secure` if it is one of TLS.
    pub fn new(peer: IpAddr, secure: bool, trust: &Arc<Trust>) -> Self {
        // An IPv4 client of an IPv6 socket is an IPv4 client.
        let address = peer.to_canonical();
        Self {
            peer: Client { address, secure },
            trusted: (trust.proxies)(address).then(|| Arc::clone(trust)),
            address: node::value(address),
        }
    }

    /// Whether the peer is a proxy that is believed.
    pub fn is_trusted(&self) -> bool {
        self.trusted.is_some()
    }

    /// Who sent the request with these `headers`, as they came: the peer, or if that is trusted the
    /// last one before it that is not. An address that cannot be read ends the search: it is the
    /// one who wrote it that is answered for.
    pub fn client(&self, headers: &HeaderMap) -> Client {
        let Some(trust) = &self.trusted else { return self.peer };
        let trusted = |hop: Hop| (trust.proxies)(hop.address);
        let hop = match trust.field {
            Field::XForwardedFor => {
                let lines = headers.get_all(FOR).iter().map(HeaderValue::as_bytes);
                let secure = headers.get(PROTO).and_then(|proto| node::secure(proto.as_bytes()));
                let hop = |text| node::address(text).map(|address| Hop { address, secure });
                let all = lines.flat_map(|line| line.split(|b| *b == b','));
                // Empty elements do not count (RFC 9110 5.6.1.2).
                let all = all.map(<[u8]>::trim_ascii).filter(|text| !text.is_empty());
                let found = chain::client(all.map(hop), trusted);
                // The scheme is the client's, also when its address is not told.
                found.or(Some(Hop { address: self.peer.address, secure }))
            }
            Field::Forwarded => {
                let hop = |element: Result<Element<'_>, _>| element.ok()?.hop();
                // One that is malformed is not passed on, and what the target does not see must not
                // be believed here.
                let sound = !is_malformed(headers);
                let found = sound.then(|| chain::client(elements(headers).map(hop), trusted));
                found.flatten()
            }
        };
        hop.map_or(self.peer, |hop| Client {
            address: hop.address,
            secure: hop.secure.unwrap_or(self.peer.secure),
        })
    }

    /// Makes `headers` say where the request came from. `Host` must be the one that is forwarded.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let host = headers.get(HOST).cloned();
        if self.is_trusted() {
            return self.append(headers, host);
        }
        remove_claims(headers);
        headers.insert(FOR, self.address.clone());
        headers.insert(PROTO, self.scheme());
        match host {
            Some(host) => headers.insert(SENT_TO, host),
            None => headers.remove(SENT_TO),
        };
    }

    fn append(&self, headers: &mut HeaderMap, host: Option<HeaderValue>) {
        self.append_forwarded(headers, host.as_ref());
        join(headers, FOR, &self.address);
        headers.entry(PROTO).or_insert_with(|| self.scheme());
        if let Some(host) = host {
            headers.entry(SENT_TO).or_insert(host);
        }
    }

    fn append_forwarded(&self, headers: &mut HeaderMap, host: Option<&HeaderValue>) {
        if !headers.contains_key(FORWARDED) {
            return;
        }
        if is_malformed(headers) {
            // An open quote would swallow what is appended.
            headers.remove(FORWARDED);
        }
        let own = element::write(self.peer.address, self.peer.secure, host);
        join(headers, FORWARDED, &own);
    }

    fn scheme(&self) -> HeaderValue {
        HeaderValue::from_static(if self.peer.secure { "https" } else { "http" })
    }
}

/// What all lines of `Forwarded` say.
fn elements(headers: &HeaderMap) -> impl Iterator<Item = Result<Element<'_>, Malformed>> {
    headers.get_all(FORWARDED).iter().map(HeaderValue::as_bytes).flat_map(Elements::new)
}

/// Whether any line of `Forwarded` is not what RFC 7239 says: then nobody can tell what the others
/// belong to.
fn is_malformed(headers: &HeaderMap) -> bool {
    elements(headers).any(|element| element.is_err())
}

/// Removes what only a trusted proxy may say and what [`Origin::tell`] does not replace.
fn remove_claims(headers: &mut HeaderMap) {
    let replaced = [FOR, PROTO, SENT_TO];
    // CGI, and what descends from it, takes `_` for `-`.
    let alias = |name: &HeaderName| {
        let name = name.as_str();
        name.contains('_') && {
            let read = name.replace('_', "-");
            read.starts_with("x-forwarded-")
                || [FORWARDED, REAL_IP]
                    .iter()
                    .chain(&subject::NAMES)
                    .any(|known| known.as_str() == read)
        }
    };
    let is_claim = |name: &HeaderName| {
        // The first letters of all there are: few other fields are looked at any further.
        matches!(name.as_str().as_bytes(), [b'c' | b'f' | b'x', ..])
            && (alias(name)
                || name.as_str().starts_with("x-forwarded-") && !replaced.contains(name)
                || *name == REAL_IP
                || *name == FORWARDED
                || subject::NAMES.contains(name))
    };
    let claims: Vec<_> = headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

/// Appends `own` to the list `name`. Several lines mean the same as one with commas (RFC 9110 5.3),
/// and one is what apps read.
fn join(headers: &mut HeaderMap, name: HeaderName, own: &HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(none) => {
            none.insert(own.clone());
        }
        Entry::Occupied(mut before) => {
            let mut list = Vec::new();
            let filled = before.iter().filter(|line| !line.is_empty());
            for value in filled.chain([own]) {
                if !list.is_empty() {
                    list.extend_from_slice(b", ");
                }
                list.extend_from_slice(value.as_bytes());
            }
            // Valid values joined by a comma are a valid value.
            before.insert(HeaderValue::try_from(list).unwrap_or_else(|_| own.clone()));
        }
    }
}
