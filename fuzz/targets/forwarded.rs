#![no_main]

#[path = "../checks/forwarded.rs"]
mod forwarded;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forwarded::check(bytes));
