#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| confine::fuzz::run("compiled_map", data));
