//! etcd v3: the store of every installation with more than one machine.
//!
//! - [`link`]: one proved connection at a time, shared by all callers, replaced when it fails
//! - [`error`]: what an error of the client library means for a call
//! - [`watch`]: a full read, the changes after it, and the proof that none went missing
//! - [`session`]: a lease that is kept alive
//!
//! Keys are stored as `<prefix>/<key>`. A token names cluster, revision and content; a comparison
//! with one is made twice: of all three by a read, and of the revision in the transaction itself.
//! The first is what notices that the cluster was restored from a snapshot, after which revisions
//! are handed out a second time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use etcd_client::{
    Client, Compare, CompareOp, GetOptions, GetResponse, KeyValue, PutOptions, ResponseHeader,
    Txn as Request, TxnOp, TxnOpResponse,
};

mod error;
mod link;
mod session;
mod watch;

use self::link::{Links, Repeat};
use super::{Condition, Entry, Op, Outcome, Session, Store, StoreConfig, StoreError, Txn, View};
use super::{Watch, watch::start};
use crate::token::Token;

/// The longest answer taken, in bytes: a full read of every key has to fit.
const MAX_ANSWER: usize = 512 * 1024 * 1024;

/// etcd; see the module.
#[derive(Debug)]
pub(super) struct Etcd {
    inner: Arc<Inner>,
}

/// What calls, watches and sessions share.
#[derive(Debug)]
struct Inner {
    links: Links,
    /// With a slash at its end.
    prefix: String,
}

impl Etcd {
    pub(super) fn new(config: &StoreConfig) -> Self {
        let prefix = format!("{}/", config.prefix);
        Self { inner: Arc::new(Inner { links: Links::new(config.clone()), prefix }) }
    }
}

#[async_trait]
impl Store for Etcd {
    fn name(&self) -> String {
        self.inner.links.name()
    }

    async fn read(&self, prefix: &str) -> Result<View, StoreError> {
        let (header, all) = self.inner.get(prefix, GetOptions::new(), Repeat::Always).await?;
        Ok(self.inner.view(&header, &all))
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, StoreError> {
        self.inner.commit(&txn, None).await
    }

    fn watch(&self, prefix: &str) -> Watch {
        start(watch::Source::new(&self.inner, prefix))
    }

    async fn session(&self, ttl: Duration) -> Result<Arc<dyn Session>, StoreError> {
        Ok(Arc::new(session::EtcdSession::begin(&self.inner, ttl).await?))
    }
}

impl Inner {
    /// The key as etcd has it.
    fn absolute(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The key without the prefix; `None` if it is no text, and so no key of ours.
    fn relative<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(key).ok()?.strip_prefix(self.prefix.as_str())
    }

    fn entry(&self, cluster: u64, kv: &KeyValue) -> Option<Entry> {
        Some(Entry {
            key: self.relative(kv.key())?.to_owned(),
            value: Bytes::copy_from_slice(kv.value()),
            token: Token::etcd(cluster, kv.mod_revision(), kv.value()),
            created: u64::try_from(kv.create_revision()).unwrap_or_default(),
            fault: None,
        })
    }

    /// All keys under `prefix`, or what `options` asks about them.
    async fn get(
        &self,
        prefix: &str,
        options: GetOptions,
        repeat: Repeat,
    ) -> Result<(ResponseHeader, GetResponse), StoreError> {
        let key = self.absolute(prefix);
        let options = options.with_prefix();
        let call = |client: Client| {
            let (key, options) = (key.clone(), options.clone());
            async move {
                let mut kv = client.kv_client().max_decoding_message_size(MAX_ANSWER);
                kv.get(key, Some(options)).await
            }
        };
        let mut response = self.links.call(repeat, call).await?;
        Ok((self.header(response.take_header())?, response))
    }

    fn view(&self, header: &ResponseHeader, response: &GetResponse) -> View {
        let cluster = header.cluster_id();
        let entries = response.kvs().iter().filter_map(|kv| self.entry(cluster, kv));
        View {
            store: format!("{cluster:x}"),
            revision: u64::try_from(header.revision()).unwrap_or_default(),
            entries: entries.map(|entry| (entry.key.clone(), entry)).collect(),
        }
    }

    async fn commit(&self, txn: &Txn, lease: Option<i64>) -> Result<Outcome, StoreError> {
        txn.check(lease.is_some()).map_err(|mistake| StoreError::Refused {
            store: self.links.name(),
            reason: mistake.to_string(),
        })?;
        let Some(request) = self.request(txn, lease) else { return Ok(Outcome::Refused) };
        if !self.tokens_stand(txn).await? {
            return Ok(Outcome::Refused);
        }
        let call = |mut client: Client| {
            let request = request.clone();
            async move { client.txn(request).await }
        };
        let mut response = self.links.call(Repeat::IfUnsent, call).await?;
        if !response.succeeded() {
            return Ok(Outcome::Refused);
        }
        let header = self.header(response.take_header())?;
        let tokens = txn.then.iter().filter_map(|op| match op {
            Op::Put(key, value) | Op::PutLeased(key, value) => {
                let token = Token::etcd(header.cluster_id(), header.revision(), value);
                Some((key.clone(), token))
            }
            Op::Delete(_) => None,
        });
        Ok(Outcome::Committed(tokens.collect()))
    }

    /// `txn` as etcd wants it; `None` if it names a token that is none of etcd's.
    fn request(&self, txn: &Txn, lease: Option<i64>) -> Option<Request> {
        let compares = txn.when.iter().map(|condition| {
            let key = self.absolute(condition.key());
            Some(match condition {
                Condition::Absent(_) => Compare::create_revision(key, CompareOp::Equal, 0),
                Condition::Exists(_) => Compare::create_revision(key, CompareOp::Greater, 0),
                Condition::Value(_, value) => Compare::value(key, CompareOp::Equal, value.to_vec()),
                Condition::Is(_, token) => {
                    Compare::mod_revision(key, CompareOp::Equal, revision_of(token)?)
                }
            })
        });
        let ops = txn.then.iter().map(|op| {
            let key = self.absolute(op.key());
            match op {
                Op::Put(_, value) => TxnOp::put(key, value.to_vec(), None),
                Op::PutLeased(_, value) => {
                    let lease = lease.map(|lease| PutOptions::new().with_lease(lease));
                    TxnOp::put(key, value.to_vec(), lease)
                }
                Op::Delete(_) => TxnOp::delete(key, None),
            }
        });
        let compares: Vec<Compare> = compares.collect::<Option<_>>()?;
        Some(Request::new().when(compares).and_then(ops.collect::<Vec<_>>()))
    }

    /// Whether the keys compared with a token are, right now, of that cluster and content too.
    async fn tokens_stand(&self, txn: &Txn) -> Result<bool, StoreError> {
        let compared = txn.when.iter().filter(|condition| matches!(condition, Condition::Is(..)));
        let compared: Vec<&Condition> = compared.collect();
        if compared.is_empty() {
            return Ok(true);
        }
        let gets =
            compared.iter().map(|condition| TxnOp::get(self.absolute(condition.key()), None));
        let request = Request::new().and_then(gets.collect::<Vec<_>>());
        let call = |mut client: Client| {
            let request = request.clone();
            async move { client.txn(request).await }
        };
        let mut response = self.links.call(Repeat::Always, call).await?;
        let cluster = self.header(response.take_header())?.cluster_id();
        let mut present = BTreeMap::new();
        for answer in response.op_responses() {
            if let TxnOpResponse::Get(got) = answer {
                let entries = got.kvs().iter().filter_map(|kv| self.entry(cluster, kv));
                present.extend(entries.map(|entry| (entry.key.clone(), entry)));
            }
        }
        Ok(compared.iter().all(|condition| {
            let entry = present.get(condition.key());
            condition.holds(entry.map(|entry| (&entry.token, &entry.value[..])))
        }))
    }

    fn header(&self, header: Option<ResponseHeader>) -> Result<ResponseHeader, StoreError> {
        header.ok_or_else(|| self.links.unreachable("an answer without a header"))
    }
}

/// The revision in a token of etcd.
fn revision_of(token: &Token) -> Option<i64> {
    token.as_str().split('-').nth(1)?.parse().ok()
}
