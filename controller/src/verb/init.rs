//! `shuntctl init`

use std::io::Write as _;

use clap::Args;
use serde_json::json;
use shunt_config::AppName;
use shunt_config::deploy_file::DeployFile;

use crate::context::Context;
use crate::exit::Failure;

/// The file it writes; a test keeps it sound.
const TEMPLATE: &str = include_str!("../../../docs/shunt.toml");

/// Flags of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The app's name, a DNS label
    #[arg(long, default_value = "web")]
    app: AppName,
    /// The image to run, without its tag
    #[arg(long, default_value = "registry.example.com/acme/web")]
    image: String,
}

impl Init {
    /// Writes the file, unless there is one.
    pub fn run(&self, context: &Context) -> Result<(), Failure> {
        let path = context.file_path();
        let shown = path.display();
        let text = self.text();
        if let Err(mistakes) = DeployFile::parse(&shown.to_string(), &text) {
            return Err(Failure::mistakes("these names make no sound file", &mistakes));
        }
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|e| Failure::usage(format!("{shown} is not written: {e}")))?;
        file.write_all(text.as_bytes()).map_err(|e| Failure::usage(format!("{shown}: {e}")))?;
        context.report.value(&json!({ "written": shown.to_string() }));
        context.report.line(&format!("{shown} is written: fill it in, then `shuntctl check`"));
        Ok(())
    }

    fn text(&self) -> String {
        TEMPLATE
            .replace("\"web\"", &format!("\"{}\"", self.app))
            .replace("\"registry.example.com/acme/web\"", &format!("\"{}\"", self.image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_config::record::Limits;

    #[test]
    fn the_file_it_writes_is_sound_as_it_is_and_with_every_comment_taken_off() {
        let init = Init { app: "api".parse().unwrap(), image: "acme/api".to_owned() };
        let file = DeployFile::parse("shunt.toml", &init.text()).unwrap();
        assert_eq!((file.app.as_str(), file.image.as_deref()), ("api", Some("acme/api")));
        assert!(file.store.is_some(), "a deploy knows where to write");
        let uncommented: Vec<&str> =
            TEMPLATE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
        let all = DeployFile::parse("shunt.toml", &uncommented.join("\n")).unwrap();
        let limits = Limits { bake: None, keep_images: None, ..all.limits };
        assert_eq!(limits, file.limits, "the values shown are the defaults");
        assert!(all.limits.bake.is_some() && all.limits.keep_images.is_some());
        assert!(all.store.is_some());
    }

    #[test]
    fn what_it_says_of_units_is_a_sound_file_without_an_image() {
        let units: Vec<&str> =
            TEMPLATE.lines().filter_map(|line| line.strip_prefix("#  ")).collect();
        let text = format!("app = \"web\"\n[run]\n{}", units.join("\n"));
        let file = DeployFile::parse("shunt.toml", &text).unwrap();
        let default = text.replace("{app}-{slot}@{port}.service", "web-{slot}@{port}.service");
        let other = DeployFile::parse("shunt.toml", &default).unwrap();
        let unit = |file: &DeployFile| {
            let units = file.run.units.as_ref().unwrap();
            units.unit(
                &file.app,
                shunt_config::Slot::Green,
                units.ports(shunt_config::Slot::Green)[1],
            )
        };
        assert_eq!(unit(&file), "web-green@9102.service");
        assert_eq!(unit(&file), unit(&other));
    }
}
