//! Chat templates, which come with models: compiled, and made to write conversations.

use qes_gguf::chat::{ChatSettings, Outline, Speaker, Template};
use qes_gguf::task::Message;

use super::{Seeds, told};

/// Most bytes that a template may write of a few short messages.
const MOST: usize = 256 << 20;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let speaker = Speaker { bos: "<s>".to_owned(), eos: "</s>".to_owned() };
    let settings = ChatSettings { date: "2026-11-28".parse().ok(), ..ChatSettings::default() };
    let template = match Template::new(text, &speaker, &settings) {
        Ok(template) => template,
        Err(error) => return told(&error),
    };
    let message = |role: &str, content: &str| Message { role: role.to_owned(), content: content.to_owned() };
    let talk = [
        message("system", "Be brief."),
        message("user", "Hi"),
        message("assistant", "Ho."),
        message("user", "2+2?"),
    ];
    for (messages, begins) in [(&talk[..], true), (&talk[1..2], true), (&talk[1..3], false), (&[][..], false)]
    {
        match template.render(messages, begins) {
            Ok(text) => assert!(text.len() < MOST),
            Err(error) => told(&error),
        }
    }
    if let Err(error) = template.write(&talk, "<think>\nTwo.\n</think>\n\n4") {
        told(&error);
    }
    let _ = Outline::of(|conversation| template.render(conversation, true));
}

pub fn seeds() -> Seeds {
    let file = |text: &'static str| text.as_bytes().to_vec();
    let grown = |value: &str, shown: &str| {
        format!("{{% set ns = namespace(l=[1]) %}}{{% for a in range(60) %}}{{% set ns.l = {value} %}}{{% endfor %}}{{{{ {shown} }}}}")
            .into_bytes()
    };
    vec![
        ("chatml", file(include_str!("../../tests/chat_templates/chatml.jinja"))),
        ("qwen3", file(include_str!("../../tests/chat_templates/qwen3.jinja"))),
        ("gpt-oss", file(include_str!("../../tests/chat_templates/like-gpt-oss.jinja"))),
        ("llama-3.2", file(include_str!("../../tests/chat_templates/like-llama-3.2.jinja"))),
        ("list-doubled", grown("ns.l + ns.l", "ns.l|length")),
        ("list-in-lists", grown("[ns.l, ns.l]", "ns.l")),
        ("list-in-tuples", grown("ns.l, ns.l", "ns.l|tojson")),
        ("list-in-maps", grown("{'a': ns.l, 'b': ns.l}", "ns.l == ns.l")),
        ("text-doubled", grown("ns.l ~ ns.l", "ns.l")),
        ("product", file("{{ ['x' * 1000000] * 1000000 }}{{ ([1] * 100000000)|length }}")),
        ("namespaces", file("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}{{ namespace(b=ns) }}")),
        ("recursion", file("{% macro f(n, m=[n, n]) %}{{ f(m) }}{% endmacro %}{{ f(0) }}")),
        (
            "loops",
            file("{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}"),
        ),
        ("width", file("{{ '{:>1000000000}'.format('x') }}{{ '%1000000000d'|format(3) }}")),
        (
            "methods",
            file(
                "{{ 'a,b'.split(',')[::-1].index('a') }}{{ messages[0].items()|list }}{{ ' x '.strip().title() }}",
            ),
        ),
        (
            "brackets",
            file("{{ ((([{'a': (1, [2])}]))) }}{{ x[y[z[(1, 2)]]] + [}} {% set (a, b) = [1 + 2, 'a' * 3] %}"),
        ),
        (
            "signs",
            file("{{- +1 + -2 +}}{%- set x.y = z + 1, *a +%}{{ a ** b // c % d * 'it\\'s' + \"}}\" }}"),
        ),
        (
            "raw",
            file(
                "{% raw %}{{ [a + b] }}{%- endraw -%}{# {{ a + #}{% generation %}{{ 1 + 1 }}{% endgeneration %}",
            ),
        ),
        ("refusal", file("{{ raise_exception('no ' + strftime_now('%Y-%j')) }}")),
        ("open", file("{{ [[[[[[[[[[ 'a + b")),
    ]
}
