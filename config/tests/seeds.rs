//! What fuzzing begins with and what it has found holds in every test run, too.

#![allow(clippy::unwrap_used, reason = "a failed step of a test fails the test")]

#[path = "../../fuzz/checks/deploy_file.rs"]
mod deploy_file;
#[path = "../../fuzz/checks/proxy_file.rs"]
mod proxy_file;
#[path = "../../fuzz/checks/store_values.rs"]
mod store_values;

fn each(target: &str, check: fn(&[u8])) {
    let directory = format!("{}/../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut seeds = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        check(&std::fs::read(file.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 1, "seeds of {target}");
}

#[test]
fn store_values_hold_what_fuzzing_asks() {
    each("store_values", store_values::check);
}

#[test]
fn proxy_files_hold_what_fuzzing_asks() {
    each("proxy_file", proxy_file::check);
}

#[test]
fn deploy_files_hold_what_fuzzing_asks() {
    each("deploy_file", deploy_file::check);
}
