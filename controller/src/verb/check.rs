//! `shuntctl check`

use serde_json::json;

use crate::context::Context;
use crate::exit::Failure;

/// Checks the deploy file.
pub fn run(context: &Context) -> Result<(), Failure> {
    let file = context.file()?;
    let path = context.file_path().display();
    context.report.value(&json!({ "file": path.to_string(), "app": file.app, "sound": true }));
    context.report.line(&format!("{path} is sound: app `{}`, image {}", file.app, file.image));
    Ok(())
}
