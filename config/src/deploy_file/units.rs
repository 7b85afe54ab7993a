//! `engine = "systemd"` in `[run]`: a release is units of systemd, made from a template, with fixed ports.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, de};

use super::environment;
use super::hosts::{Hosts, Kind};
use super::port_range::PortRange;
use super::pull::Pull;
use super::run::{self, MAX_REPLICAS, Run};
use super::settings::Settings;
use crate::document::Section;
use crate::engine::is_unit;
use crate::name::AppName;
use crate::slot::Slot;
use crate::strict::Mistake;

/// The units of each slot: one for each of its ports, on each of its hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    template: Template,
    blue: Vec<u16>,
    green: Vec<u16>,
}

/// How units are called: `{app}-{slot}@{port}.service`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template(String);

/// Ports, one list for both slots or one for each.
#[derive(Debug)]
struct Ports {
    blue: Vec<u16>,
    green: Vec<u16>,
}

impl Units {
    /// The ports of `slot`, on each of its hosts.
    pub fn ports(&self, slot: Slot) -> &[u16] {
        match slot {
            Slot::Blue => &self.blue,
            Slot::Green => &self.green,
        }
    }

    /// The unit of `app` that answers on `port`: `web-blue@9001.service`.
    pub fn unit(&self, app: &AppName, slot: Slot, port: u16) -> String {
        self.template.fill(app.as_str(), slot, port)
    }
}

impl Template {
    fn fill(&self, app: &str, slot: Slot, port: u16) -> String {
        let filled = self.0.replace("{app}", app).replace("{slot}", slot.as_str());
        filled.replace("{port}", &port.to_string())
    }
}

impl Default for Template {
    fn default() -> Self {
        Self("{app}-{slot}@{port}.service".to_owned())
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        let text = String::deserialize(de)?;
        let template = Self(text);
        let text = &template.0;
        let instance = text.split_once('@').map(|(_, instance)| instance).unwrap_or_default();
        let sound = is_unit(&template.fill("a", Slot::Blue, 1));
        let why = match (instance.contains("{port}"), sound) {
            (true, true) => return Ok(template),
            (false, _) => "there is one for each port: write `NAME@{port}.service`",
            (true, false) => {
                "it has letters, digits, `:_.-`, one `@`, and ends in `.service`; `{app}`, `{slot}` and \
                 `{port}` are filled in"
            }
        };
        Err(de::Error::custom(format!("`{text}` names no template unit: {why}")))
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Slots {
            blue: Vec<u16>,
            green: Vec<u16>,
        }

        struct Reader;

        impl<'de> de::Visitor<'de> for Reader {
            type Value = Ports;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list, or a table with one for `blue` and one for `green`")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Ports, A::Error> {
                let both = Vec::deserialize(de::value::SeqAccessDeserializer::new(list))?;
                Ok(Ports { blue: both.clone(), green: both })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Ports, A::Error> {
                let Slots { blue, green } =
                    Slots::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Ports { blue, green })
            }
        }

        de.deserialize_any(Reader)
    }
}

/// Keys of `[run]` that say how a container is made, and what says it of a unit.
const OF_CONTAINERS: [(&str, &str); 18] = [
    ("port", "its ports are in `ports`"),
    ("port_range", "its ports are fixed, in `ports`"),
    ("replicas", "it has one for each of its `ports`, on each host"),
    ("pull", "no image is pulled"),
    ("volumes", "write `BindPaths=` in the unit"),
    ("networks", "write `PrivateNetwork=` or the like in the unit"),
    ("entrypoint", "write `ExecStart=` in the unit"),
    ("command", "write `ExecStart=` in the unit"),
    ("user", "write `User=` in the unit"),
    ("memory", "write `MemoryMax=` in the unit"),
    ("cpus", "write `CPUQuota=` in the unit"),
    ("log", "its output is in the journal"),
    ("ulimits", "write `LimitNOFILE=` and the like in the unit"),
    ("extra_hosts", "it has its machine's /etc/hosts"),
    ("stop_signal", "write `KillSignal=` in the unit"),
    ("restart", "write `Restart=` in the unit"),
    ("labels", "write what you like in the unit"),
    ("image", "write what is to run in the unit"),
];

/// Reads the section where its engine is systemd.
pub(super) fn read(mut section: Section<'_>) -> Option<Run> {
    for (key, instead) in OF_CONTAINERS {
        if section.has(key) {
            let _: Option<toml::Value> = section.optional(key);
            section.mistake(key, &format!("a unit has none: {instead}"));
        }
    }
    let bind = run::bind(&mut section);
    let hosts = run::hosts(&mut section, bind, Kind::Systemd);
    let template = section.or("unit", Template::default());
    let ports = section.required::<Ports>("ports");
    let protocol = run::protocol(&mut section);
    let environment = environment::read(&mut section);
    let Ports { blue, green } = ports?;
    let units = Units { template, blue, green };
    for mistake in mistakes(&units, &hosts) {
        section.mistake("ports", &mistake.to_string());
    }
    let most = Slot::BOTH.map(|slot| units.ports(slot).len() * hosts.of(slot).len());
    Some(Run {
        port: 0,
        replicas: u16::try_from(most.into_iter().max()?).ok()?,
        hosts,
        bind,
        port_range: PortRange::default(),
        pull: Pull::Never,
        protocol,
        settings: Settings { environment, ..Settings::default() },
        units: Some(units),
    })
}

fn mistakes(units: &Units, hosts: &Hosts) -> Vec<Mistake> {
    let mut said = Vec::new();
    for slot in Slot::BOTH {
        let ports = units.ports(slot);
        let twice = ports.iter().enumerate().find(|(i, port)| ports[..*i].contains(port));
        if ports.is_empty() {
            said.push(format!("`{slot}` has no port"));
        } else if ports.contains(&0) {
            said.push("a port is a number from 1 to 65535".to_owned());
        } else if let Some((_, port)) = twice {
            said.push(format!("{port} is named twice for `{slot}`"));
        } else if ports.len() * hosts.of(slot).len() > usize::from(MAX_REPLICAS) {
            said.push(format!("ports and hosts make more than {MAX_REPLICAS} units in `{slot}`"));
        }
    }
    let on = |slot| hosts.of(slot).iter().map(|host| host.address).collect::<Vec<IpAddr>>();
    let green = on(Slot::Green);
    let shared = on(Slot::Blue).into_iter().find(|address| green.contains(address));
    let both = units.blue.iter().find(|port| units.green.contains(port));
    if let (Some(address), Some(port)) = (shared, both) {
        said.push(format!(
            "both slots have {port} on {address}, and run side by side: give each its own, \
             `ports = {{ blue = [9001], green = [9002] }}`"
        ));
    }
    said.dedup();
    said.into_iter().map(Mistake::new).collect()
}
