//! Certificates that change under a running server.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use e2e::until;
use rustls::pki_types::CertificateDer;
use shunt_proxy::tls::{Certificates, Reloader, Source};

use crate::authority::{Authority, Pair, replace};
use crate::peer::{client, connect, plain};

const NAME: &str = "www.example.com";
const SOON: Duration = Duration::from_millis(10);
const NEVER: Duration = Duration::from_hours(1);

struct Site {
    directory: tempfile::TempDir,
    authority: Authority,
    certificates: Arc<Certificates>,
    address: SocketAddr,
}

impl Site {
    /// A server of one certificate, as `put` writes it, that looks for changes.
    async fn new(put: impl Fn(&Pair, &Path)) -> (Self, Pair) {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new("authority");
        let pair = authority.issue(&[NAME]);
        put(&pair, directory.path());
        let certificates = Certificates::open(directory.path(), None).unwrap();
        let source: Arc<dyn Source> = Arc::<Certificates>::clone(&certificates);
        tokio::spawn(Reloader::new(vec![source], SOON).run());
        let address = plain(&certificates).await;
        (Self { directory, authority, certificates, address }, pair)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    async fn shown(&self) -> CertificateDer<'static> {
        connect(self.address, NAME, &client(self.authority.roots())).await.unwrap().leaf
    }

    async fn until_shown(&self, pair: &Pair) {
        let shown = async || (self.shown().await == pair.der).then_some(());
        until("the new certificate is shown", shown).await;
    }

    fn error(&self) -> Option<String> {
        self.certificates.state().certificates.first()?.error.clone()
    }

    async fn until_refused(&self) -> String {
        until("the files are refused", async || self.error()).await
    }
}

#[tokio::test]
async fn a_certificate_replaced_by_renames_is_shown() {
    let (site, old) = Site::new(|pair, at| pair.write(at, "web")).await;
    assert_eq!(site.shown().await, old.der);
    let new = site.authority.issue(&[NAME]);
    new.write(site.directory.path(), "web");
    site.until_shown(&new).await;
    assert_eq!(site.error(), None);
}

#[tokio::test]
async fn a_certificate_overwritten_in_place_is_shown() {
    let (site, _) = Site::new(|pair, at| pair.write(at, "web")).await;
    let new = site.authority.issue(&[NAME]);
    fs::write(site.file("web.key"), &new.key).unwrap();
    fs::write(site.file("web.crt"), &new.chain).unwrap();
    site.until_shown(&new).await;
}

#[tokio::test]
async fn a_certificate_behind_an_exchanged_link_is_shown() {
    // As Kubernetes mounts secrets: files are links into `..data`, which is a link itself.
    let put = |pair: &Pair, at: &Path| {
        fs::create_dir(at.join("..1")).unwrap();
        pair.write(&at.join("..1"), "tls");
        symlink("..1", at.join("..data")).unwrap();
        for file in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{file}"), at.join(file)).unwrap();
        }
    };
    let (site, old) = Site::new(put).await;
    assert_eq!(site.shown().await, old.der);
    let new = site.authority.issue(&[NAME]);
    fs::create_dir(site.file("..2")).unwrap();
    new.write(&site.file("..2"), "tls");
    symlink("..2", site.file("..data_new")).unwrap();
    fs::rename(site.file("..data_new"), site.file("..data")).unwrap();
    site.until_shown(&new).await;
}

#[tokio::test]
async fn a_new_certificate_comes_into_service_and_one_whose_files_are_gone_leaves_it() {
    let (site, old) = Site::new(|pair, at| pair.write(at, "web")).await;
    let other = site.authority.issue(&["other.test"]);
    other.write(site.directory.path(), "other");
    until("the second one is there", async || {
        (site.certificates.state().certificates.len() == 2).then_some(())
    })
    .await;
    assert_eq!(site.shown().await, old.der);
    fs::remove_file(site.file("web.crt")).unwrap();
    // Half of it gone is a mistake that is told; the whole is what somebody wants.
    until("the first one is refused", async || {
        site.certificates.state().certificates.iter().find(|one| one.error.is_some()).map(|_| ())
    })
    .await;
    assert_eq!(site.shown().await, old.der);
    fs::remove_file(site.file("web.key")).unwrap();
    until("the first one is gone", async || {
        (site.certificates.state().certificates.len() == 1).then_some(())
    })
    .await;
    assert!(connect(site.address, NAME, &client(site.authority.roots())).await.is_err());
}

#[tokio::test]
async fn a_bad_certificate_changes_nothing_and_is_told_until_it_is_good() {
    let (site, old) = Site::new(|pair, at| pair.write(at, "web")).await;
    let until_end = site.certificates.state().certificates[0].not_after;
    replace(&site.file("web.crt"), "this is no certificate");
    let error = site.until_refused().await;
    assert!(error.contains("web.crt"), "{error}");
    assert_eq!(site.shown().await, old.der);
    assert_eq!(site.certificates.refused(), 1);
    let state = site.certificates.state();
    assert_eq!(state.certificates[0].not_after, until_end);
    assert_eq!(state.certificates[0].names, [NAME]);

    let new = site.authority.issue(&[NAME]);
    new.write(site.directory.path(), "web");
    site.until_shown(&new).await;
    assert_eq!(site.error(), None);
}

#[tokio::test]
async fn a_certificate_waits_for_its_key() {
    let (site, old) = Site::new(|pair, at| pair.write(at, "web")).await;
    let new = site.authority.issue(&[NAME]);
    replace(&site.file("web.crt"), &new.chain);
    let error = site.until_refused().await;
    assert!(error.contains("belongs to another certificate"), "{error}");
    assert_eq!(site.shown().await, old.der);
    replace(&site.file("web.key"), &new.key);
    site.until_shown(&new).await;
}

#[tokio::test]
async fn an_emptied_or_removed_directory_takes_nothing_out_of_service() {
    let (site, old) = Site::new(|pair, at| pair.write(at, "web")).await;
    let fault = async |text: &str| {
        let what = format!("the fault says {text:?}");
        until(&what, async || {
            let fault = site.certificates.state().fault.clone()?;
            fault.contains(text).then_some(())
        })
        .await;
    };
    for file in ["web.crt", "web.key"] {
        fs::remove_file(site.file(file)).unwrap();
    }
    fault("no certificate in it any more").await;
    assert_eq!(site.shown().await, old.der);
    fs::remove_dir(site.directory.path()).unwrap();
    fault("No such file").await;
    assert_eq!(site.shown().await, old.der);
    fs::create_dir(site.directory.path()).unwrap();
    let new = site.authority.issue(&[NAME]);
    new.write(site.directory.path(), "web");
    site.until_shown(&new).await;
    assert_eq!(site.certificates.state().fault, None);
}

#[tokio::test]
async fn who_asks_need_not_wait_for_the_next_look() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.issue(&[NAME]).write(directory.path(), "web");
    let certificates = Certificates::open(directory.path(), None).unwrap();
    let source: Arc<dyn Source> = Arc::<Certificates>::clone(&certificates);
    let reloader = Reloader::new(vec![source], NEVER);
    let asked = reloader.asked();
    tokio::spawn(reloader.run());
    let address = plain(&certificates).await;
    let new = authority.issue(&[NAME]);
    new.write(directory.path(), "web");
    asked.notify_one();
    until("the new certificate is shown", async || {
        let seen = connect(address, NAME, &client(authority.roots())).await.unwrap();
        (seen.leaf == new.der).then_some(())
    })
    .await;
}
