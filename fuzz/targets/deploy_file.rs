#![no_main]

#[path = "../checks/deploy_file.rs"]
mod deploy_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| deploy_file::check(bytes));
