//! Runs the `sip_headers` target: under libFuzzer, or once on each file named.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| offhook_fuzz::sip_headers::run(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    offhook_fuzz::replay(offhook_fuzz::sip_headers::run)
}
