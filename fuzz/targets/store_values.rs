#![no_main]

#[path = "../checks/store_values.rs"]
mod store_values;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| store_values::check(bytes));
