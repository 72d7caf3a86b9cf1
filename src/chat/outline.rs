//! The parts that a template writes around messages, for programs that cannot run it.

use super::TemplateError;
use crate::dataset::Message;

/// Placeholders for messages, used to find the text around them. Templates strip white space and reasoning, and these
/// have neither.
const MARKS: [&str; 6] = ["QESMARKSYSTEM", "QESMARKA", "QESMARKB", "QESMARKC", "QESMARKD", "QESMARKE"];

/// The texts around the messages of a conversation that alternates between user and assistant, perhaps after a system message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Text before the first message if there is no system message; it includes a default one.
    pub begin: String,
    /// Texts before and after a system message; `None` if none is written.
    pub system: Option<(String, String)>,
    /// Text after a message of the user.
    pub asked: String,
    /// Text before a reply, following `asked`.
    pub lead: String,
    /// Text after a reply.
    pub replied: String,
    /// Text after the last message, following `asked`, where a reply begins.
    pub opens: String,
    /// `true` if white space around messages is cut off.
    pub trims: bool,
}

impl Outline {
    /// Finds the parts by rendering conversations, up to where a reply begins. `None` if the template's output is not
    /// made of such parts.
    pub fn of(render: impl Fn(&[Message]) -> Result<String, TemplateError>) -> Option<Self> {
        let [begin, after_user, replied, last] = parts(&render(&talk(&MARKS[1..4])).ok()?, &MARKS[1..4])?;
        let (asked, lead, opens) = match (last.strip_prefix(&*after_user), after_user.strip_prefix(&*last)) {
            (Some(opens), _) => (after_user.clone(), String::new(), opens.to_owned()),
            (None, Some(lead)) => (last.clone(), lead.to_owned(), String::new()),
            (None, None) => return None,
        };
        let system = render(&told(&MARKS[1..2])).ok().and_then(|text| parts(&text, &MARKS[..2]));
        let system = system.map(|[before, after, _]: [String; 3]| (before, after));
        let spaced = format!("  {}  ", MARKS[1]);
        let trims = !render(&[Message::user(&*spaced)]).ok()?.contains(&spaced);
        let outline = Self { begin, system, asked, lead, replied, opens, trims };
        outline.holds(&render).then_some(outline)
    }

    /// Returns a conversation rendered from these parts.
    fn written(&self, conversation: &[Message]) -> String {
        let has_system = conversation.first().is_some_and(|message| message.role == "system");
        let mut text = if has_system { String::new() } else { self.begin.clone() };
        for Message { role, content } in conversation {
            let (before, after) = match (role.as_str(), &self.system) {
                ("system", Some((before, after))) => (before, after),
                ("assistant", _) => (&self.lead, &self.replied),
                _ => (&String::new(), &self.asked),
            };
            text += &[before, content.as_str(), after].concat();
        }
        text + &self.opens
    }

    /// Returns whether these parts also give the template's text for other conversations.
    fn holds(&self, render: impl Fn(&[Message]) -> Result<String, TemplateError>) -> bool {
        let marks = &MARKS[1..];
        let bare = [1, 3, 5].map(|count| talk(&marks[..count]));
        let with_system = [1, 3, 5].map(|count| told(&marks[..count]));
        let with_system = with_system.into_iter().filter(|_| self.system.is_some());
        let mut all = bare.into_iter().chain(with_system);
        all.all(|conversation| render(&conversation).is_ok_and(|text| text == self.written(&conversation)))
    }
}

/// Returns a conversation of these texts, the user's first.
fn talk(texts: &[&str]) -> Vec<Message> {
    let roles = ["user", "assistant"].into_iter().cycle();
    roles.zip(texts).map(|(role, content)| message(role, content)).collect()
}

/// Returns a conversation of these texts, the first of them a system message.
fn told(texts: &[&str]) -> Vec<Message> {
    [vec![message("system", MARKS[0])], talk(texts)].concat()
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned() }
}

/// Returns the texts before, between and after the marks, each of which must occur once and in order.
fn parts<const N: usize>(text: &str, marks: &[&str]) -> Option<[String; N]> {
    let (mut parts, mut rest) = (Vec::with_capacity(N), text);
    for mark in marks {
        let (before, after) = rest.split_once(mark)?;
        parts.push(before.to_owned());
        rest = after;
    }
    parts.push(rest.to_owned());
    let is_clean = |part: &String| MARKS.iter().all(|mark| !part.contains(mark));
    parts.try_into().ok().filter(|parts: &[String; N]| parts.iter().all(is_clean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatSettings, Speaker, Template, named};

    fn outline(text: &str) -> Option<Outline> {
        let speaker = Speaker { bos: "<s>".to_owned(), eos: "</s>".to_owned() };
        let template = Template::new(text, &speaker, &ChatSettings::default()).unwrap();
        Outline::of(|conversation| template.render(conversation, true))
    }

    #[test]
    fn the_parts_of_plain_formats_are_found() {
        let found = outline(include_str!("../../tests/chat_templates/smollm2.jinja")).unwrap();
        assert!(found.begin.starts_with("<|im_start|>system\nYou are a helpful AI assistant named SmolLM"));
        assert!(found.begin.ends_with("<|im_end|>\n<|im_start|>user\n"), "{found:?}");
        let (before, after) = found.system.unwrap();
        assert_eq!(before, "<|im_start|>system\n");
        assert_eq!(after, "<|im_end|>\n<|im_start|>user\n");
        assert_eq!(found.asked, "<|im_end|>\n<|im_start|>assistant\n");
        assert_eq!(found.replied, "<|im_end|>\n<|im_start|>user\n");
        assert_eq!((&*found.lead, &*found.opens, found.trims), ("", "", false));

        let found = outline(named("llama2").unwrap()).unwrap();
        assert_eq!((&*found.begin, &*found.asked, &*found.lead), ("<s>[INST] ", " [/INST]", " "));
        assert_eq!(found.system.unwrap(), ("<s>[INST] <<SYS>>\n".to_owned(), "\n<</SYS>>\n\n".to_owned()));
        let refusing = outline(include_str!("../../tests/chat_templates/like-gemma-2.jinja")).unwrap();
        assert_eq!((refusing.system, refusing.trims), (None, true));
        assert!(outline("{% for m in messages %}{{ m.content }}{{ loop.index }}{% endfor %}").is_none());
        assert!(outline("{{ messages[0].content }}").is_none());
    }
}
