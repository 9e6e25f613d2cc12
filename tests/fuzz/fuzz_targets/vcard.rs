#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| huntline_fuzz::vcard(data));
