//! A store, a proxy in front, and the app `web` in it.

use std::net::SocketAddr;

use e2e::ask::{self, Answer};
use e2e::{Proxy, Store, until};
use serde_json::Value;
use shunt_config::store::{Outcome, StoreConfig, Txn, open};
use tokio::task::JoinHandle;

use crate::backend::Backend;

pub(crate) const HOST: &str = "www.example.com";

/// App `web`, served by release `one` in blue; release `two` stands by in green.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) proxy: Proxy,
    pub(crate) one: Backend,
    pub(crate) two: Backend,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with("", "").await
    }

    /// The same, with more lines at the top of `proxy.toml` and settings of the app's.
    pub(crate) async fn with(settings: &str, app: &str) -> Self {
        let store = Store::directory();
        let (one, two) = (Backend::start("one").await, Backend::start("two").await);
        let mut proxy = Proxy::configured("lb1", settings, &store.section());
        store.put("apps/web/app", format!(r#"{{"hosts":["{HOST}"]{app}}}"#)).await;
        store.put("apps/web/blue", one.address.to_string()).await;
        store.put("apps/web/green", two.address.to_string()).await;
        store.put("apps/web/active", "blue").await;
        proxy.run();
        let site = Self { store, proxy, one, two };
        site.answers("one").await;
        site
    }

    /// Waits until `name` answers.
    pub(crate) async fn answers(&self, name: &str) {
        until(&format!("{name} answers"), async || {
            let answer = self.get("/").await?;
            (answer.body == name).then_some(())
        })
        .await;
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Answer> {
        ask::get(self.proxy.address(), HOST, path).await.ok()
    }

    /// Asks for `path` meanwhile.
    pub(crate) fn meanwhile(&self, path: &'static str) -> JoinHandle<Result<Answer, String>> {
        let address: SocketAddr = self.proxy.address();
        tokio::spawn(async move { ask::get(address, HOST, path).await })
    }

    /// What the store is told of `web`, once it says what `wanted` asks for.
    pub(crate) async fn told<T>(&self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        until(what, async || {
            let keys = self.store.keys("proxies/lb1/").await;
            let key = keys.iter().find(|key| key.ends_with("/apps/web"))?;
            let value = self.store.get(key).await?;
            wanted(&serde_json::from_str(&value).ok()?)
        })
        .await
    }

    /// Puts a key as a program does, and returns the token of this putting.
    pub(crate) async fn put(&self, key: &str, value: &str) -> String {
        let outcome = self.commit(Txn::new().put(key, value.to_owned())).await;
        outcome.token(key).unwrap().to_string()
    }

    /// Writes as a program does.
    pub(crate) async fn commit(&self, txn: Txn) -> Outcome {
        let Store::Directory(path) = &self.store else { panic!("the site is on a directory") };
        let store = open(&StoreConfig::directory(path.path())).unwrap();
        store.commit(txn).await.unwrap()
    }
}
