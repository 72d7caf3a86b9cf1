//! From problems to requests: the chat template, the system message, and names of control tokens in the user's data.

use super::EvaluationError;
use crate::chat::{ChatSettings, Special, Template, TemplateError, literally, marked};
use crate::engine::{Request, Vocabulary};
use crate::task::{Message, Problem, Prompt};

/// Placeholder for the user's message, used to find the text that a template writes after one.
const MARK: &str = "QESUSERMARK";

/// Fewest characters that a template must write after the user's message, so that a prompt with them is recognized as
/// rendered already.
const TELLING: usize = 4;

/// Writer of a model's prompts and replies.
pub(super) struct Prompter<'a> {
    vocabulary: &'a Vocabulary,
    template: Option<Template>,
    system: Option<&'a str>,
    special: Special,
    /// The template's text between the user's message and the reply.
    turn: String,
}

/// One problem in the engine's form.
#[derive(Debug)]
pub(super) struct Prompted {
    pub(super) request: Request,
    /// `true` if it is in the chat template.
    pub(super) chat: bool,
    /// Text of the template before a reply, if that is white space.
    pub(super) lead: String,
    /// A text that ends a reply, if no end-of-generation token of the model does.
    pub(super) stop: Option<String>,
}

impl<'a> Prompter<'a> {
    /// Compiles the template in use: the model's own, or the one in the settings.
    pub(super) fn new(
        vocabulary: &'a Vocabulary,
        settings: &ChatSettings,
        system: Option<&'a str>,
    ) -> Result<Self, EvaluationError> {
        let text = settings.text(vocabulary.chat_template.as_deref())?;
        let template = text.map(|text| Template::new(text, &vocabulary.speaker, settings)).transpose()?;
        // A template that refuses this says so of the first conversation too.
        let probe = template.as_ref().and_then(|template| template.render(&[Message::user(MARK)], true).ok());
        let turn = match probe.as_deref().map(|text| text.split_once(MARK)) {
            Some(None) => return Err(TemplateError::Deaf.into()),
            Some(Some((_, turn))) => turn.trim(),
            None => "",
        };
        Ok(Self { turn: turn.to_owned(), vocabulary, template, system, special: settings.special })
    }

    /// Returns the prompt of a problem, with the reply to be scored, if any.
    pub(super) fn ask(&self, problem: &Problem, reply: Option<&str>) -> Result<Prompted, EvaluationError> {
        let Problem { prompt: Prompt { plain, chat }, goes_on, .. } = problem;
        let what = reply_or_text(problem);
        let reply = self.meant(problem, what, reply.unwrap_or_default())?;
        if chat.is_empty() && self.system.is_some() {
            return Err(EvaluationError::NoConversation { place: problem.place.to_string() });
        }
        match &self.template {
            Some(template) if !chat.is_empty() => self.ask_in(template, problem, &reply),
            _ if self.system.is_some() => Err(EvaluationError::NoTemplate),
            _ => {
                let prompt = self.meant(problem, "the prompt", plain)?;
                let request = request(&prompt, &reply, *goes_on);
                Ok(Prompted { request, chat: false, lead: String::new(), stop: None })
            }
        }
    }

    /// Returns the prompt of a problem in the template.
    fn ask_in(
        &self,
        template: &Template,
        problem: &Problem,
        reply: &str,
    ) -> Result<Prompted, EvaluationError> {
        let system =
            self.system.map(|content| Message { role: "system".to_owned(), content: content.to_owned() });
        let meant = |message: &Message| {
            self.refuse_written(problem, message)?;
            let content =
                self.meant(problem, &format!("the {}'s message", message.role), &message.content)?;
            Ok(Message { role: message.role.clone(), content })
        };
        let messages = system.iter().chain(&problem.prompt.chat);
        let conversation: Vec<Message> = messages.map(meant).collect::<Result<_, EvaluationError>>()?;
        let written = template
            .write(&conversation, reply)
            .map_err(|source| EvaluationError::Template { place: problem.place.to_string(), source })?;
        let (end, has_end) = self.cut(&written.end);
        let body = written.completion.strip_suffix(&*written.end).unwrap_or(&written.completion);
        let closed = self.vocabulary.ends.iter().any(|name| body.trim_end().ends_with(&**name));
        let stop = (!end.is_empty() && !has_end).then(|| end.to_owned());
        let goes_on = stop.is_some() || problem.goes_on;
        let (completion, lead) = match (reply.is_empty(), closed) {
            (true, _) => (String::new(), &written.lead),
            (false, true) => (body.trim_end().to_owned(), &written.lead),
            (false, false) => (format!("{body}{end}"), &written.lead),
        };
        let lead = if lead.trim().is_empty() { lead.clone() } else { String::new() };
        Ok(Prompted { request: request(&written.prompt, &completion, goes_on), chat: true, lead, stop })
    }

    /// Returns the template's text after a reply, up to the first token that ends generation, and whether there is one.
    fn cut<'t>(&self, end: &'t str) -> (&'t str, bool) {
        let ends = self.vocabulary.ends.iter().filter(|name| !name.is_empty());
        let first = ends.filter_map(|name| end.find(&**name).map(|place| (place, place + name.len()))).min();
        first.map_or_else(|| (end.trim_end(), false), |(_, to)| (&end[..to], true))
    }

    /// Returns a text of the user's, with the names of control tokens in it as the settings treat them.
    fn meant(&self, problem: &Problem, what: &str, text: &str) -> Result<String, EvaluationError> {
        let mut names = self.vocabulary.control.find(text);
        Ok(match self.special {
            Special::Parse => text.to_owned(),
            Special::Text => marked(text, names),
            Special::Refuse => match names.next() {
                None => text.to_owned(),
                Some(name) => {
                    let (place, what) = (problem.place.to_string(), what.to_owned());
                    return Err(EvaluationError::ControlToken { place, what, name: text[name].to_owned() });
                }
            },
        })
    }

    /// Refuses a message that is already rendered in the template.
    fn refuse_written(&self, problem: &Problem, message: &Message) -> Result<(), EvaluationError> {
        let is_telling = self.turn.chars().count() >= TELLING;
        if is_telling
            && self.special != Special::Text
            && message.role != "system"
            && message.content.contains(&self.turn)
        {
            return Err(EvaluationError::Written {
                place: problem.place.to_string(),
                turn: self.turn.clone(),
            });
        }
        Ok(())
    }

    /// Returns the first name of a control token in a problem, and the name of the problem's part with it.
    pub(super) fn control_token<'p>(&self, problem: &'p Problem) -> Option<(&'p str, String)> {
        let Prompt { plain, chat } = &problem.prompt;
        let name = reply_or_text(problem);
        let reply = |text: &'p Option<String>| text.iter().map(|text| (&**text, name.to_owned()));
        let messages = chat.iter().map(|m| (&*m.content, format!("the {}'s message", m.role)));
        let plain = chat.is_empty().then_some((&**plain, "the prompt".to_owned()));
        let mut texts = messages.chain(plain).chain(reply(&problem.wanted)).chain(reply(&problem.rejected));
        texts.find_map(|(text, what)| {
            self.vocabulary.control.find(text).next().map(|name| (&text[name], what))
        })
    }

    /// Returns the meaning of control tokens' names.
    pub(super) fn special(&self) -> Special {
        self.special
    }
}

/// Returns the name of a problem's wanted reply for messages: a text, if there is no prompt.
fn reply_or_text(Problem { prompt, .. }: &Problem) -> &'static str {
    if prompt.plain.is_empty() && prompt.chat.is_empty() { "the text" } else { "the reply" }
}

/// Returns a request for texts that may have marks of literal names.
fn request(prompt: &str, completion: &str, goes_on: bool) -> Request {
    let (prompt, mut literal) = literally(prompt);
    let (completion, places) = literally(completion);
    literal.extend(places.into_iter().map(|place| prompt.len() + place));
    Request { prompt, completion, goes_on, literal, first: None }
}
