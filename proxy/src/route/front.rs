//! What stands in front of an app: who may pass, where to, and what is changed on the way.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderMap, HeaderValue, Uri};
use shunt_config::App;
use shunt_config::headers::Changes;
use shunt_config::https::Https;
use shunt_config::limits::Limits;

use crate::data::rules::{Access, Fields, Redirect};

/// What stands in front of an app.
#[derive(Debug, Default)]
pub struct Front {
    access: Access,
    redirect: Redirect,
    hsts: Option<HeaderValue>,
    request: Fields,
    response: Fields,
    /// How large a request may be, where it differs from the proxy's own limits.
    pub limits: Limits,
}

impl Front {
    /// What `app` asks for; `None`, which costs a request nothing, if that is nothing at all.
    pub fn of(app: &App) -> Option<Arc<Self>> {
        let plain = app.allow.is_empty()
            && app.deny.is_empty()
            && app.https == Https::Off
            && app.canonical_host.is_none()
            && app.hsts.is_none()
            && app.headers.is_empty()
            && app.limits == Limits::default();
        (!plain).then(|| Arc::new(Self::new(app)))
    }

    fn new(app: &App) -> Self {
        let mut access = Access::open();
        if !app.allow.is_empty() {
            let allow = app.allow.clone();
            access = access.allow(move |ip| allow.contain(ip));
        }
        if !app.deny.is_empty() {
            let deny = app.deny.clone();
            access = access.deny(move |ip| deny.contain(ip));
        }
        Self {
            access,
            redirect: Redirect {
                https: app.https == Https::Redirect,
                canonical: app.canonical_host.as_deref().map(Into::into),
                ..Redirect::default()
            },
            hsts: app.hsts.as_ref().and_then(|hsts| HeaderValue::try_from(hsts.value()).ok()),
            request: fields(&app.headers.request),
            response: fields(&app.headers.response),
            limits: app.limits.clone(),
        }
    }

    /// Whether the client at `address` may pass.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.access.permits(address)
    }

    /// Where a request is sent instead, if it is in the wrong place. A `preview` is where it is to be
    /// whatever the app's canonical host is.
    pub fn location(
        &self,
        secure: bool,
        host: &str,
        uri: &Uri,
        preview: bool,
    ) -> Option<HeaderValue> {
        match preview {
            true => {
                Redirect { canonical: None, ..self.redirect.clone() }.location(secure, host, uri)
            }
            false => self.redirect.location(secure, host, uri),
        }
    }

    /// Changes the head of a request.
    pub fn change_request(&self, headers: &mut HeaderMap) {
        self.request.apply(headers);
    }

    /// Changes the head of an answer; `secure` if it goes over TLS.
    pub fn change_response(&self, headers: &mut HeaderMap, secure: bool) {
        self.response.apply(headers);
        if let Some(hsts) = self.hsts.as_ref().filter(|_| secure) {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }
}

/// The changes; what must not be changed was refused where they were read.
fn fields(changes: &Changes) -> Fields {
    let own = |fields: &shunt_config::headers::Fields| {
        fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
    };
    let remove = changes.remove.iter().map(|name| name.0.clone());
    Fields::new(remove, own(&changes.set), own(&changes.add)).unwrap_or_default()
}
