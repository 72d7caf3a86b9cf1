#![no_main]

libfuzzer_sys::fuzz_target!(init: qes_gguf_fuzz::write_seeds("fleet"), |bytes: &[u8]| qes_gguf_fuzz::run("fleet", bytes));
