//! Files as spreadsheets, scripts and other programs write them.

use super::*;

fn prompts(dataset: &Dataset) -> Vec<String> {
    let prompt = |example: &Example| match &example.content {
        Content::Reply { prompt: DataPrompt::Text(text), .. } => text.clone(),
        Content::Reply { prompt: DataPrompt::Messages(messages), .. } => {
            messages.last().unwrap().content.clone()
        }
        other => format!("{other:?}"),
    };
    dataset.examples.iter().map(prompt).collect()
}

fn refused(file: &str, text: &str) -> (Option<u64>, String) {
    let error = parse(file, text.as_bytes(), &Shape::ALL, 1000).unwrap_err();
    (error.line, error.to_string())
}

#[test]
fn tables_of_spreadsheets_are_read() {
    for (file, text) in [
        ("x.csv", "instruction;input;output\nCapital of France?;;Paris\nCapital of Italy?;;Rome\n"),
        (
            "x.csv",
            "\u{feff}instruction;input;output\r\nCapital of France?;;Paris\r\nCapital of Italy?;;Rome\r\n",
        ),
        ("x.csv", "sep=;\r\ninstruction;output\r\nCapital of France?;Paris\r\nCapital of Italy?;Rome\r\n"),
        ("x.csv", "sep=|\ninstruction|output\nCapital of France?|Paris\nCapital of Italy?|Rome\n"),
        ("x.tsv", "instruction\toutput\nCapital of France?\tParis\nCapital of Italy?\tRome\n"),
        ("x.csv", "instruction\toutput\nCapital of France?\tParis\nCapital of Italy?\tRome\n"),
        ("x.csv", "instruction , output\nCapital of France?,Paris\nCapital of Italy?,Rome\n"),
        (
            "x.CSV",
            "output,note; more,instruction\nParis,a;b,Capital of France?\nRome,c;d,Capital of Italy?\n",
        ),
    ] {
        let dataset = parsed(file, text);
        assert_eq!(prompts(&dataset), ["Capital of France?", "Capital of Italy?"], "{text:?}");
        let first = if text.starts_with("sep=") { 3 } else { 2 };
        assert_eq!(dataset.examples[0].line, Some(first), "{text:?}");
    }
    let cell = parsed("x.csv", "\u{feff}prompt;completion\r\n\"List\r\ntwo.\";\"1. Apple\r\n2. Pear\"\r\n");
    assert_eq!(cell.examples[0].content, replied(text_prompt("List\ntwo."), "1. Apple\n2. Pear"));
    assert_eq!(cell.notes.line_ends, 1);
}

#[test]
fn line_ends_inside_of_texts_are_those_of_unix() {
    for end in ["\n", "\r\n", "\r"] {
        let object = json!({"prompt": format!("a{end}b"), "completion": format!("1. Apple{end}2. Pear")});
        let dataset = parsed("x.jsonl", &object.to_string());
        assert_eq!(dataset.examples[0].content, replied(text_prompt("a\nb"), "1. Apple\n2. Pear"), "{end:?}");
        assert_eq!(dataset.notes.line_ends, u64::from(end != "\n"));
        assert_eq!(Value::Object(dataset.examples[0].object.clone()), object, "the object stays");
        let chat = json!({"messages": [{"role": "user", "content": format!("a{end}b")}, {"role": "assistant", "content": "c"}]});
        assert_eq!(one(&chat).1, replied(messages(&[("user", "a\nb")]), "c"));
    }
}

#[test]
fn json_is_read_however_it_is_wrapped() {
    let objects = [json!({"prompt": "a", "answer": 1}), json!({"prompt": "b", "answer": 2})];
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let lines = format!("{}\n{}", pretty(&objects[0]), pretty(&objects[1]));
    for (file, text, at) in [
        ("x.jsonl", lines.clone(), [1, 5]),
        ("x.json", format!("\n{lines}\n"), [2, 6]),
        ("x.json", json!({"data": objects}).to_string(), [1, 1]),
        ("x.json", pretty(&json!({"version": "1.1", "data": objects})), [3, 7]),
        ("x.jsonl", json!({"examples": objects, "n": 2}).to_string(), [1, 1]),
        ("x.json", json!({"train": objects}).to_string(), [1, 1]),
    ] {
        let dataset = parsed(file, &text);
        assert_eq!(prompts(&dataset), ["a", "b"], "{text}");
        let lines: Vec<_> = dataset.examples.iter().map(|example| example.line.unwrap()).collect();
        assert_eq!(lines, at, "{text}");
    }
    // An example's own list is none of examples.
    assert_eq!(one(&json!({"prompt": "a", "completion": "b", "data": [1, 2]})).0, Shape::Completion);
    let (line, message) = refused("x.jsonl", "{\"prompt\": \"a\",\n \"answer\": 1}\n{\"prompt\": \"b\",\n");
    assert_eq!(line, Some(1));
    assert!(message.contains("one whole object a line, or is one array"), "{message}");
    let (line, message) =
        refused("x.jsonl", "{\"prompt\": \"a\", \"answer\": 1}\n{\"prompt\": \"b\",\n \"answer\": 2}");
    assert_eq!(line, Some(2));
    assert!(message.contains("one whole object a line"), "{message}");
}

#[test]
fn zero_bytes_and_half_characters_are_told_with_their_line() {
    let good = "{\"prompt\": \"a\", \"completion\": \"b\"}\n";
    for text in [
        "{\"prompt\": \"Page 1\\u0000Page 2\", \"completion\": \"ok\"}",
        "{\"prompt\": \"Page\", \"completion\": \"o\\u0000k\"}",
        "{\"prompt\": [{\"role\": \"user\", \"content\": \"a\\u0000\"}], \"completion\": \"ok\"}",
    ] {
        let (line, message) = refused("x.jsonl", &format!("{good}{text}\n{good}"));
        assert_eq!(line, Some(2));
        assert!(message.contains("zero byte"), "{message}");
    }
    for (file, text, line) in [("x.txt", "One.\nTwo\0.\n", 2), ("x.csv", "prompt,answer\na,b\n\0,d\n", 3)] {
        let (found, message) = refused(file, text);
        assert_eq!(found, Some(line), "{message}");
        assert!(message.contains("zero byte"), "{message}");
    }
    for half in ["great \\ud83d", "great \\ud83d here", "\\ude00", "\\ud83d\\ud83d"] {
        let text = format!("{good}{{\"prompt\": \"{half}\", \"completion\": \"b\"}}\n");
        let (line, message) = refused("x.jsonl", &text);
        assert_eq!(line, Some(2), "{message}");
        assert!(message.contains("half of a character at column 1"), "{half}: {message}");
    }
    assert!(
        one(&json!({"prompt": "great \u{1f600}", "completion": "b"})).1 != Content::Prompt(text_prompt(""))
    );
}

#[test]
fn keys_that_are_nearly_right_are_told() {
    for (file, text, advice) in [
        ("x.csv", "Prompt,Completion\na,b\n", "write \"completion\" instead of \"Completion\""),
        ("x.jsonl", "{\"promt\": \"a\", \"completion\": \"b\"}", "write \"prompt\" instead of \"promt\""),
        ("x.jsonl", "{\"prompt\": \"a\", \"complletion\": \"b\", \"x\": 1}", ""),
        (
            "x.jsonl",
            "{\"Instruction\": \"a\", \"output\": \"b\"}",
            "write \"instruction\" instead of \"Instruction\"",
        ),
        ("x.jsonl", "{\"foo\": 1}", ""),
    ] {
        match parse(file, text.as_bytes(), &[Shape::Completion, Shape::Chat], 1000) {
            Err(error) => assert!(error.to_string().contains(advice), "{error}"),
            Ok(dataset) => panic!("{dataset:?}"),
        }
    }
}

#[test]
fn keys_of_which_nothing_is_made_are_listed() {
    let text = "{\"prompt\": \"a\", \"completion\": \"b\", \"source\": \"x\"}\n{\"prompt\": \"a\", \"completion\": \"b\", \"id\": 5, \"weight\": 1}";
    assert_eq!(parsed("x.jsonl", text).notes.unused, ["id", "source"]);
}

#[test]
fn what_comes_twice_is_counted() {
    let examples = |text: &str| parsed("x.jsonl", text).examples;
    let line = |prompt: &str, reply: &str| json!({"prompt": prompt, "completion": reply}).to_string() + "\n";
    let training = examples(&(line("a", "1") + &line("a", "2") + &line("b", "1") + &line("a", "1")));
    let held_out = examples(&(line("a", "3") + &line("c", "1")));
    assert_eq!(overlap(&training, &held_out), Overlap { repeated: 1, shared: 1 });
    assert_eq!(overlap(&training, &training), Overlap { repeated: 1, shared: 4 });
    assert_eq!(overlap(&training, &[]).shared, 0);
    let texts = examples("{\"text\": \"a\"}\n{\"text\": \"a\"}\n{\"text\": \"b\"}");
    assert_eq!(overlap(&texts[..2], &texts[1..]), Overlap { repeated: 1, shared: 1 });
}
