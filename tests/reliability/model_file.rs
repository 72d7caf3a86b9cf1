//! The user's model is never opened for writing. (Every command of every test is also followed by a look at its bytes.)

use std::process::Command;

use super::crash::RUN;
use super::environment::{OWN_MOUNTS, can_mount, in_shell};
use crate::helper::Dir;

/// Every command, on a model and the log of a run.
fn commands() -> Vec<String> {
    vec![
        "inspect base.gguf".to_owned(),
        format!("tune base.gguf -o run.qes --export tuned.gguf {RUN}"),
        format!("tune base.gguf -o run.qes --overwrite --no-repack {RUN}"),
        "tune base.gguf -o run.qes --resume --generations 6".to_owned(),
        "verify base.gguf run.qes".to_owned(),
        "export base.gguf run.qes -o tuned.gguf".to_owned(),
        "eval base.gguf --log run.qes --problems 4".to_owned(),
        "eval tuned.gguf --compare base.gguf --task arith --problems 4".to_owned(),
    ]
}

#[test]
fn every_command_works_on_a_model_on_a_read_only_file_system() {
    if !can_mount() {
        return;
    }
    let dir = Dir::new();
    std::fs::create_dir(dir.path("models")).unwrap();
    std::fs::copy(dir.path("base.gguf"), dir.path("models/base.gguf")).unwrap();
    for command in commands() {
        let command = command.replace("base.gguf", "models/base.gguf");
        let script = format!(
            "mount --bind models models && mount -o remount,bind,ro models && ! touch models/x 2>/dev/null && $BIN {command}"
        );
        in_shell(&dir, &OWN_MOUNTS, &script).ok();
    }
}

/// What the system was asked for, as it saw it.
#[test]
fn no_command_asks_to_write_the_model() {
    if !Command::new("strace").arg("-V").output().is_ok_and(|done| done.status.success()) {
        eprintln!("strace is not here, so what the system is asked for is not looked at");
        return;
    }
    let dir = Dir::new();
    for command in commands() {
        let script =
            format!("strace -f -y -o calls -e trace=%file,mmap,ftruncate,fchmod,fallocate $BIN {command}");
        in_shell(&dir, &[], &script).ok();
        let calls = dir.text("calls");
        let of_model = || calls.lines().filter(|line| line.contains("base.gguf"));
        assert!(of_model().any(|line| line.contains("O_RDONLY")), "{command}: the model was never opened");
        let words = [
            "O_WRONLY",
            "O_RDWR",
            "O_TRUNC",
            "truncate(",
            "unlink",
            "rename",
            "chmod",
            "fallocate",
            "linkat(",
        ];
        for line in of_model() {
            assert!(!words.iter().any(|word| line.contains(word)), "{command}: {line}");
            let is_shared = line.contains("mmap(") && line.contains("MAP_SHARED");
            assert!(!(is_shared && line.contains("PROT_WRITE")), "{command}: {line}");
        }
    }
}
