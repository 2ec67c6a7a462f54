//! Runs the `control_line` target under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| offhook_fuzz::control_line::run(data));
