#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| confine::fuzz::run("map_fmt", data));
