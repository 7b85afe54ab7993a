//! shunt-proxy on a directory store, with the settings it has when nobody sets any.

use e2e::{Proxy, Store};

use super::{Parts, Running};
use crate::target::Target;

/// Checked once, by a connection without a byte: the target has to see the cases and nothing else.
const APP: &str = r#"{"hosts":["app.test"],"health":{"kind":"tcp","interval":"1h"}}"#;

pub(super) async fn start(target: Target) -> Running {
    let store = Store::directory();
    store.put("apps/web/app", APP).await;
    store.put("apps/web/blue", target.address().to_string()).await;
    store.put("apps/web/active", "blue").await;
    let proxy = Proxy::start("conformance", &store).await;
    let address = proxy.address();
    let parts = Parts::Shunt { proxy: Box::new(proxy), _store: store };
    Running { http1: address, http2: address, target, parts }
}
