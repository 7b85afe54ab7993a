//! `hosts`: the machines an app's containers run on.

use std::fmt;
use std::net::IpAddr;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, de};

use crate::engine::{Engine, EngineTable, EngineUrl};
use crate::slot::Slot;
use crate::strict::Mistake;

/// The machines each slot's containers or units run on; none for the engine `DOCKER_HOST` names, or the
/// local one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    blue: Vec<Host>,
    green: Vec<Host>,
}

/// A machine that containers run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its engine.
    pub engine: Engine,
    /// The address its ports are published on, and targets announced with.
    pub address: IpAddr,
}

impl Hosts {
    /// Those of `slot`.
    pub fn of(&self, slot: Slot) -> &[Host] {
        match slot {
            Slot::Blue => &self.blue,
            Slot::Green => &self.green,
        }
    }

    /// How many a slot has, the one that has more.
    pub(super) fn most(&self) -> usize {
        self.blue.len().max(self.green.len())
    }
}

impl Host {
    /// `engine`, its ports published on `address`: by default its host, where that is an address,
    /// and `bind` on this machine.
    pub fn new(engine: Engine, address: Option<IpAddr>, bind: IpAddr) -> Result<Self, Mistake> {
        let host = engine.url.host();
        let address = address.or_else(|| host.map_or(Some(bind), |host| host.parse().ok()));
        match address {
            Some(address) if address.is_unspecified() || address.is_multicast() => {
                let said = format!("`{address}` is no address that a proxy could connect to");
                Err(Mistake::new(said))
            }
            Some(address) => Ok(Self { engine, address }),
            None => Err(Mistake::new(format!(
                "`{engine}` says by a name where it is, and ports are published on an address: \
                 write `{{ engine = \"{engine}\", address = \"10.0.0.11\" }}`"
            ))),
        }
    }
}

/// Whose the hosts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Docker,
    Systemd,
}

impl Kind {
    /// The engine of this kind that `engine` is written for.
    fn of(self, engine: Engine) -> Result<Engine, Mistake> {
        let wrong = match (self, &engine.url) {
            (Self::Docker, EngineUrl::Systemd) => {
                "`local` is for `engine = \"systemd\"`; Docker is at `unix:///var/run/docker.sock`"
                    .to_owned()
            }
            (Self::Docker, EngineUrl::SystemdSsh { .. }) => {
                "units are for `engine = \"systemd\"`, with `ssh://…`".to_owned()
            }
            (Self::Docker, _) | (Self::Systemd, EngineUrl::Systemd) => return Ok(engine),
            (
                Self::Systemd,
                EngineUrl::Ssh { user, host, port } | EngineUrl::SystemdSsh { user, host, port },
            ) => {
                let (user, host, port) = (user.clone(), host.clone(), *port);
                return Ok(EngineUrl::SystemdSsh { user, host, port }.into());
            }
            (Self::Systemd, EngineUrl::Unix(_) | EngineUrl::Tcp { .. }) => {
                format!("`{engine}` has no systemd: write `local` or `ssh://user@host`")
            }
        };
        Err(Mistake::new(wrong))
    }
}

/// The hosts as they are written, their addresses left open.
#[derive(Debug, Default)]
pub(super) struct Written {
    blue: Vec<WrittenHost>,
    green: Vec<WrittenHost>,
}

#[derive(Clone, Debug)]
struct WrittenHost {
    engine: Engine,
    address: Option<IpAddr>,
}

impl Written {
    /// The hosts, where those of this machine publish on `bind`; all mistakes.
    pub(super) fn hosts(mut self, bind: IpAddr, kind: Kind) -> Result<Hosts, Vec<Mistake>> {
        if kind == Kind::Systemd && self.blue.is_empty() {
            let local = WrittenHost { engine: EngineUrl::Systemd.into(), address: None };
            (self.blue, self.green) = (vec![local.clone()], vec![local]);
        }
        let mut mistakes = Vec::new();
        let mut read = |written: Vec<WrittenHost>| {
            let mut hosts: Vec<Host> = Vec::new();
            for WrittenHost { engine, address } in written {
                match kind.of(engine).and_then(|engine| Host::new(engine, address, bind)) {
                    // Two targets must never have the same address and port.
                    Ok(new) if hosts.iter().any(|host| host.address == new.address) => {
                        let (engine, address) = (&new.engine, new.address);
                        let said =
                            format!("`{engine}` is at {address}, where another host is already");
                        mistakes.push(Mistake::new(said));
                    }
                    Ok(new) => hosts.push(new),
                    // The same list may stand for both slots.
                    Err(mistake) if mistakes.contains(&mistake) => {}
                    Err(mistake) => mistakes.push(mistake),
                }
            }
            hosts
        };
        let hosts = Hosts { blue: read(self.blue), green: read(self.green) };
        mistakes.dedup();
        if mistakes.is_empty() { Ok(hosts) } else { Err(mistakes) }
    }
}

impl<'de> Deserialize<'de> for Written {
    /// From a list for both slots, or a table with one for each.
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Slots {
            blue: Vec<WrittenHost>,
            green: Vec<WrittenHost>,
        }

        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list, or a table with one for `blue` and one for `green`")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Written, A::Error> {
                let both = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Written { blue: both.clone(), green: both })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                let Slots { blue, green } = Slots::deserialize(MapAccessDeserializer::new(map))?;
                if blue.is_empty() || green.is_empty() {
                    return Err(de::Error::custom("each slot needs a host"));
                }
                Ok(Written { blue, green })
            }
        }

        de.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for WrittenHost {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = WrittenHost;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the URL of an engine, or a table with `engine`")
            }

            fn visit_str<E: de::Error>(self, url: &str) -> Result<WrittenHost, E> {
                let url = if url == "local" { "systemd://local" } else { url };
                let url: EngineUrl = url.parse().map_err(E::custom)?;
                Ok(WrittenHost { engine: url.into(), address: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<WrittenHost, A::Error> {
                let table = EngineTable::<Ip>::deserialize(MapAccessDeserializer::new(map))?;
                let engine = table.engine().map_err(de::Error::custom)?;
                Ok(WrittenHost { engine, address: table.address.map(|Ip(address)| address) })
            }
        }

        de.deserialize_any(Reader)
    }
}

/// An address, in our words where it is none.
#[derive(Debug)]
struct Ip(IpAddr);

impl<'de> Deserialize<'de> for Ip {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let text = String::deserialize(de)?;
        let ip = text.parse().map_err(|_| format!("`{text}` is no IP address: write `10.0.0.11`"));
        ip.map(Self).map_err(de::Error::custom)
    }
}
