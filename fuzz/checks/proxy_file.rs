//! What holds for whatever is in `proxy.toml`: it is refused for reasons that say where.

use shunt_config::proxy_file::ProxyFile;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(mistakes) = ProxyFile::parse("proxy.toml", text, "host") {
        assert!(!mistakes.is_empty(), "refused without a reason");
        for mistake in mistakes {
            assert!(mistake.to_string().starts_with("proxy.toml"), "{mistake}");
        }
    }
}
