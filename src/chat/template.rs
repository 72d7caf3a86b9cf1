//! Templates that are compiled and run.

use std::borrow::Cow;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use regex::Regex;

use super::error::Refusal;
use super::{ChatSettings, Date, TemplateError, bounds, python};
use crate::dataset::Message;

/// The name that a template has in its environment.
const NAME: &str = "chat";

/// Instructions that a template may take, and units of 64 bytes that it may fill, besides those for long messages.
const FUEL: u64 = 1_000_000;

/// Additional instructions for each byte of the messages.
const FUEL_OF_BYTE: u64 = 16;

/// Longest template that is read, in bytes; those of models have up to 20,000.
const MAX_BYTES: usize = 1 << 20;

/// Most levels of recursion.
const RECURSION: usize = 200;

/// Most digits of a width in a format.
const WIDTH_DIGITS: usize = 4;

/// Text that begins the thoughts before a reply.
const THINK: &str = "<think>";

/// Keys under which templates look for thoughts that are separate from a reply.
const PARTED: [&str; 2] = ["reasoning_content", "thinking"];

/// Placeholder for thoughts, used to find out whether the template writes them.
const THOUGHT: &str = "QESTHOUGHTMARK";

/// Variables by which templates ask for today's date, in the formats of llama.cpp's server.
pub(super) const DATES: [(&str, &str); 2] = [("date_string", "%d %b %Y"), ("datetime", "%b %d %Y")];

/// Names of a model's special tokens that templates write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speaker {
    /// The token that begins a text; empty if there is none.
    pub bos: String,
    /// The token that ends a text; empty if there is none.
    pub eos: String,
}

/// A compiled template with all it needs to write conversations.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    /// Variables that are the same for every conversation.
    common: Vec<(String, Value)>,
    /// `true` if it takes thoughts separately from replies.
    parts_thoughts: bool,
}

impl Template {
    /// Compiles the text of a template.
    ///
    /// # Errors
    /// When it is not a valid template.
    pub fn new(text: &str, speaker: &Speaker, settings: &ChatSettings) -> Result<Self, TemplateError> {
        if text.len() > MAX_BYTES {
            let reason = format!("it has {} bytes, more than {MAX_BYTES}", text.len());
            return Err(TemplateError::Syntax { reason });
        }
        let mut environment = environment(settings.date);
        environment
            .add_template_owned(NAME, bounds::bounded(&without_generation_tags(text)))
            .map_err(|error| TemplateError::of_syntax(&error))?;
        let variables = [
            // A template may ask whether these are there, or whether they are none.
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("bos_token", speaker.bos.as_str().into()),
            ("eos_token", speaker.eos.as_str().into()),
            // A variable that llama.cpp's server gives to every template by default.
            ("enable_thinking", true.into()),
        ];
        let today = settings
            .date
            .into_iter()
            .flat_map(|date| DATES.map(|(name, form)| (name, date.format(form).into())));
        let mut common: Vec<(String, Value)> =
            variables.into_iter().chain(today).map(|(name, value)| (name.to_owned(), value)).collect();
        // What the user says comes last, and counts.
        common.extend(settings.kwargs.iter().map(|(name, value)| (name.clone(), python::value(value))));
        let mut template = Self { environment, common, parts_thoughts: false };
        let names_them = PARTED.iter().any(|key| text.contains(key));
        template.parts_thoughts = names_them && !text.contains(THINK) && template.writes_parted();
        Ok(template)
    }

    /// Returns whether the template writes thoughts that are separate from a reply.
    fn writes_parted(&self) -> bool {
        let reply = Message { role: "assistant".to_owned(), content: format!("{THINK}{THOUGHT}</think>") };
        let conversation = [Message::user("Hi"), reply];
        let messages = Value::from(conversation.iter().map(|one| message(one, true)).collect::<Vec<_>>());
        self.write_messages(messages, false, 0).is_ok_and(|text| text.contains(THOUGHT))
    }

    /// Returns the conversation in the template; if `begins_reply`, up to the start of the assistant's reply.
    ///
    /// # Errors
    /// When the template refuses it, fails, or does not end.
    pub fn render(&self, conversation: &[Message], begins_reply: bool) -> Result<String, TemplateError> {
        let messages: Vec<Value> = conversation.iter().map(|one| message(one, self.parts_thoughts)).collect();
        let bytes = conversation.iter().map(|message| message.content.len()).sum();
        self.write_messages(messages.into(), begins_reply, bytes)
    }

    /// Runs the template on messages of this many bytes.
    fn write_messages(
        &self,
        messages: Value,
        begins_reply: bool,
        bytes: usize,
    ) -> Result<String, TemplateError> {
        let own = [("messages", messages), ("add_generation_prompt", begins_reply.into())];
        let common = self.common.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let variables = Value::from_pairs(own.into_iter().chain(common));
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(FUEL.saturating_add(FUEL_OF_BYTE.saturating_mul(bytes as u64))));
        let template = environment.get_template(NAME).map_err(|error| TemplateError::of_syntax(&error))?;
        template.render(variables).map_err(|error| TemplateError::of_run(&error))
    }
}

/// Returns a message in the form for templates, with the thoughts at its start separate if the template takes them so.
fn message(message: &Message, parts_thoughts: bool) -> Value {
    let (role, content) = (message.role.as_str(), message.content.as_str());
    let parted = content.trim_start().strip_prefix(THINK).and_then(|rest| rest.split_once("</think>"));
    match parted.filter(|_| parts_thoughts && role == "assistant") {
        Some((thoughts, reply)) => {
            let (thoughts, reply) = (thoughts.trim(), reply.trim_start());
            let own = [("role", role), ("content", reply)];
            Value::from_pairs(own.into_iter().chain(PARTED.map(|key| (key, thoughts))))
        }
        None => Value::from_pairs([("role", role), ("content", content)]),
    }
}

/// Returns whether a template knows thoughts before a reply, as part of it or separate.
pub fn knows_thoughts(text: &str) -> bool {
    let parts = || {
        Template::new(text, &Speaker::default(), &ChatSettings::default())
            .is_ok_and(|template| template.parts_thoughts)
    };
    text.contains(THINK) || text.contains("</think>") || parts()
}

/// Returns a Jinja environment set up as `transformers` does it.
fn environment(date: Option<Date>) -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.unwrap_or_default());
    environment.set_recursion_limit(RECURSION);
    environment.set_unknown_method_callback(method);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("tojson", python::tojson);
    environment.add_test("iterable", python::is_iterable);
    environment.add_test("sequence", python::is_sequence);
    bounds::set_up(&mut environment);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        let kind = ErrorKind::InvalidOperation;
        Err(Error::new(kind, "the template raised an exception").with_source(Refusal(message)))
    });
    if let Some(date) = date {
        environment.add_function("strftime_now", move |form: String| date.format(&form));
    }
    environment
}

/// Calls a method of Python's strings, lists and dictionaries.
fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    // A width in a format is memory that nobody counts.
    let is_wide =
        |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > WIDTH_DIGITS);
    if name == "format" && value.as_str().is_some_and(is_wide) {
        return Err(Error::new(ErrorKind::InvalidOperation, "a format is too wide"));
    }
    unknown_method_callback(state, value, name, arguments)
}

/// Returns the template with its `{% generation %}` tags as blocks that are always taken. They write nothing; they
/// mark what `transformers` trains on.
fn without_generation_tags(text: &str) -> Cow<'_, str> {
    if !text.contains("generation") {
        return Cow::Borrowed(text);
    }
    let replace =
        |text: &str, tag: &str, by: &str| match Regex::new(&format!(r"\{{%([-+]?)\s*{tag}\s*([-+]?)%\}}")) {
            Ok(pattern) => pattern.replace_all(text, format!("{{%${{1}} {by} ${{2}}%}}")).into_owned(),
            Err(_) => text.to_owned(),
        };
    Cow::Owned(replace(&replace(text, "generation", "if true"), "endgeneration", "endif"))
}
