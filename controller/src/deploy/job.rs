//! What a deploy is asked to do.

use std::collections::BTreeSet;

use shunt_config::deploy_file::{DeployFile, Variable, sound_image};
use shunt_config::pass::PassKey;
use shunt_config::secret::Secret;
use shunt_config::strict::short;

use crate::engine::image::Reference;
use crate::exit::Failure;

/// What is deployed: the file, and the image the command line asks for.
#[derive(Clone, Debug)]
pub struct Job {
    /// The deploy file.
    pub file: DeployFile,
    /// The image, as it is asked of the engine; `None` where units run.
    pub image: Option<String>,
    /// What the engines themselves call it, where it has to be that one, whatever its name stands for now.
    pub image_id: Option<String>,
    /// What people call the release.
    pub version: Option<String>,
    /// The variables of its containers.
    pub environment: Vec<(Variable, Secret)>,
    /// Those of them whose values are not to be seen.
    pub secrets: BTreeSet<Variable>,
    /// Whether it waits for visitors who stay on the old release, whatever the file says.
    pub wait_sessions: bool,
    /// What passes to its previews are signed with.
    pub pass_key: Option<PassKey>,
}

impl Job {
    /// The job that `file` describes, with another image or tag if one is given.
    pub fn new(
        file: DeployFile,
        image: Option<String>,
        tag: Option<&str>,
    ) -> Result<Self, Failure> {
        if file.run.units.is_some() {
            return Self::of_units(file, image, tag);
        }
        let image = image.or_else(|| file.image.clone()).unwrap_or_default();
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            let said = format!("`{}` is no tag of an image", short(tag));
            let hint =
                "it has letters, digits and `._-`, 128 at most, and begins with none of `.-`";
            return Err(Failure::usage(said).hint(hint));
        }
        sound_image(&image).map_err(|mistake| Failure::usage(mistake.to_string()))?;
        let image = match tag {
            Some(tag) => Reference::of(&image).with_tag(tag),
            None => image,
        };
        let version = Reference::of(&image).version();
        Ok(Self {
            file,
            image: Some(image),
            image_id: None,
            version,
            environment: Vec::new(),
            secrets: BTreeSet::new(),
            wait_sessions: false,
            pass_key: None,
        })
    }

    fn of_units(
        file: DeployFile,
        image: Option<String>,
        tag: Option<&str>,
    ) -> Result<Self, Failure> {
        let way =
            "name the release: `shuntctl deploy --tag 1.1`; the units are told as SHUNT_VERSION";
        if let Some(image) = image {
            return Err(Failure::usage(format!("units run no image, such as {image}")).hint(way));
        }
        let Some(tag) = tag else {
            return Err(Failure::usage("which release the units are to run is not said").hint(way));
        };
        // It may end up in paths and commands of the units.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
        if tag.is_empty()
            || tag.len() > 128
            || tag.starts_with(['.', '-'])
            || !tag.bytes().all(plain)
        {
            let said = format!("`{}` names no release of units", short(tag));
            return Err(Failure::usage(said).hint("it has letters, digits and `._+-`"));
        }
        Ok(Self {
            file,
            image: None,
            image_id: None,
            version: Some(tag.to_owned()),
            environment: Vec::new(),
            secrets: BTreeSet::new(),
            wait_sessions: false,
            pass_key: None,
        })
    }
}

/// Whether a registry would take `tag` for one.
fn is_tag(tag: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=128).contains(&tag.len()) && !tag.starts_with(['.', '-']) && tag.bytes().all(plain)
}
