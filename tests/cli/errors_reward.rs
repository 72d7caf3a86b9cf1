//! Reward programs that fail, and rewards that are no use.

use super::helper::TINY;
use super::tasks::{PROGRAM, data};

/// In the middle of a run, after one whole generation.
const REWARDED: &str = "--task reward --data sums.jsonl -n 6 --temp 1 --reward-timeout 5 --generations 2 --population 4 \
                        --prompts 8 --eval-problems 8 --window 1 --alpha 5%";

#[test]
fn a_log_survives_a_reward_program_that_fails() {
    let dir = data();
    let line = format!("tune base.gguf --reward-cmd '. ./program.sh' {REWARDED}");
    dir.run(&format!("{line} -o whole.qes")).ok();
    for (fault, words) in [
        ("echo rubbish", ["said \"rubbish\", which is not JSON", "expected one number"]),
        ("echo NaN", ["said \"NaN\", which is not a finite number", "expected one number"]),
        ("echo '{\"error\":\"no GPU left\"}'", ["it reports an error: no GPU left", "given {\"prompt\":"]),
        ("exit 9", ["ended with exit status: 9 without an answer", "after 3 restarts too"]),
        ("kill -9 $$", ["ended with signal: 9", "one line for each line that it reads"]),
    ] {
        // The first evaluation and the first generation take 8 and 4 times 8 replies.
        let faulty = format!(
            "n=0; if [ -e broken ]; then n=50; fi{}",
            PROGRAM.replace(
                "do\n",
                &format!("do\n n=$((n+1)); if [ $n -gt 50 ]; then : > broken; {fault}; continue; fi\n"),
            )
        );
        dir.write("program.sh", faulty);
        let failed = dir.run(&format!("{line} -o run.qes --overwrite")).ends(1);
        for word in words
            .iter()
            .chain(&["error: the reward command: the program `. ./program.sh`", "with 1 generation:"])
        {
            assert!(failed.stderr.contains(word), "no {word:?} in {failed}");
        }
        assert!(
            failed.stderr.ends_with("qes-gguf tune base.gguf -o run.qes --resume --trust-log\n"),
            "{failed}"
        );
        dir.run("verify base.gguf run.qes").ok();
        dir.write("program.sh", PROGRAM);
        dir.run("tune base.gguf -o run.qes --resume --trust-log --generations 2").ok();
        assert_eq!(dir.text("run.qes"), dir.text("whole.qes"), "{fault}");
        std::fs::remove_file(dir.path("broken")).unwrap();
    }
}

#[test]
fn a_reward_program_that_never_works_is_told_at_once() {
    let dir = data();
    for (command, words) in [
        ("nosuch-program", ["the shell cannot run it", "check that the program is there"]),
        ("sleep 60", ["no answer within 0.2 s", "--reward-timeout"]),
        ("cat", ["said \"{", "without \"reward\""]),
        ("yes 1", ["without being asked", "one line for each line"]),
    ] {
        let line =
            format!("tune base.gguf -o run.qes --overwrite --reward-cmd '{command}' --reward-timeout 0.2");
        let failed = dir.run(&format!("{line} {}", REWARDED.replace("--reward-timeout 5", ""))).ends(1);
        for word in words
            .iter()
            .chain(&["before its first generation", "start anew with other flags and --overwrite"])
        {
            assert!(failed.stderr.contains(word), "no {word:?} in {failed}");
        }
        dir.run("verify base.gguf run.qes").ok();
    }
}

/// Nothing can be learned from it, which a run should not keep to itself.
#[test]
fn rewards_that_tell_nothing_apart_are_told() {
    let dir = data();
    let run = TINY.replace("--task arith", "--task regex --data prompts.jsonl -n 6 --pattern nothing");
    let done = dir.run(&format!("tune base.gguf -o run.qes {run}")).ends(0);
    assert!(done.stderr.contains("note: in 3 of 3 generations all members had the same fitness"), "{done}");
    let warned = "warning: in all 2 generations so far all members had the same fitness, 0.0000";
    let at = done.stdout.find(warned).unwrap_or_else(|| panic!("{done}"));
    assert!(at < done.stdout.find("generation 3/3").unwrap(), "before the third: {done}");
    let done = dir.run(&format!("tune base.gguf -o other.qes {TINY}")).ends(0);
    assert!(!done.stderr.contains("note:"), "{done}");
}

#[test]
fn look_around_is_for_programs() {
    let line = "eval base.gguf --task regex --data prompts.jsonl -n 6 --pattern '(?=.*Apple)1'";
    data().run(line).fails(1, &["look-around", "--reward-cmd"]);
}
