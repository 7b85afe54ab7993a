//! What both stores promise.

use std::collections::BTreeSet;

use shunt_config::store::{Change, Condition, LEASE_TTL, MAX_TXN_OPS, Outcome, StoreError, Txn};
use shunt_config::strict::MAX_VALUE;
use shunt_config::token::Token;
use tempfile::TempDir;

use crate::child::{self, COUNTS, TASKS};
use crate::fixture::{Fixture, commits, put, value};
use crate::seen::Seen;

pub(crate) async fn a_transaction_is_seen_as_one_event(fixture: Fixture) {
    let store = fixture.store();
    let mut seen = Seen::begin(&*store, "apps/").await;
    put(&store, "apps/web/deploy", "before").await;
    assert_eq!(seen.changed().await.len(), 1);

    let txn = Txn::new().put("apps/web/active", "blue").put("apps/web/blue", "h:1");
    commits(&store, txn.put("apps/api/active", "green").delete("apps/web/deploy")).await;
    assert_eq!(seen.changed().await.len(), 4);
    assert_eq!(seen.value("apps/web/active"), Some("blue"));
    assert_eq!(seen.value("apps/api/active"), Some("green"));
    assert_eq!(seen.value("apps/web/deploy"), None);
}

pub(crate) async fn a_transaction_of_the_greatest_size_is_seen_as_one_event(fixture: Fixture) {
    let store = fixture.store();
    let mut seen = Seen::begin(&*store, "").await;
    let all = (0..MAX_TXN_OPS).fold(Txn::new(), |txn, n| txn.put(format!("a/{n}/active"), "blue"));
    commits(&store, all).await;
    assert_eq!(seen.changed().await.len(), MAX_TXN_OPS);
    assert_eq!(store.read("").await.unwrap().entries, seen.entries);
}

pub(crate) async fn a_transaction_of_leased_keys_is_seen_as_one_event(fixture: Fixture) {
    let store = fixture.store();
    let mut seen = Seen::begin(&*store, "").await;
    let session = store.session(LEASE_TTL).await.unwrap();
    for round in 0..5 {
        let put =
            |txn: Txn, n| txn.put_leased(format!("proxies/lb1/1/apps/{n}"), round.to_string());
        session.commit((0..MAX_TXN_OPS).fold(Txn::new(), put)).await.unwrap();
        assert_eq!(seen.changed().await.len(), MAX_TXN_OPS);
    }
    session.close().await.unwrap();
    assert_eq!(seen.changed().await.len(), MAX_TXN_OPS);
    assert!(seen.entries.is_empty());
}

pub(crate) async fn a_condition_that_does_not_hold_writes_nothing(fixture: Fixture) {
    let store = fixture.store();
    let old = put(&store, "apps/web/active", "blue").await;
    put(&store, "apps/web/active", "blue").await;
    let before = store.read("").await.unwrap().entries;

    let key = || "apps/web/active".to_owned();
    for condition in [
        Condition::Absent(key()),
        Condition::Exists("apps/web/hold".to_owned()),
        Condition::Is(key(), old),
        Condition::Is("apps/web/hold".to_owned(), Token::from("1-1-00000000")),
        Condition::Is(key(), Token::from("no token of any store")),
        Condition::Value(key(), "green".into()),
        Condition::Value("apps/web/hold".to_owned(), "".into()),
    ] {
        let holds = Condition::Exists(key());
        let txn = Txn::new().when(holds).when(condition.clone());
        let txn = txn.put("apps/web/blue", "h:1").delete("apps/web/active");
        assert_eq!(store.commit(txn).await.unwrap(), Outcome::Refused, "{condition:?}");
    }
    assert_eq!(store.read("").await.unwrap().entries, before);
}

pub(crate) async fn every_condition_holds_when_it_should(fixture: Fixture) {
    let store = fixture.store();
    let token = put(&store, "apps/web/active", "blue").await;
    let key = || "apps/web/active".to_owned();
    let all = Txn::new()
        .when(Condition::Absent("apps/web/hold".to_owned()))
        .when(Condition::Exists(key()))
        .when(Condition::Is(key(), token))
        .when(Condition::Value(key(), "blue".into()));
    commits(&store, all.put(key(), "green")).await;
    assert_eq!(value(&store, "apps/web/active").await.as_deref(), Some("green"));
}

pub(crate) async fn every_put_has_a_token_of_its_own_and_reading_makes_none(fixture: Fixture) {
    let store = fixture.store();
    let mut tokens = BTreeSet::new();
    for _ in 0..50 {
        let token = put(&store, "apps/web/blue", "10.0.0.11:9001").await;
        for _ in 0..2 {
            let view = store.read("apps/").await.unwrap();
            assert_eq!(view.entries["apps/web/blue"].token, token);
        }
        assert!(tokens.insert(token), "the same text again is another putting");
        // Deleted in between, so that what the store tells files apart by may be used again.
        commits(&store, Txn::new().delete("apps/web/blue")).await;
    }
}

pub(crate) async fn the_watch_the_commit_and_the_read_name_the_same_tokens(fixture: Fixture) {
    let store = fixture.store();
    let mut seen = Seen::begin(&*store, "apps/").await;
    let txn = Txn::new().put("apps/web/active", "blue").put("apps/web/blue", "h:1");
    let outcome = store.commit(txn).await.unwrap();
    seen.changed().await;
    assert_eq!(store.read("apps/").await.unwrap().entries, seen.entries);
    for (key, entry) in &seen.entries {
        assert_eq!(outcome.token(key).as_ref(), Some(&entry.token));
    }
    let later = Seen::begin(&*fixture.store(), "apps/").await;
    assert_eq!(later.entries, seen.entries);
}

pub(crate) async fn a_watch_tells_of_its_prefix_and_of_nothing_else(fixture: Fixture) {
    let store = fixture.store();
    put(&store, "apps/old/active", "blue").await;
    put(&store, "fleet/lb1", "{}").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    assert_eq!(seen.entries.keys().collect::<Vec<_>>(), ["apps/old/active"]);

    put(&store, "fleet/lb2", "{}").await;
    let across = Txn::new().put("proxies/lb1/1/instance", "{}").put("apps/web/active", "blue");
    commits(&store, across).await;
    let changes = seen.changed().await;
    let [Change::Put(entry)] = &changes[..] else { panic!("one put, not {changes:?}") };
    assert_eq!(entry.key, "apps/web/active");
}

pub(crate) async fn a_value_put_by_hand_arrives(fixture: Fixture) {
    let store = fixture.store();
    let mut seen = Seen::begin(&*store, "apps/").await;
    for slot in ["blue", "green", "blue"] {
        fixture.puts("apps/web/active", slot).await;
        seen.until(|seen| seen.value("apps/web/active") == Some(slot)).await;
        assert_eq!(store.read("apps/").await.unwrap().entries, seen.entries);
    }
    let by_hand = seen.entries["apps/web/active"].token.clone();
    let undo = Txn::new().when(Condition::Is("apps/web/active".to_owned(), by_hand));
    commits(&store, undo.put("apps/web/active", "green")).await;
}

pub(crate) async fn a_key_deleted_by_hand_is_gone(fixture: Fixture) {
    let store = fixture.store();
    put(&store, "apps/web/active", "blue").await;
    put(&store, "apps/web/blue", "h:1").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    fixture.deletes("apps/web/active").await;
    assert_eq!(seen.changed().await, [Change::Deleted("apps/web/active".to_owned())]);
    assert_eq!(value(&store, "apps/web/active").await, None);
    assert_eq!(value(&store, "apps/web/blue").await.as_deref(), Some("h:1"));
}

pub(crate) async fn a_quiet_watch_says_that_it_is_in_touch(fixture: Fixture) {
    let store = fixture.store();
    put(&store, "apps/web/active", "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    seen.confirmed().await;
    // Changes elsewhere do not keep it from saying so, nor does a change of its own.
    put(&store, "fleet/lb1", "{}").await;
    seen.confirmed().await;
    put(&store, "apps/web/active", "green").await;
    seen.changed().await;
    seen.confirmed().await;
}

pub(crate) async fn values_of_all_kinds_come_back_as_they_were(fixture: Fixture) {
    let store = fixture.store();
    let all: [(&str, Vec<u8>); 4] = [
        ("a/binary", (0..=255).collect()),
        ("a/empty", Vec::new()),
        ("a/largest", vec![b'x'; MAX_VALUE]),
        ("a/text", "grün\n".into()),
    ];
    let txn = all.iter().fold(Txn::new(), |txn, (key, value)| txn.put(key, value.clone()));
    commits(&store, txn).await;
    let view = store.read("a/").await.unwrap();
    let read: Vec<_> = view.entries.iter().map(|(k, e)| (k.as_str(), e.value.to_vec())).collect();
    assert_eq!(read, all);
}

pub(crate) async fn a_transaction_that_cannot_be_is_refused_with_a_reason(fixture: Fixture) {
    let store = fixture.store();
    for (txn, word) in [
        (Txn::new().put("a", "1").put("a", "2"), "written twice"),
        (Txn::new().put_leased("a", "1"), "outside a session"),
        (Txn::new().put("a", "1").put("../b", "2"), "cannot be a key"),
        (Txn::new().put("a", vec![b'x'; MAX_VALUE + 1]), "larger than"),
    ] {
        match store.commit(txn).await {
            Err(StoreError::Refused { reason, .. }) => assert!(reason.contains(word), "{reason}"),
            other => panic!("{word}: {other:?}"),
        }
    }
    assert!(store.read("").await.unwrap().entries.is_empty());
}

pub(crate) async fn a_later_app_is_younger_and_stays_so(fixture: Fixture) {
    let store = fixture.store();
    for app in ["zoo", "bar", "foo"] {
        put(&store, &format!("apps/{app}/app"), "{}").await;
    }
    put(&store, "apps/zoo/app", "{ }").await;
    let entries = store.read("apps/").await.unwrap().entries;
    let mut by_age: Vec<_> = entries.values().collect();
    by_age.sort_by_key(|entry| entry.created);
    let names: Vec<_> = by_age.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(names, ["apps/zoo/app", "apps/bar/app", "apps/foo/app"]);
}

pub(crate) async fn a_leased_key_stays_while_its_holder_lives(fixture: Fixture) {
    let store = fixture.store();
    let session = store.session(std::time::Duration::from_secs(5)).await.unwrap();
    let mut seen = Seen::begin(&*store, "apps/").await;
    session.commit(Txn::new().put_leased("apps/web/lock", "me")).await.unwrap();
    seen.changed().await;
    // Four confirmations are longer than the time to live.
    for _ in 0..4 {
        seen.confirmed().await;
    }
    assert_eq!(seen.value("apps/web/lock"), Some("me"));
    // It can be put again, and taken away by anybody.
    session.commit(Txn::new().put_leased("apps/web/lock", "me again")).await.unwrap();
    assert_eq!(seen.changed().await.len(), 1);
    assert_eq!(seen.value("apps/web/lock"), Some("me again"));
    commits(&store, Txn::new().delete("apps/web/lock")).await;
    assert_eq!(seen.changed().await, [Change::Deleted("apps/web/lock".to_owned())]);
}

pub(crate) async fn a_leased_key_goes_when_its_session_is_closed(fixture: Fixture) {
    let store = fixture.store();
    let session = store.session(LEASE_TTL).await.unwrap();
    let mut seen = Seen::begin(&*store, "").await;
    let txn = Txn::new().put_leased("apps/web/lock", "me").put("apps/web/deploy", "durable");
    session.commit(txn).await.unwrap();
    assert_eq!(seen.changed().await.len(), 2);
    session.close().await.unwrap();
    assert_eq!(value(&store, "apps/web/lock").await, None);
    assert_eq!(value(&store, "apps/web/deploy").await.as_deref(), Some("durable"));
    assert_eq!(seen.changed().await, [Change::Deleted("apps/web/lock".to_owned())]);
}

pub(crate) async fn a_leased_key_goes_when_its_session_is_dropped(fixture: Fixture) {
    let store = fixture.store();
    let session = store.session(LEASE_TTL).await.unwrap();
    let mut seen = Seen::begin(&*store, "").await;
    session.commit(Txn::new().put_leased("apps/web/lock", "me")).await.unwrap();
    seen.changed().await;
    drop(session);
    assert_eq!(seen.changed().await, [Change::Deleted("apps/web/lock".to_owned())]);
    assert_eq!(value(&store, "apps/web/lock").await, None);
}

pub(crate) async fn a_leased_key_goes_when_its_holder_is_killed(fixture: Fixture) {
    let (store, logs) = (fixture.store(), TempDir::new().unwrap());
    let mut seen = Seen::begin(&*store, "").await;
    let mut holder = child::start("holder", &fixture.flag(), logs.path());
    holder.said("holding").await;
    assert_eq!(seen.changed().await.len(), 2);
    assert_eq!(value(&store, "apps/web/lock").await.as_deref(), Some("the child"));
    holder.kill().await;
    assert_eq!(seen.changed().await, [Change::Deleted("apps/web/lock".to_owned())]);
    assert_eq!(value(&store, "apps/web/lock").await, None);
    assert_eq!(value(&store, "apps/web/deploy").await.as_deref(), Some("durable"));
}

pub(crate) async fn a_lock_passes_from_a_killed_holder_to_a_waiting_one(fixture: Fixture) {
    let (store, logs) = (fixture.store(), TempDir::new().unwrap());
    let mut holder = child::start("holder", &fixture.flag(), logs.path());
    holder.said("holding").await;
    let session = store.session(LEASE_TTL).await.unwrap();
    let take = || {
        let absent = Condition::Absent("apps/web/lock".to_owned());
        Txn::new().when(absent).put_leased("apps/web/lock", "the next")
    };
    assert_eq!(session.commit(take()).await.unwrap(), Outcome::Refused);
    holder.kill().await;
    e2e::until("the lock is free", async || {
        (session.commit(take()).await.unwrap() != Outcome::Refused).then_some(())
    })
    .await;
    assert_eq!(value(&store, "apps/web/lock").await.as_deref(), Some("the next"));
}

pub(crate) async fn a_leased_key_taken_over_by_another_session_is_that_ones(fixture: Fixture) {
    let store = fixture.store();
    let first = store.session(LEASE_TTL).await.unwrap();
    let txn = Txn::new().put_leased("apps/web/lock", "the first");
    let token = first.commit(txn).await.unwrap().token("apps/web/lock").unwrap();
    let second = store.session(LEASE_TTL).await.unwrap();
    let take = |value: &'static str| {
        let is = Condition::Is("apps/web/lock".to_owned(), token.clone());
        Txn::new().when(is).put_leased("apps/web/lock", value)
    };
    assert_ne!(second.commit(take("the second")).await.unwrap(), Outcome::Refused);
    // One takes it over, and the end of whom it was taken from takes nothing away.
    assert_eq!(first.commit(take("the third")).await.unwrap(), Outcome::Refused);
    first.close().await.unwrap();
    assert_eq!(value(&store, "apps/web/lock").await.as_deref(), Some("the second"));
    second.close().await.unwrap();
    assert_eq!(value(&store, "apps/web/lock").await, None);
}

pub(crate) async fn a_closed_session_writes_nothing_more(fixture: Fixture) {
    let store = fixture.store();
    let session = store.session(LEASE_TTL).await.unwrap();
    session.close().await.unwrap();
    session.lost().await;
    for txn in [Txn::new().put_leased("a", "1"), Txn::new().put("a", "1")] {
        assert!(matches!(session.commit(txn).await, Err(StoreError::LeaseLost)));
    }
    assert_eq!(value(&store, "a").await, None);
}

pub(crate) async fn writers_in_two_processes_lose_nothing(fixture: Fixture) {
    let fixture = fixture.in_memory();
    let (store, logs) = (fixture.store(), TempDir::new().unwrap());
    let mut other = child::start("counter", &fixture.flag(), logs.path());
    child::count(&store, "the parent").await;
    assert!(other.ended().await.success(), "{}", other.log());
    let entries = store.read("").await.unwrap().entries;
    let number =
        |key: &str| -> u32 { std::str::from_utf8(&entries[key].value).unwrap().parse().unwrap() };
    let own: Vec<u32> =
        entries.keys().filter(|key| key.starts_with("own/")).map(|key| number(key)).collect();
    assert_eq!(own, vec![COUNTS.div_ceil(TASKS); 2 * TASKS as usize]);
    assert_eq!(number("count"), own.iter().sum::<u32>());
}
