use serde_json::{Value, json};

use super::*;

mod conversations;
mod properties;
mod rejects;
mod splits;
mod wild;

fn parsed(file: &str, text: &str) -> Dataset {
    parse(file, text.as_bytes(), &Shape::ALL, 1000).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The one example of a file with one object.
fn one(object: &Value) -> (Shape, Content) {
    let mut dataset = parsed("data.jsonl", &object.to_string());
    let example = dataset.examples.pop().unwrap();
    assert!(dataset.examples.is_empty());
    assert_eq!(example.line, Some(1));
    assert_eq!(Value::Object(example.object), *object);
    (dataset.shape, example.content)
}

fn text_prompt(text: &str) -> DataPrompt {
    DataPrompt::Text(text.to_owned())
}

fn messages(list: &[(&str, &str)]) -> DataPrompt {
    let message =
        |(role, content): &(&str, &str)| Message { role: (*role).to_owned(), content: (*content).to_owned() };
    DataPrompt::Messages(list.iter().map(message).collect())
}

fn replied(prompt: DataPrompt, reply: &str) -> Content {
    Content::Reply { prompt, reply: reply.to_owned() }
}

#[test]
fn prompts_with_replies_are_read() {
    let reply = || replied(text_prompt("2+2?"), "4");
    for (object, shape) in [
        (json!({"prompt": "2+2?", "completion": "4"}), Shape::Completion),
        (json!({"prompt": "2+2?", "response": "4"}), Shape::Completion),
        (json!({"prompt": "2+2?", "answer": "4"}), Shape::Answer),
        (json!({"prompt": "2+2?", "answer": 4}), Shape::Answer),
        (json!({"prompt": "2+2?", "completion": "4", "reward": 1.5, "tags": [["x"]]}), Shape::Completion),
        (json!({"prompt": "2+2?", "completion": [{"role": "assistant", "content": "4"}]}), Shape::Completion),
    ] {
        assert_eq!(one(&object), (shape, reply()), "{object}");
    }
    // What is asked of somebody is a message, which a model without a template must not get as it stands.
    let asked = || replied(messages(&[("user", "2+2?")]), "4");
    for (object, shape) in [
        (json!({"instruction": "2+2?", "output": "4"}), Shape::Completion),
        (json!({"instruction": "2+2?", "input": "", "output": "4"}), Shape::Completion),
        (json!({"instruction": "2+2?", "input": null, "output": "4"}), Shape::Completion),
        (json!({"instruction": "2+2?", "context": "", "response": "4", "category": "qa"}), Shape::Completion),
        (json!({"input": "2+2?", "output": "4"}), Shape::Completion),
        (json!({"question": "2+2?", "answer": "4"}), Shape::Question),
        (json!({"question": "2+2?", "answer": 4}), Shape::Question),
    ] {
        assert_eq!(one(&object), (shape, asked()), "{object}");
    }
    for object in [
        json!({"instruction": "Translate.", "input": "Haus", "output": "house"}),
        json!({"instruction": "Translate.", "context": "Haus", "response": "house"}),
    ] {
        assert_eq!(one(&object).1, replied(messages(&[("user", "Translate.\n\nHaus")]), "house"), "{object}");
    }
    let asked = one(&json!({"prompt": [{"role": "user", "content": "Hi"}], "completion": "Ho"})).1;
    assert_eq!(asked, replied(messages(&[("user", "Hi")]), "Ho"));
}

#[test]
fn conversations_are_read() {
    let hello = [("system", ""), ("user", "Hi"), ("assistant", "Ho"), ("user", "Well?")];
    let open = json!([
        {"role": "system", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
        {"role": "assistant", "content": "Ho", "tool_calls": null},
        {"role": "user", "content": "Well?", "name": "Ann"},
    ]);
    let mut closed = open.clone();
    closed.as_array_mut().unwrap().push(json!({"role": "assistant", "content": "Fine."}));
    assert_eq!(one(&json!({"messages": open})), (Shape::Prompt, Content::Prompt(messages(&hello))));
    assert_eq!(one(&json!({"prompt": open})), (Shape::Prompt, Content::Prompt(messages(&hello))));
    assert_eq!(one(&json!({"messages": closed})), (Shape::Chat, replied(messages(&hello), "Fine.")));
    let sharegpt = json!({"conversations": [
        {"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"},
    ]});
    let brief = messages(&[("system", "Be brief."), ("user", "Hi")]);
    assert_eq!(one(&sharegpt), (Shape::Chat, replied(brief, "Ho")));
}

#[test]
fn preferences_are_read() {
    let preferred =
        |prompt| Content::Preference { prompt, chosen: "good".to_owned(), rejected: "bad".to_owned() };
    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    let whole = |reply: &str| json!([said("user", "Hi"), said("assistant", reply)]);
    let last = |reply: &str| json!([said("assistant", reply)]);
    let asked = json!([said("user", "Hi")]);
    for (object, prompt) in [
        (json!({"prompt": "Hi", "chosen": "good", "rejected": "bad"}), text_prompt("Hi")),
        (json!({"prompt": "Hi", "chosen": last("good"), "rejected": last("bad")}), text_prompt("Hi")),
        (json!({"prompt": "Hi", "chosen": whole("good"), "rejected": whole("bad")}), text_prompt("Hi")),
        (json!({"prompt": asked, "chosen": whole("good"), "rejected": "bad"}), messages(&[("user", "Hi")])),
        (json!({"chosen": whole("good"), "rejected": whole("bad")}), messages(&[("user", "Hi")])),
    ] {
        assert_eq!(one(&object), (Shape::Preference, preferred(prompt)), "{object}");
    }
}

#[test]
fn texts_and_prompts_are_read() {
    let text = Content::Text { text: " Once\n".to_owned(), ends: true };
    assert_eq!(one(&json!({"text": " Once\n"})), (Shape::Text, text));
    let prompt = Content::Prompt(text_prompt("Hi"));
    assert_eq!(one(&json!({"prompt": "Hi", "tests": {"a": 1}})), (Shape::Prompt, prompt));
}

#[test]
fn what_is_wanted_first_counts() {
    let line = br#"{"prompt": "p", "completion": "c", "answer": "a", "text": "t"}"#;
    let shape = |wanted: &[Shape]| parse("x.jsonl", line, wanted, 1000).map(|dataset| dataset.shape).ok();
    assert_eq!(shape(&Shape::ALL), Some(Shape::Completion));
    assert_eq!(shape(&[Shape::Answer, Shape::Completion]), Some(Shape::Answer));
    assert_eq!(shape(&[Shape::Text]), Some(Shape::Text));
    assert_eq!(shape(&[Shape::Prompt, Shape::Answer]), Some(Shape::Prompt));
    assert_eq!(shape(&[Shape::Preference]), None);
}

#[test]
fn the_forms_of_a_file_hold_the_same() {
    let lines =
        "{\"prompt\": \"a, \\\"b\\\"\", \"answer\": \"1\"}\n{\"prompt\": \"c\\nd\", \"answer\": \"2\"}\n";
    let wanted = parsed("data.jsonl", lines).examples;
    assert_eq!(wanted.len(), 2);
    let array = "\n[\n {\"prompt\": \"a, \\\"b\\\"\",\n  \"answer\": \"1\"},\n {\"prompt\": \"c\\nd\", \"answer\": \"2\"}]";
    let csv = "prompt,answer\n\"a, \"\"b\"\"\",1\n\"c\nd\",2\n";
    let crlf = lines.replace('\n', "\r\n");
    for (file, text, at) in [
        ("data.JSONL", lines.to_owned(), [1, 2]),
        ("data.json", lines.to_owned(), [1, 2]),
        ("a.b/data.ndjson", format!("\u{feff}\n  \n{crlf}\r\n"), [3, 4]),
        ("data.json", array.to_owned(), [3, 5]),
        ("data.jsonl", array.replace('\n', "\r\n"), [3, 5]),
        ("data.csv", csv.to_owned(), [2, 3]),
        ("data.csv", format!("\u{feff}{}", csv.replace("1\n", "1\r\n\r\n")), [2, 4]),
    ] {
        let dataset = parsed(file, &text);
        assert_eq!(dataset.shape, Shape::Answer, "{text}");
        let lines: Vec<_> = dataset.examples.iter().map(|example| example.line.unwrap()).collect();
        assert_eq!(lines, at, "{text}");
        for (example, wanted) in dataset.examples.iter().zip(&wanted) {
            assert_eq!((&example.content, &example.object), (&wanted.content, &wanted.object), "{text}");
        }
    }
}

#[test]
fn plain_text_is_cut_into_pieces() {
    let text = "One.\r\n\r\nTwo\r\nlines.\r\n";
    for text in [text.to_owned(), text.replace("\r\n", "\r"), text.replace('\r', "")] {
        for file in ["story.txt", "story.MD"] {
            let dataset = parse(file, text.as_bytes(), &Shape::ALL, 10).unwrap();
            assert_eq!(dataset.shape, Shape::Text);
            let contents: Vec<Content> =
                dataset.examples.into_iter().map(|example| example.content).collect();
            let piece = |text: &str, ends| Content::Text { text: text.to_owned(), ends };
            assert_eq!(contents, [piece("One.\n\n", false), piece("Two\nlines.", true)]);
        }
    }
}

/// So that some of them can be held out.
#[test]
fn a_short_text_has_smaller_pieces() {
    let sentence = "The ferry leaves at seven. ";
    for (repeats, least, most) in [(1, 1, 2), (2, 2, 3), (20, 5, 7), (100, 6, 8)] {
        let text = sentence.repeat(repeats);
        let count = parse("x.txt", text.as_bytes(), &Shape::ALL, 512).unwrap().examples.len();
        assert!((least..=most).contains(&count), "{repeats}: {count}");
    }
}

#[test]
fn pieces_end_where_text_does() {
    let cut = |text, most| pieces(text, most).map(|(piece, _)| piece).collect::<Vec<_>>();
    assert_eq!(cut("ab\n\ncd\n\nef", 9), ["ab\n\ncd\n\n", "ef"]);
    assert_eq!(cut("ab\n\ncd\n \nef", 100), ["ab\n\ncd\n \nef"]);
    assert_eq!(cut("abcde\nfgh\nij", 11), ["abcde\nfgh\n", "ij"]);
    assert_eq!(cut("ab cd ef", 7), ["ab cd", " ef"]);
    assert_eq!(cut("abcdef", 4), ["abcd", "ef"]);
    assert_eq!(cut("\u{e4}\u{f6}\u{fc}", 3), ["\u{e4}", "\u{f6}", "\u{fc}"]);
    assert_eq!(cut("\u{e4}\u{f6}", 0), ["\u{e4}", "\u{f6}"]);
    assert_eq!(cut("a\n\n\n\n\n\n\n\nb", 3), ["a\n\n", "b"]);
    assert_eq!(cut("", 3), [""; 0]);
    assert_eq!(cut(" \n\n ", 1), [""; 0]);
}

#[test]
fn a_text_of_line_ends_is_cut_in_no_time() {
    let text = format!("{}a", "\n".repeat(1 << 21));
    let start = std::time::Instant::now();
    assert_eq!(pieces(&text, 1 << 17).collect::<Vec<_>>().len(), 1);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
