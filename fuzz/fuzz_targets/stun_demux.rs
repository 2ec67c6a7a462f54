//! Runs the `stun_demux` target under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| offhook_fuzz::stun_demux::run(data));
