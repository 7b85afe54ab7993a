//! The kept inputs of a fuzz target, for the tests of the crates beside this one.

/// Asks `check` of every seed of `target`.
pub(crate) fn each(target: &str, check: fn(&[u8])) {
    let directory = format!("{}/../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut seeds = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        check(&std::fs::read(file.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 1, "seeds of {target}");
}
