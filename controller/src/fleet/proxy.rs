//! One proxy, and what its processes say of one app.

use std::collections::BTreeMap;
use std::time::Duration;

use shunt_config::ProxyName;
use shunt_config::status::{self, AppStatus, Instance};

use crate::ack::{Ack, Ask};
use crate::time::age;

/// How long a process and the one in its place may be there side by side: until the one has ended its
/// requests, or its lease has.
const UPGRADE: Duration = Duration::from_mins(1);

/// One proxy: known by its fleet key, live by the leased keys of its processes.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    /// The value of its fleet key; `None` if it was forgotten (or the key cannot be read).
    pub fleet: Option<status::Fleet>,
    /// Whether the fleet key is there.
    pub known: bool,
    /// Its running processes: one, or two while it is being replaced.
    pub processes: BTreeMap<String, Process>,
}

/// One running proxy process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// What it says of itself.
    pub instance: Option<status::Instance>,
    /// What it says of the app.
    pub status: Option<AppStatus>,
}

impl Proxy {
    /// Whether a process of it lives.
    pub fn is_live(&self) -> bool {
        !self.processes.is_empty()
    }

    /// What is wrong where more than one process is there for longer than an upgrade takes: they are two
    /// proxies called `name`, and the death of one goes unnoticed while the other lives.
    pub fn namesakes(&self, name: &ProxyName) -> Option<String> {
        let all = self.processes.values().filter_map(|process| process.instance.as_ref());
        let old: Vec<_> = all.filter(|instance| age(instance.started) > UPGRADE).collect();
        let about = |one: &&Instance| match &one.admin {
            Some(admin) => format!("process {} at {admin}", one.pid),
            None => format!("process {}", one.pid),
        };
        (old.len() > 1).then(|| {
            format!(
                "{} proxies are called `{name}` ({}): if one of them dies, releases are stopped that \
                 it still sends requests to. Give each a `name` of its own in proxy.toml",
                old.len(),
                old.iter().map(about).collect::<Vec<_>>().join(", ")
            )
        })
    }

    /// What its processes say of the app.
    pub fn statuses(&self) -> impl Iterator<Item = &AppStatus> {
        self.processes.values().filter_map(|process| process.status.as_ref())
    }

    /// Whether it says that it serves a release of the app.
    pub fn serves(&self) -> bool {
        self.statuses().any(|status| !status.serving.is_empty())
    }

    /// What it says to what is `asked`: the least of what its processes do.
    pub fn ack(&self, asked: &impl Ask) -> Ack {
        let said = self.processes.values().map(|process| asked.judge(process.status.as_ref()));
        let rank = |ack: &Ack| match ack {
            Ack::Applied => 0,
            Ack::Waiting(_) => 1,
            Ack::Refused(_) => 2,
            Ack::Lost => 3,
        };
        said.max_by_key(rank).unwrap_or(Ack::Lost)
    }
}
