//! The deploy's record in the store, and every write that goes with it.
//!
//! Each write is one transaction that compares the lock and the record as this process last wrote
//! it. So a deploy that lost its lock changes nothing more, and one that someone wants undone
//! notices at its next write at the latest.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use shunt_config::key::AppKey;
use shunt_config::record::{Deploy, Promote};
use shunt_config::store::{Condition, Op, Outcome, Store, StoreError, Txn};
use shunt_config::{AppName, Token};

use crate::app_keys::AppKeys;
use crate::fence::Fence;
use crate::lock::Held;
use crate::stop::Stop;

/// The tokens of what a write put, by key.
pub type Tokens = BTreeMap<String, Token>;

/// Why a write was not done.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something stops the deploy.
    #[error("stopped from outside")]
    Stop(Stop),
    /// Someone has said that the canary is to go on, and nothing else was changed.
    #[error("promoted at the same moment")]
    Promoted(Option<Promote>),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record cannot be written down.
    #[error("the deploy's record cannot be written: {0}")]
    Record(#[from] serde_json::Error),
}

/// The deploy's record, as this process last wrote it.
#[derive(Debug)]
pub struct Journal {
    store: Arc<dyn Store>,
    held: Held,
    app: AppName,
    record: Deploy,
    /// Identity of the record in the store; `None` before the first write.
    token: Option<Token>,
}

impl Journal {
    /// A new deploy's journal, not written yet; `keys` show what its record will take the place of.
    pub fn begin(store: Arc<dyn Store>, held: Held, keys: &AppKeys, record: Deploy) -> Self {
        let token = keys.deploy.as_ref().map(|kept| kept.token.clone());
        Self { store, held, app: keys.name.clone(), record, token }
    }

    /// The record.
    pub fn record(&self) -> &Deploy {
        &self.record
    }

    /// The lock.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// What is asked before anything is done on an engine.
    pub fn fence(&self) -> Fence<'_> {
        Fence::of(&self.held, &*self.store, &self.app)
    }

    /// Changes the record, together with `more`; the tokens of all that was put.
    pub async fn write(
        &mut self,
        change: impl FnOnce(&mut Deploy),
        more: Txn,
    ) -> Result<Tokens, WriteError> {
        let mut next = self.record.clone();
        change(&mut next);
        let key = self.key();
        loop {
            let value = Bytes::from(serde_json::to_vec(&next)?);
            match self.commit(more.clone().put(&key, value.clone()), Some(&value)).await {
                Err(WriteError::Promoted(word)) => {
                    next.canary.iter_mut().for_each(|canary| canary.promote.clone_from(&word));
                }
                written => {
                    let tokens = written?;
                    self.token = tokens.get(&key).cloned();
                    self.record = next;
                    return Ok(tokens);
                }
            }
        }
    }

    /// Closes the journal, together with `more`: `last` stays as the record, or nothing does.
    pub async fn close(&mut self, last: Option<Deploy>, more: Txn) -> Result<(), WriteError> {
        let key = self.key();
        match last {
            Some(last) => {
                let value = Bytes::from(serde_json::to_vec(&last)?);
                self.commit(more.put(&key, value.clone()), Some(&value)).await?;
            }
            None => drop(self.commit(more.delete(&key), None).await?),
        }
        Ok(())
    }

    /// Reads the app's keys afresh, and takes over what someone else wrote into the record.
    pub async fn refresh(&mut self) -> Result<AppKeys, StoreError> {
        let keys = self.read().await?;
        if let Some((kept, record)) = keys.deploy.as_ref().zip(keys.record())
            && record.id == self.record.id
        {
            self.token = Some(kept.token.clone());
            self.record = record.clone();
        }
        Ok(keys)
    }

    fn key(&self) -> String {
        AppKey::Deploy.of(&self.app).to_string()
    }

    async fn read(&self) -> Result<AppKeys, StoreError> {
        self.held.steady(async || AppKeys::read(&*self.store, &self.app).await).await
    }

    /// Commits `txn`, which makes the record `value` (or deletes it). An answer that did not come
    /// leaves open whether it applied: then the record tells.
    async fn commit(&mut self, txn: Txn, value: Option<&Bytes>) -> Result<Tokens, WriteError> {
        let key = self.key();
        let own = match &self.token {
            Some(token) => Condition::Is(key, token.clone()),
            None => Condition::Absent(key),
        };
        let txn = txn.when(self.held.condition()).when(own);
        let mut unsure = false;
        loop {
            match self.store.commit(txn.clone()).await {
                Ok(Outcome::Committed(tokens)) => return Ok(tokens),
                Ok(Outcome::Refused) => return self.refused(&txn, value, unsure).await,
                Err(StoreError::Unreachable { .. }) => {
                    unsure = true;
                    self.held.pause().await.map_err(lost)?;
                }
                Err(error) => return Err(lost(error)),
            }
        }
    }

    /// Why `txn` was refused; nothing is wrong if an earlier attempt had applied it after all.
    async fn refused(
        &mut self,
        txn: &Txn,
        value: Option<&Bytes>,
        unsure: bool,
    ) -> Result<Tokens, WriteError> {
        let keys = self.read().await.map_err(lost)?;
        if keys.unchanged(&AppKey::Lock) != self.held.condition() {
            return Err(WriteError::Stop(Stop::LockLost));
        }
        let found = keys.deploy.as_ref();
        if unsure && found.map(|kept| &kept.raw) == value {
            let view = self.store.read(&AppKeys::prefix(&self.app)).await?;
            let put = |op: &Op| match op {
                Op::Put(key, _) => Some((key.clone(), view.entries.get(key)?.token.clone())),
                Op::PutLeased(..) | Op::Delete(_) => None,
            };
            return Ok(txn.then.iter().filter_map(put).collect());
        }
        let stop = match (found, keys.record()) {
            (Some(kept), _) if Some(&kept.token) == self.token.as_ref() => {
                Stop::Superseded("`active` or a slot was put by someone else".to_owned())
            }
            (Some(kept), Some(record)) if without_word(record) == without_word(&self.record) => {
                (self.token, self.record) = (Some(kept.token.clone()), record.clone());
                let word = record.canary.as_ref().and_then(|canary| canary.promote.clone());
                return Err(WriteError::Promoted(word));
            }
            (Some(kept), Some(record)) if record.id == self.record.id => {
                (self.token, self.record) = (Some(kept.token.clone()), record.clone());
                match record.undo.clone() {
                    Some(who) => Stop::Undo(who),
                    None => Stop::Superseded("the deploy's record was changed".to_owned()),
                }
            }
            _ => Stop::Superseded("the deploy's record is another one's or gone".to_owned()),
        };
        Err(WriteError::Stop(stop))
    }
}

/// `record` as it was before anyone said that its canary is to go on.
fn without_word(record: &Deploy) -> Deploy {
    let mut record = record.clone();
    record.canary.iter_mut().for_each(|canary| canary.promote = None);
    record
}

fn lost(error: StoreError) -> WriteError {
    match error {
        StoreError::LeaseLost => WriteError::Stop(Stop::LockLost),
        other => WriteError::Store(other),
    }
}
