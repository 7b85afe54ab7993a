#![no_main]

#[path = "../checks/proxy_file.rs"]
mod proxy_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| proxy_file::check(bytes));
