#![no_main]

libfuzzer_sys::fuzz_target!(init: qes_gguf_fuzz::write_seeds("template"), |bytes: &[u8]| qes_gguf_fuzz::run("template", bytes));
