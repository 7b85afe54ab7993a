//! What a container is made of, in Docker's words.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, NetworkConnectRequest, PortBinding,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use shunt_config::command::Command;
use shunt_config::deploy_file::{Log, Restart, Settings};

use super::Docker;
use crate::engine::{EngineError, Spec};

impl Docker {
    /// Creates the container of `spec`, in the first of its networks.
    pub(super) async fn make(&self, spec: &Spec) -> Result<String, EngineError> {
        let settings = &spec.settings;
        let port = spec.publish.map(|publish| format!("{}/tcp", publish.port));
        let variable = |(name, value): &(_, shunt_config::secret::Secret)| {
            format!("{name}={}", value.reveal())
        };
        let mut labels: HashMap<_, _> = settings.labels.clone().into_iter().collect();
        labels.extend(spec.labels.clone());
        let body = ContainerCreateBody {
            image: Some(spec.image.clone()),
            labels: Some(labels),
            exposed_ports: port.clone().map(|port| vec![port]),
            env: Some(spec.environment.iter().map(variable).collect()),
            entrypoint: settings.entrypoint.as_ref().map(Command::words),
            cmd: settings.command.as_ref().map(Command::words),
            user: settings.user.clone(),
            stop_signal: settings.stop_signal.clone(),
            stop_timeout: i64::try_from(spec.grace.as_secs()).ok(),
            host_config: Some(host(spec, port)),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&spec.name).build();
        let created = self.client.create_container(Some(options), body).await;
        Ok(created.map_err(|error| self.failed(&error))?.id)
    }

    /// Adds the container to the rest of its networks: an engine takes one when it creates it.
    pub(super) async fn join(&self, id: &str, spec: &Spec) -> Result<(), EngineError> {
        for network in spec.settings.networks.iter().skip(1) {
            let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: None };
            let joined = self.client.connect_network(network, request).await;
            joined.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }
}

fn host(spec: &Spec, port: Option<String>) -> HostConfig {
    let settings = &spec.settings;
    let binding = spec.publish.map(|publish| PortBinding {
        host_ip: Some(publish.bind.to_string()),
        host_port: Some(publish.published.to_string()),
    });
    let ulimit = |(name, limit): (&String, &shunt_config::deploy_file::Ulimit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    };
    let list = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    let hosts = settings.extra_hosts.iter().map(|(name, address)| format!("{name}:{address}"));
    HostConfig {
        port_bindings: port.zip(binding).map(|(port, to)| HashMap::from([(port, Some(vec![to]))])),
        restart_policy: Some(restart(settings)),
        binds: list(settings.volumes.iter().map(ToString::to_string).collect()),
        network_mode: settings.networks.first().cloned(),
        memory: settings.memory.and_then(|memory| i64::try_from(memory.get()).ok()),
        nano_cpus: settings.cpus.map(shunt_config::deploy_file::Cpus::nano),
        log_config: settings.log.as_ref().map(log),
        ulimits: Some(settings.ulimits.iter().map(ulimit).collect::<Vec<_>>())
            .filter(|list| !list.is_empty()),
        extra_hosts: list(hosts.collect()),
        ..HostConfig::default()
    }
}

fn log(log: &Log) -> HostConfigLogConfig {
    let options = log.options.clone().into_iter().collect();
    HostConfigLogConfig { typ: Some(log.driver.clone()), config: Some(options) }
}

fn restart(settings: &Settings) -> RestartPolicy {
    let (name, times) = match settings.restart {
        Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
        Restart::OnFailure(times) => (RestartPolicyNameEnum::ON_FAILURE, times.map(i64::from)),
        Restart::No => (RestartPolicyNameEnum::NO, None),
    };
    RestartPolicy { name: Some(name), maximum_retry_count: times }
}
