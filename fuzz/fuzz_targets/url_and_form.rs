#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| squall_properties::url_and_form::check(data));
