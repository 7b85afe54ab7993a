//! What holds for whatever is in `shunt.toml`: it is refused for reasons that say where.

use shunt_config::deploy_file::DeployFile;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(mistakes) = DeployFile::parse("shunt.toml", text) {
        assert!(!mistakes.is_empty(), "refused without a reason");
        for mistake in mistakes {
            assert!(mistake.to_string().starts_with("shunt.toml"), "{mistake}");
        }
    }
}
