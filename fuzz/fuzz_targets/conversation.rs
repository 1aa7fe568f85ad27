#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_properties::conversation::check(data));
