//! What a hook is told.

use shunt_config::AppName;
use shunt_config::record::{Deploy, Finish};

/// What a hook is told in its environment.
#[derive(Clone, Debug, Default)]
pub struct Variables(pub(super) Vec<(&'static str, String)>);

impl Variables {
    /// What there is to tell of the deploy of `record`.
    pub fn of(app: &AppName, record: &Deploy) -> Self {
        Self(vec![("SHUNT_APP", app.to_string())])
            .and("SHUNT_DEPLOY", &record.id)
            .and("SHUNT_SLOT", record.slot.as_str())
            .maybe("SHUNT_VERSION", record.version.as_deref())
            .maybe("SHUNT_IMAGE", record.image.as_deref())
    }

    /// What a finished deploy has left to tell.
    pub fn of_finish(app: &AppName, finish: &Finish) -> Self {
        Self(vec![("SHUNT_APP", app.to_string())])
            .and("SHUNT_DEPLOY", &finish.deploy)
            .and("SHUNT_SLOT", finish.slot.as_str())
            .maybe("SHUNT_VERSION", finish.version.as_deref())
            .maybe("SHUNT_IMAGE", finish.image.as_deref())
    }

    /// One more.
    #[must_use]
    pub fn and(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// One more, if there is a value.
    #[must_use]
    pub fn maybe(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.and(name, value),
            None => self,
        }
    }
}
