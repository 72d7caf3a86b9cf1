use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// More than any program here takes on a busy machine or under emulation; nothing waits for its end.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder to run programs in.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A program of the shell, run within the folder.
    fn program(&self, script: &str) -> RewardCommand {
        fs::write(self.path().join("reward.sh"), script).unwrap();
        let command = format!("cd '{}' && exec sh reward.sh", self.path().display());
        RewardCommand::new(command, PATIENCE)
    }

    /// Returns the text that the program has written to a file of the folder.
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }
}

fn asked(reply: &str) -> Asked<'_> {
    Asked { prompt: "p", reply, wanted: None, line: None, example: None }
}

/// The rewards of so many replies, which are numbers from 0.
fn judged(command: &mut RewardCommand, count: usize) -> Result<Vec<f64>, String> {
    let replies: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let all: Vec<Asked<'_>> = replies.iter().map(|reply| asked(reply)).collect();
    command.judge(&all).map_err(|error| error.to_string())
}

fn counted(count: usize) -> Vec<f64> {
    (0..count).map(|number| number as f64).collect()
}

/// Reads a line, and leaves the reply in it in `$reply`.
const READ: &str =
    "one() { IFS= read -r line || exit 0; reply=${line#*\\\"reply\\\":\\\"}; reply=${reply%%\\\"*}; }\n";

#[test]
fn a_good_program_is_started_once_and_answers_in_order() {
    let folder = Folder::new();
    let mut command =
        folder.program(&format!("echo start >> starts\n{READ}while one; do echo \"$reply\"; done\n"));
    assert_eq!(judged(&mut command, 0).unwrap(), [0.0; 0]);
    assert!(!folder.path().join("starts").exists(), "nothing was asked yet");
    for count in [1, 3, 500] {
        assert_eq!(judged(&mut command, count).unwrap(), counted(count));
    }
    assert_eq!(folder.text("starts"), "start\n");
}

#[test]
fn questions_are_lines_of_json() {
    let folder = Folder::new();
    let mut command =
        folder.program("while IFS= read -r line; do printf '%s\\n' \"$line\" >> asked; echo 1; done\n");
    let example = json!({"prompt": "p\n", "answer": 4, "tests": [1, null]});
    let full = Asked {
        prompt: "p\n",
        reply: "\"\u{e4}\u{2028}\r\n",
        wanted: Some("4"),
        line: Some(3),
        example: example.as_object(),
    };
    command.judge(&[full, asked("")]).unwrap();
    let text = folder.text("asked");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wanted = json!({"prompt": "p\n", "reply": "\"\u{e4}\u{2028}\r\n", "wanted": "4", "example": example});
    assert_eq!(lines, [wanted, json!({"prompt": "p", "reply": ""})]);
}

#[test]
fn answers_are_numbers_or_objects_with_one() {
    for (answer, reward) in [
        ("1", 1.0),
        (" -0.25\r", -0.25),
        ("1e-3", 1e-3),
        ("\n\n  \n7", 7.0),
        ("{\"reward\": 0.1}", 0.1),
        ("{\"reward\": 2, \"error\": null, \"why\": \"so\"}", 2.0),
    ] {
        let folder = Folder::new();
        fs::write(folder.path().join("answer"), format!("{answer}\n")).unwrap();
        let mut command = folder.program("while IFS= read -r line; do cat answer; done\n");
        assert_eq!(judged(&mut command, 3), Ok(vec![reward; 3]), "{answer:?}");
    }
}

#[test]
fn rubbish_is_refused_and_told() {
    for (answer, says) in [
        ("good", "said \"good\", which is not JSON; expected one number"),
        ("NaN", "said \"NaN\", which is not a finite number"),
        ("-Infinity", "not a finite number"),
        ("{\"reward\": NaN}", "not a finite number"),
        ("1e999", "not JSON"),
        ("true", "said \"true\", which is not a number"),
        ("\"1\"", "not a number"),
        ("null", "not a number"),
        ("[1]", "not a number"),
        ("1 2", "said \"1 2\", which is not JSON"),
        ("{\"score\": 1}", "an object without \"reward\""),
        ("{\"reward\": \"1\"}", "not a number"),
        ("{\"reward\": null}", "not a number"),
        ("{\"error\": \"no model\", \"reward\": 1}", "it reports an error: no model"),
        ("{\"error\": {\"code\": 5}}", "it reports an error: {"),
        ("\u{e4}\u{7}", "said \"\u{e4}\\u{7}\""),
    ] {
        let folder = Folder::new();
        fs::write(folder.path().join("answer"), format!("{answer}\n")).unwrap();
        let mut command = folder.program(&format!("{READ}one; echo 5; one; cat answer; one; sleep 60\n"));
        let refused = judged(&mut command, 3).unwrap_err();
        assert!(refused.contains(says), "{answer}: {refused}");
        assert!(refused.starts_with("the program `cd '"), "{refused}");
        assert!(refused.contains(r#", given {"prompt":"p","reply":"1"}: "#), "{refused}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    let folder = Folder::new();
    let mut command = folder.program(&format!("{READ}one; printf '\\377\\n'\n"));
    let refused = judged(&mut command, 1).unwrap_err();
    assert!(refused.contains("said \"\u{fffd}\", which is not JSON"), "{refused}");
}

#[test]
fn a_program_that_dies_is_asked_again() {
    let folder = Folder::new();
    // Dies once before it answers reply 3, and once between two calls.
    let script = format!(
        "echo start >> starts\n{READ}while one; do\n\
         if [ \"$reply\" = 3 ] && ! [ -e died ]; then touch died; exit 1; fi\n\
         echo \"$reply\"\n\
         if [ \"$reply\" = 9 ] && ! [ -e ended ]; then touch ended; exit 0; fi\n\
         done\n"
    );
    let mut command = folder.program(&script);
    assert_eq!(judged(&mut command, 10).unwrap(), counted(10));
    assert_eq!(judged(&mut command, 10).unwrap(), counted(10));
    assert_eq!(folder.text("starts").lines().count(), 3);
}

#[test]
fn a_program_may_end_after_each_answer() {
    let folder = Folder::new();
    let mut command = folder.program(&format!("{READ}one; echo \"$reply\"\n"));
    assert_eq!(judged(&mut command, 12).unwrap(), counted(12));
}

#[test]
fn a_program_that_always_dies_is_given_up() {
    let folder = Folder::new();
    let script = format!(
        "echo start >> starts\n{READ}while one; do [ \"$reply\" = 2 ] && exit 3; echo \"$reply\"; done\n"
    );
    let mut command = folder.program(&script);
    let refused = judged(&mut command, 5).unwrap_err();
    assert!(
        refused.contains("ended with exit status: 3 without an answer, after 3 restarts too"),
        "{refused}"
    );
    assert!(refused.contains(r#"{"prompt":"p","reply":"2"}"#), "{refused}");
    assert_eq!(folder.text("starts").lines().count(), 1 + 3, "only the first start answered");
    let mut killed = folder.program("kill -9 $$\n");
    let refused = judged(&mut killed, 1).unwrap_err();
    assert!(refused.contains("signal: 9"), "{refused}");
}

#[test]
fn a_program_that_is_not_there_is_not_tried_again() {
    for command in ["/no/such/program", "nosuchprogram-of-anyone"] {
        let refused = judged(&mut RewardCommand::new(command, ANSWER_TIMEOUT), 2).unwrap_err();
        let says = format!("the program `{command}`: the shell cannot run it (ended with exit status: 127)");
        assert!(refused.starts_with(&says), "{refused}");
    }
}

#[test]
fn silence_ends_with_the_time() {
    let folder = Folder::new();
    let scripts = [
        format!("{READ}one; echo 0; sleep 60\n"),
        // All lines before the first answer.
        "echo 0; IFS= read -r line; cat > all; echo 1\n".to_owned(),
        // Reads no more.
        "IFS= read -r line; echo 0; exec < /dev/null; sleep 60\n".to_owned(),
    ];
    for script in scripts {
        let mut command = folder.program(&script);
        command.timeout = Duration::from_secs(3);
        let refused = judged(&mut command, 400).unwrap_err();
        assert!(refused.contains("no answer within 3 s"), "{script}: {refused}");
        assert!(refused.contains(r#"{"prompt":"p","reply":"1"}"#), "{script}: {refused}");
    }
}

#[test]
fn silence_gets_the_reward_that_is_named_for_it() {
    let folder = Folder::new();
    let script = format!(
        "echo start >> starts\n{READ}while one; do case $reply in 1 | 4 | 5) sleep 60 ;; esac; echo \"$reply\"; done\n"
    );
    let mut command = folder.program(&script).on_timeout(Some(-0.5));
    command.timeout = Duration::from_secs(2);
    assert_eq!(command.hint(), None);
    assert_eq!(judged(&mut command, 8).unwrap(), [0.0, -0.5, 2.0, 3.0, -0.5, -0.5, 6.0, 7.0]);
    assert_eq!(folder.text("starts").lines().count(), 4, "once more after each silence");
    let hint = command.hint().unwrap();
    assert!(hint.contains("no answer within 2 s to 3 of the replies, which got the reward -0.5"), "{hint}");
}

#[test]
fn a_program_that_is_always_silent_is_an_error_all_the_same() {
    let folder = Folder::new();
    let mut command = folder.program("sleep 60\n").on_timeout(Some(0.0));
    command.timeout = Duration::from_millis(20);
    assert!(judged(&mut command, 40).unwrap_err().contains("no answer within 0.02 s"));
}

#[test]
fn blank_lines_are_no_answers() {
    let folder = Folder::new();
    let mut command = folder.program("while :; do echo; done\n");
    command.timeout = Duration::from_millis(500);
    assert!(judged(&mut command, 1).unwrap_err().contains("no answer within 0.5 s"));
}

#[test]
fn a_slow_program_has_the_time_for_each_answer() {
    let folder = Folder::new();
    let mut command = folder.program(&format!("{READ}while one; do sleep 0.3; echo \"$reply\"; done\n"));
    command.timeout = Duration::from_millis(2500);
    assert_eq!(judged(&mut command, 10).unwrap(), counted(10), "more than 2.5 s in all");
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let folder = Folder::new();
    for script in [
        format!("{READ}while one; do echo 1; echo 2; done\n"),
        "yes 1\n".to_owned(),
        // Only between two calls.
        format!("{READ}one; echo 1; one; echo 1; sleep 0.5; echo 1; one; sleep 60\n"),
    ] {
        let mut command = folder.program(&script);
        let refused = judged(&mut command, 2).and_then(|_| {
            std::thread::sleep(Duration::from_secs(1));
            judged(&mut command, 1)
        });
        let refused = refused.unwrap_err();
        assert!(refused.contains("without being asked"), "{script}: {refused}");
    }
}

#[test]
fn a_line_without_end_is_cut_short() {
    let folder = Folder::new();
    let mut command = folder.program("head -c 9000000 /dev/zero | tr '\\0' 1\nsleep 60\n");
    let refused = judged(&mut command, 1).unwrap_err();
    assert!(refused.contains("1111... and so on") || refused.contains("111...\" and so on"), "{refused}");
    assert!(refused.len() < 1000);
    let mut short = folder.program(&format!("{READ}one; printf 5\n"));
    assert_eq!(judged(&mut short, 1).unwrap(), [5.0], "the last line needs no end");
}

#[test]
fn a_closed_output_is_an_end() {
    let folder = Folder::new();
    let mut command = folder.program("exec >&-\nIFS= read -r line\nexit 4\n");
    assert!(
        judged(&mut command, 1).unwrap_err().contains("exit status: 4 without an answer, after 3 restarts")
    );
}

#[test]
fn a_program_that_closed_its_output_and_goes_on_is_killed() {
    let folder = Folder::new();
    let mut command = folder.program(&format!("{READ}one; echo 0; exec >&-\necho $$ > pid\nexec sleep 60\n"));
    let _ = judged(&mut command, 1).unwrap();
    let program = command.running.as_mut().unwrap();
    assert!(matches!(program.hear(Duration::from_secs(20)), Heard::End));
    assert_eq!(program.end(PARTING).to_string(), "closed its output");
    assert_gone(folder.text("pid").trim());
}

#[test]
fn long_lines_block_neither_side() {
    let folder = Folder::new();
    // Every line far longer than a pipe holds, both ways, and nothing read while something is written.
    let script = "while IFS= read -r line; do printf '{\"reward\": 1, \"echo\": %s}\\n' \"$line\"; done\n";
    let mut command = folder.program(script);
    let reply = "x".repeat(300_000);
    let all = vec![asked(&reply); 40];
    assert_eq!(command.judge(&all).unwrap(), [1.0; 40]);
}

/// Waits for a process to be no more. One that is not our child may stay a zombie: it is the system's to wait for.
fn assert_gone(pid: &str) {
    let runs = || {
        let status = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
        let state = String::from_utf8(status.stdout).unwrap();
        !matches!(state.trim().chars().next(), None | Some('Z'))
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while runs() {
        assert!(Instant::now() < deadline, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_dropped_command_ends_with_all_its_processes() {
    let folder = Folder::new();
    let script = format!(
        "echo $$ > shell\nsleep 60 &\necho $! > child\n{READ}trap '' TERM HUP INT\n\
         while one; do echo \"$reply\"; done\nsleep 60\n"
    );
    let mut command = folder.program(&script);
    assert_eq!(judged(&mut command, 3).unwrap(), counted(3));
    drop(command);
    let shell = rustix::process::Pid::from_raw(folder.text("shell").trim().parse().unwrap()).unwrap();
    assert!(rustix::process::test_kill_process(shell).is_err(), "not even a zombie");
    assert_gone(folder.text("child").trim());
}

#[test]
fn a_program_may_finish_its_work_when_its_input_ends() {
    let folder = Folder::new();
    let mut command =
        folder.program(&format!("{READ}(while one; do echo \"$reply\"; done)\necho done > summary\n"));
    assert_eq!(judged(&mut command, 3).unwrap(), counted(3));
    drop(command);
    assert_eq!(folder.text("summary"), "done\n");
}

#[test]
fn after_an_error_it_is_started_anew() {
    let folder = Folder::new();
    let script =
        format!("{READ}while one; do [ -e bad ] || {{ touch bad; echo bad; }}; echo \"$reply\"; done\n");
    let mut command = folder.program(&script);
    assert!(judged(&mut command, 3).is_err());
    assert_eq!(judged(&mut command, 3).unwrap(), counted(3));
}

#[test]
fn the_example_program_judges() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/reward.py");
    let command = format!("python3 '{}'", script.display());
    let mut command = RewardCommand::new(command, ANSWER_TIMEOUT);
    let with = |reply, wanted| Asked { wanted, ..asked(reply) };
    let long = format!("{}four", "well, ".repeat(100));
    let rewards = command
        .judge(&[
            with("Four.", Some("four")),
            with(&long, Some("four")),
            with("Five.", Some("four")),
            with("", None),
        ])
        .unwrap();
    assert!(rewards[0] > rewards[1] && rewards[1] > rewards[2], "{rewards:?}");
    assert_eq!(rewards[3], 1.1);
}
