//! The ways to the app that curl knows.

use std::process::Stdio;

use e2e::process::tool;
use tokio::process::{Child, Command};

use crate::house::{HOST, House};

/// A version of HTTP, with or without TLS.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) url: String,
    flags: Vec<String>,
    /// The version as `--write-out` tells it.
    pub(crate) version: &'static str,
}

impl Way {
    /// HTTP/1.1 and HTTP/2, first in the clear, then with TLS.
    pub(crate) fn all(house: &House) -> [Self; 4] {
        let authority = house.file("servers.pem").display().to_string();
        let way = |scheme: &str, port: u16, flag: &str, version| Self {
            url: format!("{scheme}://{HOST}:{port}"),
            flags: [
                "-sS",
                "--fail",
                flag,
                "--resolve",
                &format!("{HOST}:{port}:127.0.0.1"),
                "--cacert",
                &authority,
            ]
            .map(str::to_owned)
            .to_vec(),
            version,
        };
        let (clear, tls) = (house.proxy.address().port(), house.tls.number());
        [
            way("http", clear, "--http1.1", "1.1"),
            way("http", clear, "--http2-prior-knowledge", "2"),
            way("https", tls, "--http1.1", "1.1"),
            way("https", tls, "--http2", "2"),
        ]
    }

    /// Runs curl to its end, which has to be a good one; what it wrote.
    pub(crate) async fn curl(&self, path: &str, more: &[&str]) -> String {
        let url = format!("{}{path}", self.url);
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        tool("curl", &[&flags[..], more, &[&url]].concat()).await
    }

    /// Starts curl with pipes to write to and to read from.
    pub(crate) fn start(&self, path: &str, more: &[&str]) -> Child {
        let mut command = Command::new("curl");
        command.args(&self.flags).args(more).arg(format!("{}{path}", self.url));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    }
}
