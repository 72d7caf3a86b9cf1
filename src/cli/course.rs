//! From a task's definition to someone who examines models: reads the user's data and makes the judges.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::args::RetainArgs;
use super::data::{Facts, Loaded};
use super::header::Subject;
use super::{UsageError, data, definition, drift};
use crate::chat::ChatSettings;
use crate::exam::Examiner;
use crate::judge::{Json, Judge, JudgeError, Numeric, Pattern};
use crate::recipe;
use crate::reward_command::{ANSWER_TIMEOUT, RewardCommand};
use crate::seed_log::{Header, MAX_PROBLEMS, RetainSpec, TaskSpec};
use crate::task::arith::Arith;
use crate::task::countdown::Countdown;
use crate::task::{Definition, Problems, Reward, RewardKind, Task};
use crate::tune::Examiners;

/// A task that is ready, and what identifies its data.
pub struct Course {
    task: Box<dyn Task>,
    data_sha256: Option<String>,
    /// What was found in the user's data.
    facts: Option<Facts>,
}

impl Course {
    /// Makes the task of a definition; reads the user's data.
    ///
    /// # Errors
    /// When data cannot be read or makes no sense.
    pub fn load(definition: &Definition) -> Result<Self> {
        if definition.is_code() {
            return Err(in_code(definition));
        }
        let of_data = |Loaded { task, sha256, facts }: Loaded| Self {
            task: Box::new(task),
            data_sha256: Some(sha256),
            facts: Some(facts),
        };
        let generated = |task: Box<dyn Task>| Self { task, data_sha256: None, facts: None };
        Ok(match &definition.problems {
            Problems::Arith(options) => generated(Box::new(Arith::new(options.clone())?)),
            Problems::Countdown(options) => generated(Box::new(Countdown::new(options.clone())?)),
            Problems::Code => return Err(in_code(definition)),
            Problems::Gsm8k(options) | Problems::Data(options) => {
                of_data(data::examples(definition, options)?)
            }
        })
    }

    /// Makes the task of a log again. A log may come from anyone, so a program that it names is run only where the user
    /// says that the log is `trusted`.
    ///
    /// # Errors
    /// When data cannot be read, makes no sense, or is not what it was, or the log names a program and is not trusted.
    pub fn of_log(definition: &Definition, data_sha256: Option<&str>, trusted: bool) -> Result<Self> {
        if let (false, Some(program)) = (trusted, definition.program()) {
            return Err(UsageError(format!(
                "the log's task would run this program: {}\nif it does what you want, say so with --trust-log",
                program.escape_debug()
            ))
            .into());
        }
        let name = &definition.name;
        let options = definition.problems.data();
        let path = options.map_or("", |options| &options.path);
        if options.is_some_and(|options| options.replies.is_none()) {
            bail!(
                "the log's task {name}: the run began with a version of this program that split {path} otherwise and knew one reply \
                 a conversation; `export` and `verify` do what they did, but start a new run with another -o to tune on"
            );
        }
        if !path.is_empty() && !Path::new(path).exists() {
            bail!(
                "the log's task {name}: cannot open {path}, as the run was told where its data are; go to the folder where it began, \
                 or say where they are now with --data"
            );
        }
        let course = Self::load(definition).with_context(|| format!("the log's task {name}"))?;
        if course.data_sha256.as_deref() != data_sha256 {
            bail!(
                "the log's task {name}: {path} is not what it was when the run began; bring it back as it was, or start a \
                 new run with another -o (or evaluate on another --task)"
            );
        }
        Ok(course)
    }

    /// Returns the definition with what only reading the data could tell of it.
    fn counted(&self, mut definition: Definition) -> Definition {
        if let (Some(options), Some(facts)) = (definition.problems.data_mut(), &self.facts) {
            options.shared = Some(facts.overlap.shared);
        }
        definition
    }

    /// Returns what was found in the user's data, of a task that has some.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// The examiner of the task.
    ///
    /// # Errors
    /// When a judge cannot be made.
    pub fn examiner(self, definition: &Definition, seed: u64) -> Result<Examiner> {
        Ok(Examiner::new(self.task, definition, seed, judge)?)
    }

    /// Returns someone who puts the problems of the task, and judges no reply.
    ///
    /// # Errors
    /// When a problem lacks what the task needs.
    pub fn unjudged_examiner(self, definition: &Definition) -> Result<Examiner> {
        Ok(Examiner::new(self.task, definition, 0, nobody)?)
    }
}

/// Makes no judge, where nothing is to be judged.
fn nobody(_: &Reward) -> Result<Option<Box<dyn Judge>>, JudgeError> {
    Ok(None)
}

/// Says that nobody but a program of the user's can make this task.
fn in_code(definition: &Definition) -> anyhow::Error {
    UsageError(format!(
        "the problems or rewards of the task {} are \"code\": only the program has them that used this library; resume with \
         that program, or name another --task",
        definition.name
    ))
    .into()
}

/// The judge of a reward that neither the task nor the engine judges.
fn judge(reward: &Reward) -> Result<Option<Box<dyn Judge>>, JudgeError> {
    Ok(match reward.kind {
        RewardKind::Loglik
        | RewardKind::SoftLoglik
        | RewardKind::Margin
        | RewardKind::Exact
        | RewardKind::Grammar
        | RewardKind::Code => None,
        RewardKind::Numeric => Some(Box::new(Numeric)),
        RewardKind::Regex => Some(Box::new(match &reward.pattern {
            Some(pattern) => Pattern::for_all(pattern)?,
            None => Pattern::of_each(),
        })),
        RewardKind::Json => {
            let json = reward.schema.as_ref().map_or_else(|| Ok(Json::any()), Json::of_schema)?;
            Some(Box::new(if reward.equal { json.equal_to_wanted() } else { json }))
        }
        RewardKind::Command => {
            let timeout = reward.timeout.map_or(ANSWER_TIMEOUT, Duration::from_secs_f64);
            let command = RewardCommand::new(reward.command.clone().unwrap_or_default(), timeout);
            Some(Box::new(command.on_timeout(reward.on_timeout)))
        }
    })
}

/// What a model is tuned on, and what it must not lose.
pub struct Courses {
    task: Course,
    retain: Option<Course>,
}

impl Courses {
    /// Makes the tasks of a new run, and says what they are.
    ///
    /// # Errors
    /// When data cannot be read, or the flags make no sense.
    pub fn load(definition: Definition, retain: &RetainArgs) -> Result<(Self, Subject)> {
        let task = Course::load(&definition)?;
        let definition = task.counted(definition);
        let data_sha256 = task.data_sha256.clone();
        let (retain, retain_spec) = retain_course(retain, &definition.chat)?.unzip();
        Ok((Self { task, retain }, Subject { definition, data_sha256, retain: retain_spec }))
    }

    /// Makes the tasks of a log again; `moved` is its task where the data are somewhere else now.
    ///
    /// # Errors
    /// When data cannot be read, makes no sense, or is not what it was, or the log names a program and is not trusted.
    pub fn of_log(spec: &TaskSpec, moved: Option<&Definition>, trusted: bool) -> Result<Self> {
        let definition = moved.unwrap_or(&spec.definition);
        let task = Course::of_log(definition, spec.data_sha256.as_deref(), trusted)?;
        let retain = spec.retain.as_ref();
        let retain =
            retain.map(|spec| Course::of_log(&spec.definition, spec.data_sha256.as_deref(), trusted));
        Ok(Self { task, retain: retain.transpose()? })
    }

    /// Returns what the user should know of the data.
    pub fn warnings(&self) -> Vec<String> {
        let retained = self.retain.iter().filter_map(Course::facts);
        self.task.facts().into_iter().chain(retained).flat_map(Facts::warnings).collect()
    }

    /// Returns what is tuned on and what is held out, in a line.
    pub fn line(&self) -> Option<String> {
        self.task.facts().map(Facts::line)
    }

    /// Those who examine the members of a run with this header.
    ///
    /// # Errors
    /// When a judge cannot be made, or the neutral set is not what it was.
    pub fn examiners(self, header: &Header) -> Result<Examiners> {
        let seed = header.settings.seed;
        let retain = self.retain.zip(header.task.retain.as_ref());
        Ok(Examiners {
            task: self.task.examiner(&header.task.definition, seed)?,
            retain: retain.map(|(course, spec)| course.examiner(&spec.definition, seed)).transpose()?,
            neutral: drift::neutral(header.task.drift.as_ref())?,
        })
    }
}

/// `chat` is how the task's conversations are written, and those of what is retained too where it says nothing itself.
fn retain_course(args: &RetainArgs, chat: &ChatSettings) -> Result<Option<(Course, RetainSpec)>> {
    let Some(retained) = &args.retain else { return Ok(None) };
    let weight = args.retain_weight.unwrap_or(0.0);
    if !(0.0..=1e6).contains(&weight) {
        let message = format!("--retain-weight is {weight}, but must be from 0 to 1000000");
        return Err(UsageError(message).into());
    }
    let prompts = args.retain_prompts.unwrap_or(recipe::RETAIN_PROMPTS);
    if !(1..=MAX_PROBLEMS).contains(&prompts) {
        let message = format!("--retain-prompts is {prompts}, but must be from 1 to {MAX_PROBLEMS}");
        return Err(UsageError(message).into());
    }
    let mut definition = definition::of_retained(retained)?;
    if definition.chat.is_default() {
        definition.chat = chat.clone();
    }
    let course = Course::load(&definition).context("--retain")?;
    let definition = course.counted(definition);
    let data_sha256 = course.data_sha256.clone();
    Ok(Some((course, RetainSpec { definition, data_sha256, weight, prompts })))
}
