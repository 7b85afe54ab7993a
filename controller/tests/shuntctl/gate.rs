//! A gate before a real engine: it shows what is asked, and keeps back what a test wants to come later.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use e2e::{Scratch, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Before an engine's socket. Dropped, it refuses everybody.
#[derive(Debug)]
pub(crate) struct Gate {
    directory: Scratch,
    state: Arc<State>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    /// The first line of all that was asked for.
    asked: Mutex<Vec<String>>,
    /// A word of the next request that is kept back; the empty one is in all of them, and stays.
    word: Mutex<Option<&'static str>>,
    /// What is kept back now.
    kept: Mutex<Vec<String>>,
    /// Goes up as what is kept back is let go.
    turn: watch::Sender<u64>,
}

impl Gate {
    /// One before the engine at `host`, a `unix://` URL.
    pub(crate) fn before(host: &str) -> Self {
        let target = PathBuf::from(host.strip_prefix("unix://").unwrap());
        let directory = Scratch::new("shunt-gate-");
        let listener = UnixListener::bind(directory.path().join("docker.sock")).unwrap();
        let state = Arc::new(State {
            asked: Mutex::default(),
            word: Mutex::default(),
            kept: Mutex::default(),
            turn: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            // All of them go with it.
            let mut passing = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                passing.spawn(pass(stream, target.clone(), Arc::clone(&shared)));
            }
        });
        Self { directory, state, serving }
    }

    /// What a deploy file names it by.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    /// Keeps back the next request whose first line has `word` in it.
    pub(crate) fn keep_back(&self, word: &'static str) {
        *self.state.word.lock().unwrap() = Some(word);
    }

    /// Says nothing more to anybody, until it is let go.
    pub(crate) fn hang(&self) {
        self.keep_back("");
    }

    /// Waits until a request is kept back.
    pub(crate) async fn has_one(&self) {
        let kept = async || (!self.state.kept.lock().unwrap().is_empty()).then_some(());
        until("a request is kept back", kept).await;
    }

    /// Lets go what was kept back.
    pub(crate) fn let_go(&self) {
        *self.state.word.lock().unwrap() = None;
        self.state.kept.lock().unwrap().clear();
        self.state.turn.send_modify(|turn| *turn += 1);
    }

    /// How many requests with `word` in their first line have come.
    pub(crate) fn asked(&self, word: &str) -> usize {
        self.state.asked.lock().unwrap().iter().filter(|line| line.contains(word)).count()
    }

    /// Its engine is gone: nobody gets through.
    pub(crate) fn shut(self) -> String {
        self.host()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(stream: UnixStream, target: impl AsRef<Path>, state: Arc<State>) {
    let Ok(engine) = UnixStream::connect(target).await else { return };
    let ((from_client, mut to_client), (mut from_engine, mut to_engine)) =
        (stream.into_split(), engine.into_split());
    let answers = async { copy(&mut from_engine, &mut to_client).await.map(drop) };
    tokio::select! {
        _ = requests(from_client, &mut to_engine, &state) => {}
        _ = answers => {}
    }
}

async fn requests(
    mut client: OwnedReadHalf,
    engine: &mut (impl tokio::io::AsyncWrite + Unpin),
    state: &State,
) -> std::io::Result<()> {
    let mut block = vec![0; 64 * 1024];
    loop {
        let length = client.read(&mut block).await?;
        if length == 0 {
            return engine.shutdown().await;
        }
        // A client begins each request with a write of its own.
        if let Some(line) = first_line(&block[..length]) {
            state.asked.lock().unwrap().push(line.clone());
            let kept = {
                let mut word = state.word.lock().unwrap();
                let kept = word.is_some_and(|word| line.contains(word));
                word.take_if(|word| kept && !word.is_empty());
                kept
            };
            if kept {
                let mut turn = state.turn.subscribe();
                state.kept.lock().unwrap().push(line);
                let _ = turn.changed().await;
            }
        }
        engine.write_all(&block[..length]).await?;
    }
}

fn first_line(bytes: &[u8]) -> Option<String> {
    let methods = ["GET ", "POST ", "DELETE ", "HEAD ", "PUT "];
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().next().unwrap_or_default();
    methods.iter().any(|method| line.starts_with(method)).then(|| line.to_owned())
}
