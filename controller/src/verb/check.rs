//! `shuntctl check`

use serde_json::json;

use crate::context::Context;
use crate::environment;
use crate::exit::Failure;

/// Checks the deploy file.
pub fn run(context: &Context) -> Result<(), Failure> {
    let file = context.file()?;
    let path = context.file_path().display();
    let (_, mistakes) = environment::files(&file.run.settings.environment, context.directory());
    if !mistakes.is_empty() {
        return Err(Failure::mistakes(format!("{path} names files with mistakes"), &mistakes));
    }
    context.report.value(&json!({ "file": path.to_string(), "app": file.app, "sound": true }));
    context.report.line(&format!("{path} is sound: app `{}`, image {}", file.app, file.image));
    Ok(())
}
