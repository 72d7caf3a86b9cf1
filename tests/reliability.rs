//! What a run and its files survive: kills, full disks, hands that touch files in use (docs/RELIABILITY.md).
#![cfg(target_os = "linux")]

// Each half uses what it needs.
#[allow(dead_code)]
#[path = "cli/helper.rs"]
mod helper;

#[allow(dead_code)]
#[path = "cli/forge.rs"]
mod forge;

mod reliability {
    mod crash;
    mod digests;
    mod environment;
    mod fault;
    mod log_bytes;
    mod model_file;
    mod source;
}
