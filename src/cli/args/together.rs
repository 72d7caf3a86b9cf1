//! Flags that cannot be used together, where clap's own words would say less.

use clap::{ArgMatches, Command, Id};

/// The groups of flags that clap makes of what says what a run is for and how it is made, all of which a log has too.
const OF_RUN: [&str; 4] = ["TaskArgs", "RetainArgs", "DriftArgs", "SearchArgs"];

/// Of these, what a run may be continued with: data may have been moved, which is checked, and the task is, too; the others change
/// nothing that was logged.
const FREE: [&str; 5] = ["task", "data", "jinja", "generations", "residual"];

/// Returns what is wrong with flags that each make sense alone.
pub fn misuse(command: &Command, matches: &ArgMatches) -> Option<String> {
    let (name, matches) = matches.subcommand()?;
    let flag = |groups: &[&str]| first_given(command.find_subcommand(name)?, matches, groups);
    match name {
        "tune" if matches.get_flag("resume") => flag(&OF_RUN).map(|flag| {
            format!("--{flag} cannot be used with --resume: the run goes on with its log's settings")
        }),
        "eval" if matches.contains_id("log") && !matches.contains_id("task") => flag(&["TaskArgs"])
            .map(|flag| format!("--{flag} needs --task: without one, the log's task is taken as it is")),
        _ => None,
    }
}

/// Returns the name of the first flag of these groups that was typed and is not [`FREE`].
fn first_given<'a>(command: &'a Command, matches: &ArgMatches, groups: &[&str]) -> Option<&'a str> {
    let given = groups.iter().filter_map(|group| matches.get_many::<Id>(group)).flatten();
    let id = given.into_iter().find(|id| !FREE.contains(&id.as_str()))?;
    command.get_arguments().find(|arg| arg.get_id() == id)?.get_long()
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::super::command;
    use super::*;

    fn misuse_of(words: &[&str]) -> Option<String> {
        let matches = command().try_get_matches_from([&["qes-gguf"], words].concat()).unwrap();
        misuse(&command(), &matches)
    }

    /// A value that an argument takes.
    fn value(arg: &Arg) -> String {
        let first = arg.get_possible_values().first().map(|value| value.get_name().to_owned());
        match arg.get_id().as_str() {
            "operations" => "+".to_owned(),
            "prompt_form" => "lines".to_owned(),
            _ => first.unwrap_or("1".to_owned()),
        }
    }

    #[test]
    fn what_a_log_says_is_refused_when_a_run_is_continued() {
        let program = command();
        let tune = program.find_subcommand("tune").unwrap();
        let members = |group: &str| tune.get_groups().find(|of| of.get_id() == group).unwrap().get_args();
        let mut refused = 0;
        for id in OF_RUN.into_iter().flat_map(members) {
            let arg = tune.get_arguments().find(|arg| arg.get_id() == id).unwrap();
            let flag = format!("--{}", arg.get_long().unwrap());
            let value = value(arg);
            let mut words = vec!["tune", "x.gguf", "--resume", &flag];
            words.extend(arg.get_action().takes_values().then_some(value.as_str()));
            if matches!(id.as_str(), "retain_weight" | "retain_prompts") {
                words.extend(["--retain", "arith"]);
            }
            let said = misuse_of(&words);
            if FREE.contains(&id.as_str()) {
                assert_eq!(said, None, "{flag}");
                continue;
            }
            refused += 1;
            let said = said.unwrap();
            assert!(said.contains(" cannot be used with --resume"), "{said}");
            assert!(said.starts_with(&flag) || said.starts_with("--retain "), "{flag}: {said}");
            assert_eq!(misuse_of(&[&words[..2], &words[3..]].concat()), None, "{flag} without --resume");
        }
        assert!(refused > 45, "only {refused} flags");
    }

    #[test]
    fn flags_of_a_task_need_a_task_where_a_log_is_evaluated() {
        let said = misuse_of(&["eval", "x.gguf", "--log", "run.qes", "--digits", "1"]).unwrap();
        assert!(said.starts_with("--digits needs --task"), "{said}");
        for words in
            ["eval x.gguf --log run.qes --data x", "eval x.gguf --log run.qes --task arith --digits 1"]
        {
            assert_eq!(misuse_of(&words.split(' ').collect::<Vec<_>>()), None, "{words}");
        }
    }
}
