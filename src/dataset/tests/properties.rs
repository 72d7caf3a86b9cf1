//! Parsing of any bytes ends without a panic, and accepted files are sound.

use proptest::prelude::*;

use super::*;

const FILES: [&str; 7] = ["x.jsonl", "x.ndjson", "x.json", "x.csv", "x.tsv", "x.txt", "x.md"];

/// Parses, and where that succeeds checks all that [`Dataset`] promises.
fn parse_soundly(file: &str, bytes: &[u8], piece_bytes: usize) -> Option<Dataset> {
    let dataset = parse(file, bytes, &Shape::ALL, piece_bytes).ok()?;
    assert!(!dataset.examples.is_empty());
    assert!(dataset.examples.windows(2).all(|pair| pair[0].line <= pair[1].line));
    for example in &dataset.examples {
        assert_sound(dataset.shape, &example.content);
        assert!(example.weight.is_finite() && example.weight >= 0.0);
        for reply in example.clone().by_reply() {
            assert_sound(dataset.shape, &reply.content);
        }
    }
    let texts = ["txt", "md"].iter().any(|ending| file.ends_with(ending));
    assert!(dataset.examples.iter().all(|example| example.line.is_none() == texts));
    if !texts {
        assert_survives_writing(&dataset);
    }
    Some(dataset)
}

fn assert_sound(shape: Shape, content: &Content) {
    let is_asked = |prompt: &DataPrompt| match prompt {
        DataPrompt::Text(text) => !text.trim().is_empty(),
        DataPrompt::Messages(messages) => messages.last().is_some_and(|last| last.role != "assistant"),
    };
    let is_said = |text: &String| !text.trim().is_empty() && !text.contains(['\0', '\r']);
    let sound = match (shape, content) {
        (Shape::Text, Content::Text { text, .. }) => is_said(text),
        (Shape::Prompt, Content::Prompt(prompt)) => is_asked(prompt),
        (Shape::Preference, Content::Preference { prompt, chosen, rejected }) => {
            is_asked(prompt) && is_said(chosen) && is_said(rejected)
        }
        (
            Shape::Chat | Shape::Completion | Shape::Answer | Shape::Question,
            Content::Reply { prompt, reply },
        ) => is_asked(prompt) && is_said(reply),
        _ => false,
    };
    assert!(sound, "{shape:?} {content:?}");
}

/// The objects, written as lines and as an array, are read as the same examples.
fn assert_survives_writing(dataset: &Dataset) {
    let objects: Vec<&Map<String, Value>> = dataset.examples.iter().map(|example| &example.object).collect();
    let lines: Vec<String> = objects.iter().map(|object| serde_json::to_string(object).unwrap()).collect();
    let array = serde_json::to_string(&objects).unwrap();
    for text in [lines.join("\n"), array] {
        let again = parsed("again.json", &text);
        assert_eq!(again.shape, dataset.shape);
        let same = |(new, old): (&Example, &Example)| new.content == old.content && new.object == old.object;
        assert!(
            again.examples.len() == objects.len() && again.examples.iter().zip(&dataset.examples).all(same)
        );
    }
}

/// Text without zero bytes.
fn any_text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('\0', "0"))
}

/// The text as a model sees it.
fn seen(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// A value that may stand under any key.
fn any_value() -> impl Strategy<Value = Value> {
    let role = prop::sample::select(vec!["system", "user", "assistant", "tool", "bot", "human", "gpt"]);
    let keys = prop::sample::select(vec![("role", "content"), ("from", "value")]);
    let message =
        (role, keys, "[ -~\u{e4}]{0,6}").prop_map(|(role, (who, what), said)| json!({who: role, what: said}));
    prop_oneof![
        4 => "[ -~\n\u{e4}\u{1f600}]{0,12}".prop_map(Value::String),
        2 => prop::collection::vec(message, 0..4).prop_map(Value::Array),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => Just(Value::Null),
    ]
}

/// An object with some of the keys that count.
fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    let keys = prop::sample::select(vec![
        "messages",
        "conversations",
        "prompt",
        "completion",
        "response",
        "answer",
        "question",
        "chosen",
        "rejected",
        "text",
        "instruction",
        "input",
        "output",
        "system",
        "history",
        "weight",
        "data",
        "tools",
        "other",
    ]);
    prop::collection::vec((keys, any_value()), 0..4)
        .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), most in 0..50_usize) {
        for file in FILES {
            parse_soundly(file, &bytes, most);
        }
    }

    #[test]
    fn arbitrary_text_is_survived(text in "[\\[\\]{}:,\"\\\\a-c1 \r\n\u{e4}]{0,80}", most in 0..50_usize) {
        for file in FILES {
            parse_soundly(file, text.as_bytes(), most);
        }
    }

    #[test]
    fn arbitrary_objects_are_survived(objects in prop::collection::vec(any_object(), 1..4)) {
        let lines: Vec<String> = objects.iter().map(|object| serde_json::to_string(object).unwrap()).collect();
        parse_soundly("x.jsonl", lines.join("\n").as_bytes(), 10);
        parse_soundly("x.json", serde_json::to_string(&objects).unwrap().as_bytes(), 10);
    }

    #[test]
    fn changed_lines_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let text = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n";
        let mut bytes = text.repeat(2).into_bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        parse_soundly("x.jsonl", &bytes, 10);
    }

    #[test]
    fn whatever_stands_in_good_examples_is_accepted(
        pairs in prop::collection::vec((any_text(), any_text()), 1..5),
    ) {
        let lines: Vec<String> = pairs
            .iter()
            .map(|(prompt, reply)| json!({"prompt": format!("p{prompt}"), "completion": format!("r{reply}")}).to_string())
            .collect();
        let dataset = parse_soundly("x.jsonl", lines.join("\r\n").as_bytes(), 10).unwrap();
        for (example, (prompt, reply)) in dataset.examples.iter().zip(&pairs) {
            let wanted = replied(text_prompt(&seen(&format!("p{prompt}"))), &seen(&format!("r{reply}")));
            prop_assert_eq!(&example.content, &wanted);
        }
    }

    #[test]
    fn tables_hold_what_was_written_to_them(
        pairs in prop::collection::vec((any_text(), any_text()), 1..5),
    ) {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["prompt", "answer"]).unwrap();
        for (prompt, answer) in &pairs {
            table.write_record([format!("p{prompt}"), format!("a{answer}")]).unwrap();
        }
        let dataset = parse_soundly("x.csv", &table.into_inner().unwrap(), 10).unwrap();
        prop_assert_eq!(dataset.examples.len(), pairs.len());
        for (example, (prompt, answer)) in dataset.examples.iter().zip(&pairs) {
            let wanted = replied(text_prompt(&seen(&format!("p{prompt}"))), &seen(&format!("a{answer}")));
            prop_assert_eq!(&example.content, &wanted);
        }
    }

    #[test]
    fn pieces_are_the_text_again(text in "[ab\u{e4}\u{1f600} \t\n]{0,60}", most in 0..20_usize) {
        let found: Vec<(&str, bool)> = pieces(&text, most).collect();
        prop_assert!(found.iter().all(|(piece, _)| piece.len() <= most.max(4) && !piece.trim().is_empty()));
        let ends: Vec<bool> = found.iter().map(|(_, ends)| *ends).collect();
        prop_assert_eq!(ends.iter().filter(|ends| **ends).count(), usize::from(!text.trim().is_empty()));
        prop_assert!(ends.last().is_none_or(|last| *last));
        let dense = |text: &str| text.split_whitespace().collect::<String>();
        prop_assert_eq!(dense(&found.iter().map(|(piece, _)| *piece).collect::<String>()), dense(&text));
    }
}
