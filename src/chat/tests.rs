//! Templates of models, run, and compared with what Python's Jinja makes of them.

use serde_json::{Value, json};

use super::*;
use crate::dataset::Message;

/// The templates of `tests/chat_templates`, by name.
macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../tests/chat_templates/", $name, ".jinja")))),*]
    };
}

const TEMPLATES: [(&str, &str); 16] = templates![
    "chatml",
    "deepseek-r1-distill",
    "granite-3.0",
    "like-gemma-2",
    "like-gemma-3",
    "like-gpt-oss",
    "like-llama-2",
    "like-llama-3.2",
    "like-qwen2.5",
    "like-smollm3",
    "mistral-v0.3",
    "phi-3-small",
    "phi-4",
    "qwen3",
    "smollm2",
    "zephyr",
];

fn speaker() -> Speaker {
    Speaker { bos: "<s>".to_owned(), eos: "</s>".to_owned() }
}

fn settings(kwargs: &Value) -> ChatSettings {
    ChatSettings {
        kwargs: kwargs.as_object().cloned().unwrap_or_default(),
        date: Some("2026-11-28".parse().unwrap()),
        ..ChatSettings::default()
    }
}

/// A template by its name in `tests/chat_templates`, or by its text.
fn template(name: &str, kwargs: &Value) -> Template {
    let text = TEMPLATES.iter().find(|(known, _)| *known == name).map_or(name, |(_, text)| text);
    Template::new(text, &speaker(), &settings(kwargs)).unwrap()
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned() }
}

fn messages(json: &Value) -> Vec<Message> {
    let text = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
    let list = json.as_array().unwrap().iter();
    list.map(|message| Message { role: text(message, "role"), content: text(message, "content") }).collect()
}

#[test]
fn templates_write_what_python_writes() {
    let expected: Value =
        serde_json::from_str(include_str!("../../tests/chat_templates/expected.json")).unwrap();
    let cases = expected["cases"].as_array().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let conversation =
            messages(&expected["conversations"][case["conversation"].as_u64().unwrap() as usize]);
        let template = template(case["template"].as_str().unwrap(), &case["kwargs"]);
        let written = template.render(&conversation, case["begins_reply"].as_bool().unwrap());
        let as_expected = match &written {
            Ok(text) => case["text"] == text.as_str(),
            Err(TemplateError::Refused { message }) => case["refused"] == message.as_str(),
            Err(_) => false,
        };
        if !as_expected {
            wrong.push(format!("{case}\nis {written:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    for (name, _) in TEMPLATES {
        assert!(cases.iter().filter(|case| case["template"] == name).count() >= 14, "{name}");
    }
}

/// Prompt and completion of a reply to "Hi ".
fn written(name: &str, kwargs: &Value, reply: &str) -> (String, String, String, String) {
    let Written { prompt, completion, lead, end } =
        template(name, kwargs).write(&[Message::user("Hi ")], reply).unwrap();
    (prompt, completion, lead, end)
}

#[test]
fn a_reply_ends_as_the_template_ends_it() {
    let none = json!({});
    for (name, completion, lead, end) in [
        ("smollm2", "Yes.<|im_end|>\n", "", "<|im_end|>\n"),
        ("like-qwen2.5", "Yes.<|im_end|>\n", "", "<|im_end|>\n"),
        ("like-llama-3.2", "Yes.<|eot_id|>", "", "<|eot_id|>"),
        ("like-llama-2", " Yes. </s>", " ", " </s>"),
        ("mistral-v0.3", " Yes.</s>", " ", "</s>"),
        ("like-gemma-2", "Yes.<end_of_turn>\n", "", "<end_of_turn>\n"),
        ("like-gemma-3", "Yes.<end_of_turn>\n", "", "<end_of_turn>\n"),
        ("phi-3-small", "Yes.<|end|>\n</s>", "", "<|end|>\n</s>"),
        ("phi-4", "Yes.<|im_end|>", "", "<|im_end|>"),
        ("zephyr", "Yes.</s>\n", "", "</s>\n"),
        ("granite-3.0", "Yes.<|end_of_text|>\n", "", "<|end_of_text|>\n"),
        (
            "like-gpt-oss",
            "<|channel|>final<|message|>Yes.<|return|>",
            "<|channel|>final<|message|>",
            "<|return|>",
        ),
    ] {
        let (_, completed, led, ended) = written(name, &none, "Yes.");
        assert_eq!((&*completed, &*led, &*ended), (completion, lead, end), "{name}");
    }
}

#[test]
fn templates_of_reasoning_models_write_replies_with_and_without_it() {
    let fast = json!({ "enable_thinking": false });
    let empty = "<think>\n\n</think>\n\n";
    let (prompt, completion, ..) = written("qwen3", &fast, "Yes.");
    assert!(prompt.ends_with(&format!("<|im_start|>assistant\n{empty}")), "{prompt}");
    assert_eq!(completion, "Yes.<|im_end|>\n");
    let (prompt, completion, ..) = written("qwen3", &json!({}), "Yes.");
    assert!(prompt.ends_with("<|im_start|>assistant\n"), "{prompt}");
    assert_eq!(completion, format!("{empty}Yes.<|im_end|>\n"));
    let (_, completion, ..) = written("qwen3", &json!({}), "<think>\nWhy not?\n</think>\n\nYes.");
    assert_eq!(completion, "<think>\nWhy not?\n</think>\n\nYes.<|im_end|>\n");
    // The prompt opens the reasoning, and finished turns come without it: the reply stays as it is given.
    let (prompt, completion, ..) =
        written("deepseek-r1-distill", &json!({}), "<think>\nWhy not?\n</think>\n\nYes.");
    assert!(prompt.ends_with("<｜Assistant｜><think>\n"), "{prompt}");
    assert_eq!(completion, "Why not?\n</think>\n\nYes.<｜end▁of▁sentence｜>");
}

#[test]
fn thoughts_are_apart_where_a_template_has_a_place_for_them() {
    let reply = "<think>\nWhy not?\n</think>\n\nYes.";
    let apart = "{% for m in messages %}[{{ m.role }}{% if m.reasoning_content %}: {{ m.reasoning_content }}{% endif %}] \
                 {{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant{% endif %}";
    let of_apart = Template::new(apart, &speaker(), &settings(&json!({}))).unwrap();
    assert_eq!(of_apart.write(&[Message::user("Hi")], reply).unwrap().completion, ": Why not?] Yes.");
    assert_eq!(of_apart.write(&[Message::user("Hi")], "Yes.").unwrap().completion, "] Yes.");
    // One that knows the marks, or nothing of thoughts, gets the reply as it is.
    assert!(written("chatml", &json!({}), reply).1.starts_with(reply));
    assert!(knows_thoughts(apart) && knows_thoughts("<think>") && !knows_thoughts("{{ messages }}"));
    // The name of a switch (LFM2.5, Apertus), and thoughts that are written elsewhere alone (Gemma 4): nothing is left out.
    for named in ["{% set keep_past_thinking = true %}", "{% if messages[0].reasoning_content %}{% endif %}"]
    {
        let text =
            format!("{named}{{% for m in messages %}}[{{{{ m.role }}}}] {{{{ m.content }}}}{{% endfor %}}");
        assert!(written(&text, &json!({}), reply).1.contains("Why not?"), "{named}");
        assert!(!knows_thoughts(&text), "{named}");
    }
}

#[test]
fn templates_see_what_llama_cpps_server_says_to_them() {
    let said = "{{ enable_thinking }} {{ date_string }} {{ datetime }}";
    let render = |kwargs: Value| template(said, &kwargs).render(&[Message::user("Hi")], true).unwrap();
    assert_eq!(render(json!({})), "True 28 Nov 2026 Nov 28 2026");
    assert_eq!(render(json!({"enable_thinking": false, "date_string": "today"})), "False today Nov 28 2026");
}

#[test]
fn tests_of_values_are_pythons() {
    let asked = "{% for v in vs %}{{ (v is iterable)|int }}{{ (v is sequence)|int }} {% endfor %}{{ (u is iterable)|int }}\
                 {{ (u is sequence)|int }}";
    let values = json!({"vs": [null, true, 3, 1.5, "a", [1], {"a": 1}]});
    // As Python's Jinja 3.1 has it.
    assert_eq!(template(asked, &values).render(&[], true).unwrap(), "00 00 00 00 11 11 11 11");
}

#[test]
fn a_template_without_replies_says_nothing_of_their_end() {
    let (prompt, completion, lead, end) = written("{{ messages[0].content }}>", &json!({}), "Yes.");
    assert_eq!((&*prompt, &*completion, &*lead, &*end), ("Hi >", "Yes.", "", ""));
}

#[test]
fn named_templates_write_the_formats_of_their_models() {
    let conversation = [
        message("system", "Be brief."),
        message("user", "Hi"),
        message("assistant", "Hello."),
        message("user", "2+2?"),
    ];
    // Where a model's own template does more than the format, the part of it that both write.
    for (name, model) in [
        ("chatml", "chatml"),
        ("gemma", "like-gemma-3"),
        ("granite", "granite-3.0"),
        ("llama2", "like-llama-2"),
        ("phi4", "phi-4"),
        ("zephyr", "zephyr"),
    ] {
        let ours = Template::new(named(name).unwrap(), &speaker(), &settings(&json!({}))).unwrap();
        for (messages, begins) in
            [(&conversation[..], true), (&conversation[1..2], true), (&conversation[..3], false)]
        {
            let of_model = template(model, &json!({})).render(messages, begins).unwrap();
            assert_eq!(ours.render(messages, begins).unwrap(), of_model, "{name}");
        }
    }
    let render = |name: &str| {
        Template::new(named(name).unwrap(), &speaker(), &settings(&json!({})))
            .unwrap()
            .render(&conversation, true)
            .unwrap()
    };
    assert!(render("llama3").ends_with(
        "Hello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_id|>\
                                        <|start_header_id|>assistant<|end_header_id|>\n\n"
    ));
    assert_eq!(render("mistral-v3"), "<s>[INST] Be brief.\n\nHi[/INST] Hello.</s>[INST] 2+2?[/INST]");
    assert!(
        render("phi3")
            .starts_with("<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello.<|end|>\n")
    );
    assert_eq!(NAMES.len(), 9);
}

#[test]
fn a_template_says_itself_why_it_refuses() {
    let conversation = [message("system", "Be brief."), message("user", "Hi")];
    let error = template("like-gemma-2", &json!({})).render(&conversation, true).unwrap_err();
    assert_eq!(error.to_string(), "the chat template refuses this conversation: System role not supported");
}

#[test]
fn what_is_no_template_is_told_with_its_line() {
    for (text, part) in [
        ("{% for x in %}", "cannot be read"),
        ("a\n{{ messages", "line 2"),
        ("{% include 'x' %}", "cannot be read"),
    ] {
        let error = Template::new(text, &speaker(), &ChatSettings::default()).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("--chat-template"), "{text}: {error}");
    }
    for (text, part) in [
        ("{{ nothing.at.all }}", "fails: undefined value"),
        ("\n\n{{ 1 + [] }}", "line 3"),
        ("{{ strftime_now('%Y') }}", "fails: unknown function"),
    ] {
        let template = Template::new(text, &speaker(), &ChatSettings::default()).unwrap();
        let error = template.render(&[Message::user("Hi")], true).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let long = "x".repeat((1 << 20) + 1);
    assert!(Template::new(&long, &speaker(), &ChatSettings::default()).is_err());
}

#[test]
fn hostile_templates_come_to_an_end() {
    for text in [
        "{% for a in range(100000) %}{% for b in range(100000) %}{{ b }}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='xxxxxxxx') %}{% for a in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x|length }}",
        "{{ 'x' * 100000000000 }}",
        "{{ ('x' * 1000000).replace('x', 'x' * 1000000) }}",
        "{{ ('x' * 1000000).join(range(100000)) }}",
        "{{ '{:>1000000000}'.format('x') }}",
        "{{ '%1000000000d'|format(3) }}",
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{{ range(10000000000)|list }}",
        "{% set x = 'a' %}{{ x|replace('a', 'b' * 1000000)|replace('b', 'c' * 1000000) }}",
        "{% set ns = namespace(l=[0] * 50000000) %}{% for a in range(40) %}{% set ns.l = [] + ns.l %}{% endfor %}",
        "{% set s = 'x' * 100000 %}{% set ns = namespace(l=[s] * 100000) %}{{ ns.l }}",
        "{% macro f(a, b=[a, a]) %}{{ f(b) }}{% endmacro %}{{ f(1) }}",
        "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
        "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a }}",
        "{% set ns = namespace(a=1) %}{% for x in range(60) %}{% set ns.a = namespace(b=ns.a, c=ns.a) %}{% endfor %}",
        "{% set ns = namespace(a=[1]) %}{% for x in range(60) %}{% set ns.a = (ns.a|list) * 2 %}{% endfor %}",
    ] {
        refused_in_bounds(text);
    }
    for grown in [
        "ns.l + ns.l",
        "ns.l|chain(ns.l)",
        "[ns.l, ns.l]",
        "{'a': ns.l, 'b': ns.l}",
        "(ns.l, ns.l)",
        "ns.l, ns.l",
        "dict(a=ns.l, b=ns.l)",
        "ns.l|zip(ns.l)|list",
        "[ns.l]",
    ] {
        let rounds = "{% set ns = namespace(l=[1]) %}{% for a in range(20000) %}{% set ns.l = ";
        refused_in_bounds(&format!("{rounds}{grown} %}}{{% endfor %}}{{{{ ns.l|tojson }}}}"));
    }
}

/// Checks that a template is refused.
fn refused_in_bounds(text: &str) {
    let template = Template::new(text, &speaker(), &ChatSettings::default()).unwrap();
    let error = template.render(&[Message::user("Hi")], true);
    let known = |e: &TemplateError| matches!(e, TemplateError::Endless | TemplateError::Fails { .. });
    assert!(error.as_ref().is_err_and(known), "{text}: {:?}", error.map(|text| text.len()));
}

#[test]
fn measured_templates_write_the_same() {
    let written = |text: &str| template_of(text).render(&[Message::user("Hi")], true).unwrap();
    for (text, says) in [
        (
            "{% for t in [1,2]+messages %}{{ t.role or t }}{% endfor %}{{ 'a'+'b'*2 }}{{ messages[0]['content']+messages[-1].role+'x'|upper }}{{ (1+2)*3 - -4 + 1 }}",
            "12userabbHiuserX14",
        ),
        (
            "{{- '+' + \"}}\" + 'it\\'s' -}} {%- set x = [1, 2, (3, 4), {'a': [1]}] -%} {{ x[0] + x[1] }}{{ x[2][1] }}{{ x[3]['a'][0] }}{% raw %}{{ [a + b] }}{% endraw %}{# [x + y #}",
            "+}}it's341{{ [a + b] }}",
        ),
        (
            "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k + '=' ~ v }}{% endfor %}{% set a, b = 1 + 1, [2] %}{{ a }}{{ b }}{% set (c, d) = (3, 4) %}{{ c + d }}",
            "a=1b=22[2]7",
        ),
        (
            "{%+ if 'x' in ['x', 'y'] and 1 + 1 == 2 +%}yes{% endif %}{{ [1,2,3][1:] + [4] }}{{ 'a' if [] + [] else 'b' + 'c' }}",
            "yes[2, 3, 4]bc",
        ),
        (
            "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(x, y) m() %}{{ x + y }}{% endcall %}{% set t %} x {% endset %}{{ t }}",
            "3 x ",
        ),
        (
            "{% set ns = namespace(x='', y=[]) %}{% set ns.x = ns.x + 'a' %}{% set ns.y = ns.y + [ns.x] %}{{ ns.y }}",
            "['a']",
        ),
    ] {
        assert_eq!(written(text), says, "{text}");
    }
}

fn template_of(text: &str) -> Template {
    Template::new(text, &speaker(), &ChatSettings::default()).unwrap()
}

#[test]
fn json_is_written_as_python_writes_it() {
    let kwargs = json!({ "x": { "b": [1, 2.5, null, true], "a": "<é\"\n>" }, "e": [], "f": {} });
    let written = |text: &str| template(text, &kwargs).render(&[], false).unwrap();
    assert_eq!(written("{{ x | tojson }}"), r#"{"a": "<é\"\n>", "b": [1, 2.5, null, true]}"#);
    assert_eq!(
        written("{{ x.b | tojson(indent=2) }}{{ e|tojson(indent=4) }}{{ f|tojson }}"),
        "[\n  1,\n  2.5,\n  null,\n  true\n][]{}"
    );
    assert_eq!(written("{{ x.a | tojson(ensure_ascii=False, separators=none) }}"), r#""<é\"\n>""#);
}

#[test]
fn settings_choose_the_template() {
    let with = |template: Option<&str>| ChatSettings {
        template: template.map(str::to_owned),
        ..ChatSettings::default()
    };
    assert_eq!(with(None).text(Some("{{ own }}")).unwrap(), Some("{{ own }}"));
    assert_eq!(with(None).text(None).unwrap(), None);
    assert_eq!(with(Some("{{ other }}")).text(Some("{{ own }}")).unwrap(), Some("{{ other }}"));
    assert_eq!(with(Some(NONE)).text(Some("{{ own }}")).unwrap(), None);
    assert_eq!(with(Some("chatml")).text(None).unwrap(), named("chatml"));
    let error = with(Some("chatlm")).text(None).unwrap_err().to_string();
    assert!(error.contains("chatlm") && error.contains("chatml, gemma") && error.contains("none"), "{error}");
}

#[test]
fn the_date_is_settled_where_the_template_asks_for_it() {
    let today: Date = "2026-11-28".parse().unwrap();
    let settled = |mut settings: ChatSettings, of_model| {
        settings.settle_date(of_model, today);
        settings.date
    };
    assert_eq!(settled(ChatSettings::default(), Some("{{ strftime_now('%Y') }}")), Some(today));
    assert_eq!(settled(ChatSettings::default(), Some("{{ date_string }}")), Some(today));
    assert_eq!(settled(ChatSettings::default(), Some("{{ messages }}")), None);
    let earlier: Date = "2025-01-01".parse().unwrap();
    let has = ChatSettings { date: Some(earlier), ..ChatSettings::default() };
    assert_eq!(settled(has, Some("{{ strftime_now('%Y') }}")), Some(earlier));
}

#[test]
fn settings_are_read_as_they_are_written() {
    let full = ChatSettings {
        template: Some("chatml".to_owned()),
        special: Special::Text,
        ..settings(&json!({ "enable_thinking": false }))
    };
    let text = serde_json::to_string(&full).unwrap();
    assert_eq!(
        text,
        r#"{"template":"chatml","kwargs":{"enable_thinking":false},"date":"2026-11-28","special":"text"}"#
    );
    assert_eq!(serde_json::from_str::<ChatSettings>(&text).unwrap(), full);
    assert_eq!(serde_json::to_string(&ChatSettings::default()).unwrap(), "{}");
    assert!(serde_json::from_str::<ChatSettings>(r#"{"date":"28.11.2026"}"#).is_err());
    assert!(serde_json::from_str::<ChatSettings>(r#"{"tempalte":"chatml"}"#).is_err());
}

#[test]
fn names_that_are_meant_literally_are_marked_and_found_again() {
    let names = ControlNames::new(["</s>", "é>"].map(str::to_owned));
    let text = "a</s>bé></s>";
    let marked = marked(text, names.find(text));
    assert_ne!(marked, text);
    assert_eq!(names.find(&marked).count(), 0);
    assert_eq!(literally(&marked), (text.to_owned(), vec![1, 6, 9]));
    assert_eq!(literally(text), (text.to_owned(), Vec::new()));
}
