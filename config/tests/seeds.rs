//! What fuzzing begins with and what it has found holds in every test run, too.

#![allow(clippy::unwrap_used, reason = "a failed step of a test fails the test")]

#[path = "../../fuzz/checks/deploy_file.rs"]
mod deploy_file;
#[path = "../../fuzz/checks/proxy_file.rs"]
mod proxy_file;
#[path = "../../fuzz/seeds.rs"]
mod seeds;
#[path = "../../fuzz/checks/store_values.rs"]
mod store_values;

use seeds::each;

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
