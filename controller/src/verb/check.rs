//! `shuntctl check`

use std::collections::BTreeSet;

use serde_json::json;
use shunt_config::deploy_file::Environment;

use crate::context::Context;
use crate::env_name::EnvName;
use crate::environment;
use crate::exit::Failure;
use crate::program::missing;

/// Checks the deploy file, and the files of all environments, or of the one that is asked for.
pub fn run(context: &Context) -> Result<(), Failure> {
    let path = context.file_path();
    let envs = match context.env() {
        Some(env) => vec![Some(env.clone())],
        None => std::iter::once(None).chain(EnvName::all(path).into_iter().map(Some)).collect(),
    };
    let (mut said, mut mistakes) = (Vec::new(), BTreeSet::new());
    for env in envs {
        let file = match context.file_for(env.as_ref()) {
            Ok(file) => file,
            Err(failure) if failure.details.is_empty() => return Err(failure),
            Err(failure) => {
                mistakes.extend(failure.details);
                said.push(failure.said);
                let files = context.env_files_for(env.as_ref())?;
                let variables = Environment { files, ..Environment::default() };
                mistakes.extend(wrong_files(context, &variables));
                continue;
            }
        };
        let wrong = wrong_files(context, &file.run.settings.environment);
        let shown = path.display().to_string();
        if !wrong.is_empty() {
            mistakes.extend(wrong);
            said.push(format!("{shown} names files with mistakes"));
            continue;
        }
        let name = env.as_ref().map(EnvName::as_str);
        let doubts: Vec<_> = file.doubts().into_iter().chain(missing(&file)).collect();
        let value = json!({ "file": shown, "env": name, "app": file.app, "sound": true,
            "doubts": doubts });
        context.report.value(&value);
        let with = name.map_or_else(String::new, |name| format!(" with `{name}`"));
        let (app, image) = (&file.app, file.image.as_ref());
        let runs = image.map_or_else(|| "units".to_owned(), |image| format!("image {image}"));
        context.report.line(&format!("{shown}{with} is sound: app `{app}`, {runs}"));
        for doubt in &doubts {
            context.report.line(&format!("  {doubt}"));
        }
    }
    match said.is_empty() {
        true => Ok(()),
        false => Err(Failure::usage(said.join("; ")).details(mistakes)),
    }
}

/// What is wrong with the files of variables.
fn wrong_files(context: &Context, variables: &Environment) -> Vec<String> {
    let (_, wrong) = environment::files(variables, context.directory());
    wrong.iter().map(ToString::to_string).collect()
}
