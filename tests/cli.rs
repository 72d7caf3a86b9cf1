//! The real binary, run as a user runs it: commands in a folder with a read-only model.

mod ggml;

mod cli {
    mod apply;
    mod architectures;
    mod bench;
    mod card;
    mod chat;
    mod data;
    mod diff;
    mod drift;
    mod errors_data;
    mod errors_log;
    mod errors_model;
    mod errors_reward;
    mod errors_task;
    mod errors_usage;
    mod eval;
    mod export;
    mod follow;
    mod forge;
    mod gguf_bytes;
    mod helper;
    mod inspect;
    mod json;
    mod json_schema;
    mod manual;
    mod merge;
    mod methods;
    mod ollama;
    mod probe;
    mod provenance;
    mod pull;
    mod report;
    mod resume;
    mod retain;
    mod task_file;
    mod tasks;
    mod tokens;
    mod tune;
    mod types;
    mod verbose;
    mod verify;
}
