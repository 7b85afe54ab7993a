//! A unit that is a deploy's: how it is called, and the files that make it so.

use std::fmt;

use shunt_config::deploy_file::Variable;
use shunt_config::engine::is_unit;
use shunt_config::secret::Secret;

use crate::engine::{Spec, label};

/// A unit of one deploy. The same unit is another's later on, and is not to be taken for this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) unit: String,
    pub(super) deploy: String,
}

impl Id {
    /// That of what is to be started.
    pub(super) fn of(spec: &Spec) -> Option<Self> {
        let deploy = spec.labels.get(label::DEPLOY)?.clone();
        is_unit(&spec.name).then(|| Self { unit: spec.name.clone(), deploy })
    }

    /// Reads what its `Display` writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (unit, deploy) = text.split_once('/')?;
        is_unit(unit).then(|| Self { unit: unit.to_owned(), deploy: deploy.to_owned() })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.unit, self.deploy)
    }
}

/// The drop-in that makes a unit a deploy's. systemd passes over sections of `X-`: systemd.unit(5).
pub(super) fn drop_in(spec: &Spec) -> Result<String, String> {
    let mut lines = vec![
        "# Written by shuntctl. It goes when this release is stopped for good.".to_owned(),
        "[X-Shunt]".to_owned(),
    ];
    for (key, value) in &spec.labels {
        if value.contains(|c: char| c.is_control()) || value.ends_with('\\') {
            return Err(format!("`{key}` cannot be written down: `{}`", value.escape_debug()));
        }
        lines.push(format!("{key}={value}"));
    }
    lines.push("[Service]".to_owned());
    lines.push(format!("EnvironmentFile=/etc/systemd/system/{}.d/shunt.env", spec.name));
    lines.push(format!("TimeoutStopSec={}ms", spec.grace.as_millis()));
    Ok(lines.join("\n"))
}

/// The file of variables, in the format of `EnvironmentFile=`: systemd.exec(5).
pub(super) fn variables(all: &[(Variable, Secret)]) -> Result<Secret, String> {
    let mut lines = Vec::new();
    for (name, value) in all {
        let name = name.as_str();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!(
                "systemd takes no variable `{name}`: it has letters, digits and `_` alone"
            ));
        }
        let mut quoted = String::new();
        for c in value.reveal().chars() {
            if ['"', '\\', '$', '`'].contains(&c) {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        lines.push(format!("{name}=\"{quoted}\"\n"));
    }
    Ok(Secret::new(lines.concat()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shunt_config::deploy_file::Settings;

    use super::*;

    fn spec(name: &str, store: &str) -> Spec {
        let labels = [(label::APP, "web"), (label::DEPLOY, "d1"), (label::STORE, store)];
        Spec {
            name: name.to_owned(),
            image: String::new(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            publish: None,
            settings: Settings::default(),
            environment: Vec::new(),
            grace: Duration::from_millis(1500),
        }
    }

    #[test]
    fn a_unit_is_one_deploys_and_named_without_a_way_out_of_its_name() {
        let id = Id::of(&spec("web-blue@9001.service", "s")).unwrap();
        assert_eq!(id.to_string(), "web-blue@9001.service/d1");
        assert_eq!(Id::parse(&id.to_string()).unwrap(), id);
        for name in ["web@$(x).service", "web@../x.service", "web.service", "-x@1.service"] {
            assert!(Id::of(&spec(name, "s")).is_none(), "{name}");
            assert!(Id::parse(&format!("{name}/d1")).is_none(), "{name}");
        }
    }

    #[test]
    fn a_drop_in_has_the_labels_where_systemd_does_not_look_and_nothing_can_break_out_of_it() {
        let text = drop_in(&spec("web-blue@9001.service", "etcd-1")).unwrap();
        let (labels, service) = text.split_once("[Service]\n").unwrap();
        assert!(labels.contains("[X-Shunt]\nshunt.app=web\nshunt.deploy=d1\n"), "{text}");
        let file = "EnvironmentFile=/etc/systemd/system/web-blue@9001.service.d/shunt.env";
        assert_eq!(service, format!("{file}\nTimeoutStopSec=1500ms"));
        for store in ["a\n[Service]\nExecStart=/bin/x", "a\\"] {
            assert!(drop_in(&spec("web-blue@9001.service", store)).is_err(), "{store}");
        }
    }

    #[test]
    fn variables_are_quoted_and_a_name_that_systemd_would_pass_over_is_refused() {
        let all = |name: &str, value: &str| vec![(name.parse().unwrap(), Secret::new(value))];
        let text = variables(&all("A_1", "it's \"$HOME\" `x` \\ # ;\nnext")).unwrap();
        assert_eq!(text.reveal(), "A_1=\"it's \\\"\\$HOME\\\" \\`x\\` \\\\ # ;\nnext\"\n");
        for name in ["a.b", "1a", "a-b"] {
            assert!(variables(&all(name, "x")).unwrap_err().contains("systemd"), "{name}");
        }
    }
}
