//! etcd's hard cases: it stops, freezes, loses its leader, its history or its clients' logins.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use e2e::Etcd;
use e2e::etcd::Setup;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use shunt_config::store::{
    Condition, Outcome, Session, Store, StoreConfig, StoreError, Txn, WatchEvent,
};
use tempfile::TempDir;

use crate::fixture::{commits, open, put, value};
use crate::relay::Relay;
use crate::seen::Seen;

const ACTIVE: &str = "apps/web/active";

fn store_of(etcd: &Etcd) -> Arc<dyn Store> {
    open(&StoreConfig::etcd(etcd.endpoints()))
}

#[tokio::test]
async fn a_store_is_opened_while_etcd_is_down_and_works_once_it_is_up() {
    let mut etcd = Etcd::single().await;
    etcd.kill_all().await;
    let store = store_of(&etcd);
    let mut watch = store.watch("apps/");
    let Some(WatchEvent::Lost(reason)) = watch.next().await else { panic!("nothing to see yet") };
    assert!(reason.contains("refused"), "{reason}");
    let unreachable = store.commit(Txn::new().put(ACTIVE, "blue")).await;
    assert!(matches!(unreachable, Err(StoreError::Unreachable { .. })), "{unreachable:?}");

    etcd.start_all().await;
    assert!(matches!(watch.next().await, Some(WatchEvent::Full(_))));
    put(&store, ACTIVE, "blue").await;
}

#[tokio::test]
async fn a_flip_made_while_a_watch_was_cut_off_is_in_the_full_view_after_it() {
    let mut etcd = Etcd::single().await;
    let store = store_of(&etcd);
    put(&store, ACTIVE, "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    etcd.kill_all().await;
    seen.lost().await;
    etcd.start_all().await;
    etcd.put("/shunt/apps/web/active", "green").await;
    seen.until(|seen| seen.value(ACTIVE) == Some("green")).await;
    put(&store, ACTIVE, "blue").await;
    seen.until(|seen| seen.value(ACTIVE) == Some("blue")).await;
}

#[tokio::test]
async fn a_frozen_etcd_is_noticed_and_taken_up_again() {
    let etcd = Etcd::single().await;
    let store = store_of(&etcd);
    put(&store, ACTIVE, "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    etcd.pause();
    seen.lost().await;
    let unreachable = store.read("").await;
    assert!(matches!(unreachable, Err(StoreError::Unreachable { .. })), "{unreachable:?}");
    etcd.resume();
    assert_eq!(seen.full().await.entries.len(), 1);
    etcd.put("/shunt/apps/web/active", "green").await;
    seen.until(|seen| seen.value(ACTIVE) == Some("green")).await;
}

#[tokio::test]
async fn a_watch_that_has_died_silently_is_noticed() {
    let etcd = Etcd::single().await;
    let relay = Relay::to(&etcd.endpoints()[0]).await;
    let store = open(&StoreConfig::etcd([relay.url()]));
    let mut seen = Seen::begin(&*store, "apps/").await;
    put(&store, ACTIVE, "blue").await;
    seen.changed().await;

    relay.silence_the_stream_that_says("first unheard");
    etcd.put("/shunt/apps/web/deploy", "first unheard").await;
    e2e::until("the watch is silenced", async || relay.has_silenced().then_some(())).await;
    let reason = seen.lost().await;
    assert!(reason.contains("silent"), "{reason}");
    seen.full().await;
    assert_eq!(seen.value("apps/web/deploy"), Some("first unheard"));
}

#[tokio::test]
async fn a_removal_that_a_dead_watch_did_not_tell_is_noticed() {
    let etcd = Etcd::single().await;
    let relay = Relay::to(&etcd.endpoints()[0]).await;
    let store = open(&StoreConfig::etcd([relay.url()]));
    put(&store, ACTIVE, "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    relay.silence_the_stream_that_says("apps/web/active");
    etcd.delete("/shunt/apps/web/active").await;
    e2e::until("the watch is silenced", async || relay.has_silenced().then_some(())).await;
    seen.lost().await;
    assert!(seen.full().await.entries.is_empty());
}

#[tokio::test]
async fn compaction_is_survived() {
    let mut etcd = Etcd::single().await;
    let store = store_of(&etcd);
    let mut seen = Seen::begin(&*store, "apps/").await;
    put(&store, ACTIVE, "blue").await;
    seen.changed().await;
    compact(&etcd, &store).await;
    put(&store, ACTIVE, "green").await;
    seen.changed().await;
    assert_eq!(seen.value(ACTIVE), Some("green"));

    etcd.kill_all().await;
    seen.lost().await;
    etcd.start_all().await;
    etcd.put("/shunt/apps/web/active", "blue").await;
    compact(&etcd, &store).await;
    seen.until(|seen| seen.value(ACTIVE) == Some("blue")).await;
}

async fn compact(etcd: &Etcd, store: &Arc<dyn Store>) {
    let revision = store.read("").await.unwrap().revision.to_string();
    etcd.ctl(&["compact", "--physical", &revision]).await;
}

#[tokio::test]
async fn a_restore_from_an_older_snapshot_is_seen_and_its_revisions_are_not_mistaken() {
    let mut etcd = Etcd::single().await;
    let store = store_of(&etcd);
    put(&store, ACTIVE, "blue").await;
    let backup = etcd.backup().await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    let lost_flip = put(&store, ACTIVE, "green").await;
    put(&store, "apps/web/hold", "{}").await;
    seen.until(|seen| seen.value("apps/web/hold").is_some()).await;
    let before = store.read("").await.unwrap();

    etcd.restore(&backup).await;
    seen.lost().await;
    let after = seen.full().await;
    assert_eq!(after.store, before.store, "the cluster kept its identity");
    assert!(after.revision < before.revision);
    assert_eq!(seen.value(ACTIVE), Some("blue"));
    assert_eq!(seen.value("apps/web/hold"), None);

    // The same revision is handed out a second time, to another value.
    let other = put(&store, ACTIVE, "blue:50,green:50").await;
    assert_eq!(revision(other.as_str()), revision(lost_flip.as_str()));
    let undo = |token| Txn::new().when(Condition::Is(ACTIVE.to_owned(), token)).put(ACTIVE, "blue");
    assert_eq!(store.commit(undo(lost_flip)).await.unwrap(), Outcome::Refused);
    commits(&store, undo(other)).await;
}

fn revision(token: &str) -> &str {
    token.split('-').nth(1).unwrap()
}

#[tokio::test]
async fn another_cluster_in_its_place_is_seen_and_its_revisions_are_not_mistaken() {
    let mut etcd = Etcd::single().await;
    let store = store_of(&etcd);
    let mut seen = Seen::begin(&*store, "apps/").await;
    let token = put(&store, ACTIVE, "blue").await;
    let before = store.read("").await.unwrap();
    let backup = etcd.backup().await;
    etcd.restore_as(&backup, "another").await;
    seen.lost().await;
    let after = seen.full().await;
    assert_ne!(after.store, before.store);
    assert_ne!(seen.entries[ACTIVE].token, token);
    let undo = Txn::new().when(Condition::Is(ACTIVE.to_owned(), token)).put(ACTIVE, "green");
    assert_eq!(store.commit(undo).await.unwrap(), Outcome::Refused);
}

#[tokio::test]
async fn a_killed_leader_loses_no_write_no_lease_and_no_event() {
    let mut etcd = Etcd::cluster(3).await;
    let store = store_of(&etcd);
    let session = store.session(Duration::from_secs(10)).await.unwrap();
    session.commit(Txn::new().put_leased("apps/web/lock", "me")).await.unwrap();
    let mut seen = Seen::begin(&*store, "apps/").await;
    for number in 1..=30 {
        if number == 10 {
            etcd.kill(etcd.leader().await).await;
        }
        put_surely(&store, "apps/web/deploy", &number.to_string()).await;
    }
    seen.until(|seen| seen.value("apps/web/deploy") == Some("30")).await;
    assert_eq!(seen.value("apps/web/lock"), Some("me"));
    let view = store.read("apps/").await.unwrap();
    assert_eq!(view.entries, seen.entries);
    session.commit(Txn::new().put_leased("apps/web/lock", "me still")).await.unwrap();
}

/// Puts a value; where the outcome is not known, looks, as every caller has to.
async fn put_surely(store: &Arc<dyn Store>, key: &str, wanted: &str) {
    e2e::until("the value is put", async || {
        match store.commit(Txn::new().put(key, wanted.to_owned())).await {
            Ok(Outcome::Committed(_)) => Some(()),
            Ok(Outcome::Refused) => panic!("there was no condition"),
            Err(StoreError::Unreachable { .. }) => {
                let there = store.read(key).await.ok()?;
                there.entries.get(key).is_some_and(|e| e.value == wanted.as_bytes()).then_some(())
            }
            Err(e) => panic!("{e}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_frozen_member_is_left_for_the_others() {
    let etcd = Etcd::cluster(3).await;
    let store = store_of(&etcd);
    put(&store, ACTIVE, "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    etcd.pause_one(etcd.leader().await);
    put_surely(&store, ACTIVE, "green").await;
    seen.until(|seen| seen.value(ACTIVE) == Some("green")).await;
    assert_eq!(value(&store, ACTIVE).await.as_deref(), Some("green"));
}

#[tokio::test]
async fn a_lease_outlives_an_outage_that_is_shorter_than_its_time() {
    let mut etcd = Etcd::single().await;
    let store = store_of(&etcd);
    let session = store.session(Duration::from_secs(30)).await.unwrap();
    session.commit(Txn::new().put_leased("apps/web/lock", "me")).await.unwrap();
    etcd.kill_all().await;
    etcd.start_all().await;
    session.commit(Txn::new().put_leased("apps/web/status", "me too")).await.unwrap();
    assert_eq!(value(&store, "apps/web/lock").await.as_deref(), Some("me"));
    session.close().await.unwrap();
    assert!(store.read("apps/").await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_session_that_could_not_be_kept_alive_is_lost_and_writes_nothing_more() {
    let mut etcd = Etcd::single().await;
    let store = store_of(&etcd);
    let session = store.session(Duration::from_secs(2)).await.unwrap();
    session.commit(Txn::new().put_leased("apps/web/lock", "me")).await.unwrap();
    assert!(!session.rest().is_zero());
    etcd.kill_all().await;
    e2e::until("it is not sure any more", async || session.rest().is_zero().then_some(())).await;
    lost(&*session).await;
    etcd.start_all().await;
    let late = session.commit(Txn::new().put("apps/web/deploy", "late")).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    assert_eq!(value(&store, "apps/web/deploy").await, None);
    e2e::until("the lease runs out", async || {
        value(&store, "apps/web/lock").await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_whose_lease_an_operator_revoked_is_lost() {
    let etcd = Etcd::single().await;
    let store = store_of(&etcd);
    let session = store.session(Duration::from_secs(6)).await.unwrap();
    session.commit(Txn::new().put_leased("apps/web/lock", "me")).await.unwrap();
    let leases = etcd.ctl(&["lease", "list"]).await;
    let lease = leases.lines().last().unwrap();
    etcd.ctl(&["lease", "revoke", lease]).await;
    // Known from the keep-alive, without a write.
    lost(&*session).await;
    let late = session.commit(Txn::new().put_leased("apps/web/lock", "late")).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
}

async fn lost(session: &dyn Session) {
    tokio::time::timeout(e2e::wait::PATIENCE, session.lost()).await.expect("the lease is lost");
}

#[tokio::test]
async fn a_write_with_a_lease_that_is_gone_says_so_at_once() {
    let etcd = Etcd::single().await;
    let store = store_of(&etcd);
    let session = store.session(Duration::from_hours(1)).await.unwrap();
    let leases = etcd.ctl(&["lease", "list"]).await;
    etcd.ctl(&["lease", "revoke", leases.lines().last().unwrap()]).await;
    let late = session.commit(Txn::new().put_leased("a", "1").put("b", "2")).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    assert!(store.read("").await.unwrap().entries.is_empty());
    lost(&*session).await;
}

#[tokio::test]
async fn logins_that_run_out_are_renewed() {
    let setup =
        Setup { server: flags("--auth-token=simple --auth-token-ttl=1"), ..Setup::default() };
    let mut etcd = Etcd::with(1, setup).await;
    let files = TempDir::new().unwrap();
    let store = open(&with_password(&mut etcd, files.path()).await);
    let session = store.session(Duration::from_secs(8)).await.unwrap();
    session.commit(Txn::new().put_leased("apps/web/lock", "me")).await.unwrap();
    let mut seen = Seen::begin(&*store, "apps/").await;
    for slot in ["blue", "green", "blue"] {
        put(&store, ACTIVE, slot).await;
        seen.until(|seen| seen.value(ACTIVE) == Some(slot)).await;
        // Two confirmations are twice the life of a login.
        seen.confirmed().await;
        seen.confirmed().await;
    }
    assert_eq!(value(&store, "apps/web/lock").await.as_deref(), Some("me"));
}

#[tokio::test]
async fn a_change_to_the_users_fails_no_call() {
    let files = TempDir::new().unwrap();
    let secret = files.path().join("secret");
    std::fs::write(&secret, "a key for signing logins").unwrap();
    // Signed logins carry the users' revision and are void after it.
    let token = format!("--auth-token=jwt,sign-method=HS256,priv-key={}", secret.display());
    let mut etcd = Etcd::with(1, Setup { server: vec![token], ..Setup::default() }).await;
    let store = open(&with_password(&mut etcd, files.path()).await);
    for number in 0..3 {
        put(&store, ACTIVE, "blue").await;
        etcd.ctl(&["user", "add", &format!("somebody{number}:else")]).await;
    }
    assert_eq!(value(&store, ACTIVE).await.as_deref(), Some("blue"));
}

#[tokio::test]
async fn a_login_that_fails_says_why() {
    let mut etcd = Etcd::single().await;
    let files = TempDir::new().unwrap();
    let mut config = with_password(&mut etcd, files.path()).await;
    std::fs::write(config.password_file.as_ref().unwrap(), "wrong").unwrap();
    let refused = open(&config).read("").await.unwrap_err();
    assert!(refused.to_string().contains("authentication failed"), "{refused}");
    config.password_file = Some(files.path().join("none"));
    let unreachable = open(&config).read("").await.unwrap_err();
    assert!(unreachable.to_string().contains("cannot read"), "{unreachable}");
    let nobody = StoreConfig::etcd(etcd.endpoints());
    let refused = open(&nobody).read("").await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
}

/// A user who may do everything below the prefix and nothing else.
async fn with_password(etcd: &mut Etcd, files: &Path) -> StoreConfig {
    for command in [
        "user add root:top",
        "user grant-role root root",
        "role add shunt",
        "role grant-permission shunt readwrite /shunt/ --prefix",
        "user add shunt:secret",
        "user grant-role shunt shunt",
        "auth enable",
    ] {
        etcd.ctl(&command.split(' ').collect::<Vec<_>>()).await;
    }
    etcd.log_in("root:top");
    let password = files.join("password");
    std::fs::write(&password, "secret\n").unwrap();
    StoreConfig {
        user: Some("shunt".to_owned()),
        password_file: Some(password),
        ..StoreConfig::etcd(etcd.endpoints())
    }
}

#[tokio::test]
async fn tls_with_an_own_ca_and_a_client_certificate() {
    let files = TempDir::new().unwrap();
    let path = |name: &str| files.path().join(name);
    certificates(files.path());
    let [ca, server, server_key, client, client_key] =
        ["ca.crt", "server.crt", "server.key", "client.crt", "client.key"].map(path);
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let setup = Setup {
        tls: true,
        server: flags(&format!(
            "--cert-file={} --key-file={} --trusted-ca-file={} --client-cert-auth",
            text(&server),
            text(&server_key),
            text(&ca)
        )),
        client: flags(&format!(
            "--cacert={} --cert={} --key={}",
            text(&ca),
            text(&client),
            text(&client_key)
        )),
    };
    let etcd = Etcd::with(1, setup).await;
    let config = StoreConfig {
        ca: Some(ca),
        certificate: Some(client),
        key: Some(client_key),
        ..StoreConfig::etcd(etcd.endpoints())
    };
    let store = open(&config);
    let mut seen = Seen::begin(&*store, "apps/").await;
    put(&store, ACTIVE, "blue").await;
    seen.changed().await;

    let without = StoreConfig { certificate: None, key: None, ..config.clone() };
    let other_ca = StoreConfig { ca: Some(path("other.crt")), ..config };
    for config in [without, other_ca] {
        let refused = open(&config).read("").await;
        assert!(refused.is_err(), "{refused:?}");
    }
}

/// A CA that signs a server's and a client's certificate, and one that signs nothing.
fn certificates(files: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(files.join(name), issuer.pem()).unwrap();
        issuer
    };
    let ca = authority("ca.crt");
    authority("other.crt");
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        std::fs::write(files.join(format!("{name}.crt")), certificate.pem()).unwrap();
        std::fs::write(files.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn flags(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}
