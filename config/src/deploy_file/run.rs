//! `[run]`: how an app's containers run, or its units.

use std::net::IpAddr;

use serde::Deserialize;

use super::hosts::{Hosts, Kind, Written};
use super::port_range::PortRange;
use super::pull::Pull;
use super::settings::{self, Settings};
use super::units::{self, Units};
use crate::document::Section;
use crate::protocol::Protocol;

/// Replicas of one release at most.
pub const MAX_REPLICAS: u16 = 64;

/// How an app's containers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What the app listens on inside its container; 0 where it has units.
    pub port: u16,
    /// The machines they run on.
    pub hosts: Hosts,
    /// How many containers, spread over the hosts of a slot; how many units, in the slot that has more.
    pub replicas: u16,
    /// The address of this machine that ports are published on and targets announced with.
    pub bind: IpAddr,
    /// Where published ports are taken from.
    pub port_range: PortRange,
    /// When the image is pulled.
    pub pull: Pull,
    /// What its containers speak: `http/1.1`, or `h2c` as gRPC servers do.
    pub protocol: Protocol,
    /// How each is made.
    pub settings: Settings,
    /// What runs in the place of containers, where its engine is systemd.
    pub units: Option<Units>,
}

/// Whose it is to run a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EngineKind {
    #[default]
    Docker,
    Systemd,
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Option<Run> {
    match section.or("engine", EngineKind::default()) {
        EngineKind::Docker => containers(section),
        EngineKind::Systemd => units::read(section),
    }
}

fn containers(mut section: Section<'_>) -> Option<Run> {
    let port = section.required::<u16>("port");
    if port == Some(0) {
        section.mistake("port", "a port is a number from 1 to 65535");
    }
    let bind = bind(&mut section);
    let hosts = hosts(&mut section, bind, Kind::Docker);
    let replicas = replicas(&mut section, hosts.most());
    let port_range: PortRange = section.or("port_range", PortRange::default());
    // Twice the replicas run while a deploy replaces them, three times with a warm release.
    let ports = port_range.last - port_range.first + 1;
    if u32::from(ports) < 3 * u32::from(replicas) {
        let said = format!("{ports} ports are too few for {replicas} replicas: three for each");
        section.mistake("port_range", &said);
    }
    Some(Run {
        hosts,
        bind,
        pull: section.or("pull", Pull::default()),
        protocol: protocol(&mut section),
        settings: settings::read(&mut section),
        port: port?,
        replicas,
        port_range,
        units: None,
    })
}

pub(super) fn protocol(section: &mut Section<'_>) -> Protocol {
    let protocol = section.or("protocol", Protocol::default());
    if protocol.is_tls() {
        let said = "what runs on a machine of yours speaks `http/1.1` or `h2c`; targets that speak \
                    TLS are announced with `shuntctl announce`";
        section.mistake("protocol", said);
    }
    protocol
}

pub(super) fn hosts(section: &mut Section<'_>, bind: IpAddr, kind: Kind) -> Hosts {
    let written = section.or("hosts", Written::default());
    written.hosts(bind, kind).unwrap_or_else(|mistakes| {
        for mistake in mistakes {
            section.mistake("hosts", &mistake.to_string());
        }
        Hosts::default()
    })
}

/// As many as there are `hosts`, if nothing else is said.
fn replicas(section: &mut Section<'_>, hosts: usize) -> u16 {
    let least = u16::try_from(hosts).unwrap_or(u16::MAX).max(1);
    let replicas = section.or("replicas", least);
    if !(1..=MAX_REPLICAS).contains(&replicas) {
        section.mistake("replicas", &format!("{replicas} is not within 1 to {MAX_REPLICAS}"));
    } else if replicas < least {
        let said = format!("{replicas} leave one of {hosts} hosts without any: take a host out");
        section.mistake("replicas", &said);
    }
    replicas
}

pub(super) fn bind(section: &mut Section<'_>) -> IpAddr {
    let bind = section.or("bind", IpAddr::from([127, 0, 0, 1]));
    if bind.is_unspecified() || bind.is_multicast() {
        let said = format!(
            "`{bind}` is no address that a proxy could connect to: write `127.0.0.1` or this \
             machine's private address"
        );
        section.mistake("bind", &said);
    }
    bind
}
