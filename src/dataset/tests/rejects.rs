//! Every file that is refused, with what is said of it.

use super::*;

#[derive(Debug)]
struct Case<'a> {
    file: &'a str,
    text: &'a str,
    line: Option<u64>,
    says: &'a str,
}

fn check(cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    for case in cases {
        match parse(case.file, case.text.as_bytes(), &Shape::ALL, 1000) {
            Err(error) if error.line == case.line && error.to_string().contains(case.says) => {
                assert!(error.to_string().starts_with(case.file), "{error}");
            }
            Err(error) => wrong.push(format!("{case:?}: {error}")),
            Ok(dataset) => wrong.push(format!("{case:?}: {dataset:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn lines(cases: &[(&'static str, u64, &'static str)]) {
    let case = |(text, line, says): &(&'static str, u64, &'static str)| Case {
        file: "x.jsonl",
        text,
        line: Some(*line),
        says,
    };
    check(&cases.iter().map(case).collect::<Vec<_>>());
}

#[test]
fn files_that_cannot_be_read_at_all() {
    check(&[
        Case { file: "x.jsonl", text: "", line: None, says: "nothing" },
        Case { file: "x.jsonl", text: "\n \r\n", line: None, says: "nothing" },
        Case { file: "x.json", text: "[ ]", line: None, says: "nothing" },
        Case { file: "x.csv", text: "\u{feff}", line: None, says: "nothing" },
        Case { file: "x.csv", text: "prompt,answer\n", line: None, says: "nothing" },
        Case { file: "x.txt", text: "\n\n", line: None, says: "nothing" },
        Case { file: "x.parquet", text: "PAR1", line: None, says: ".jsonl, .ndjson" },
        Case { file: "jsonl", text: "{}", line: None, says: ".jsonl" },
    ]);
}

#[test]
fn bytes_that_are_not_utf_8() {
    let refused = |bytes: &[u8]| parse("x.jsonl", bytes, &Shape::ALL, 1000).unwrap_err();
    let error = refused(b"{\"text\": \"a\"}\n\n{\"text\": \"\xe4\"}\n");
    assert_eq!((error.line, &error.problem), (Some(3), &Fault::NotUtf8));
    assert_eq!(error.to_string(), "x.jsonl, line 3: the bytes are not UTF-8; save the file as UTF-8");
    assert_eq!(refused(b"\xff\xfe{\0}\0").problem, Fault::Utf16);
    assert_eq!(refused(b"\xfe\xff\0{\0}").problem, Fault::Utf16);
}

#[test]
fn broken_json() {
    lines(&[
        ("{\"text\": \"a\"}\n{\"text\": \"b\"", 2, "column 12: EOF"),
        ("{\"text\": \"a\"}\n\n{\"text\": b}\n", 3, "column 10: expected value"),
        ("{\"text\": \"a\"} {\"text\": \"b\"}", 1, "column 15: trailing"),
        ("{\"text\": \"\\ud800\"}", 1, "half of a character at column 11"),
        ("{\"text\": \"\\u12\"}", 1, "broken JSON"),
        ("{\"text\": 1e999}", 1, "number out of range"),
        ("{\n\"text\": \"a\"\n", 1, "broken JSON"),
        ("[{\"text\": \"a\"},\n{\"text\": \"b\"},\n]", 3, "broken JSON at column 1"),
        ("[{\"text\": \"a\"},\n{\"text\":\n\"b\\x\"}]", 3, "broken JSON"),
        ("[{\"text\": \"a\"}]\n{\"text\": \"b\"}", 2, "trailing"),
    ]);
}

#[test]
fn nesting_without_end() {
    let bomb = "[".repeat(1_000_000);
    let closed = format!("{bomb}{}", "]".repeat(1_000_000));
    let inside = |bomb: &str| format!("{{\"text\": \"a\"}}\n{{\"text\": \"b\", \"x\": {bomb}}}");
    let objects = "{\"text\":".repeat(1_000_000);
    for text in [&bomb, &closed, &inside(&bomb), &inside(&closed), &objects, &format!("[{objects}")] {
        for file in ["x.json", "x.jsonl"] {
            assert!(parse(file, text.as_bytes(), &Shape::ALL, 1000).is_err(), "{}", &text[..60]);
        }
    }
    let error = parse("x.jsonl", inside(&closed).as_bytes(), &Shape::ALL, 1000).unwrap_err();
    assert_eq!(error.line, Some(2));
    assert!(error.to_string().contains("recursion limit"), "{error}");
}

#[test]
fn lines_that_are_no_objects() {
    lines(&[
        ("\"text\"", 1, "found a string instead of an object"),
        ("{\"text\": \"a\"}\n17", 2, "found a number"),
        ("{\"text\": \"a\"}\nnull", 2, "found null"),
        ("{\"text\": \"a\"}\n[1]", 2, "found a list"),
        ("[{\"text\": \"a\"},\n true]", 2, "found true or false"),
    ]);
}

#[test]
fn keys_that_make_no_example() {
    lines(&[
        ("{}", 1, "found no keys"),
        ("{\"promt\": \"a\", \"completion\": \"b\"}", 1, "the keys \"completion\", \"promt\""),
        ("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}", 1, "\"h\" and 1 more"),
        (
            "{\"prompt\": \"a\", \"answer\": \"b\"}\n{\"prompt\": \"a\"}",
            2,
            "found \"prompt\" without a reply, but line 1",
        ),
        (
            "{\"prompt\": \"a\"}\n{\"prompt\": \"a\", \"answer\": \"b\"}",
            2,
            "\"prompt\" and \"answer\", but line 1",
        ),
        (
            "\n{\"prompt\": \"a\", \"answer\": \"b\"}\n{\"prompt\": \"a\", \"response\": \"b\"}",
            3,
            "but line 2 holds",
        ),
        ("{\"text\": \"a\"}\n{\"txt\": \"a\"}", 2, "found the keys \"txt\", but line 1 holds \"text\""),
        ("{\"text\": \"a\"}\n{}", 2, "found no keys, but line 1"),
    ]);
    let asked = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}";
    let chat = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}";
    let mixed = [format!("{asked}\n{chat}"), format!("{chat}\n{asked}")];
    for text in &mixed {
        check(&[Case {
            file: "x.jsonl",
            text,
            line: Some(2),
            says: "but line 1 holds \"messages\" that end",
        }]);
    }
}

#[test]
fn shapes_that_are_not_wanted() {
    let refused = |file, text: &str, wanted: &[Shape]| {
        let error = parse(file, text.as_bytes(), wanted, 1000).unwrap_err();
        assert!(matches!(error.problem, Fault::Unwanted { .. } | Fault::PlainText { .. }), "{error}");
        error.to_string()
    };
    let preference = "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\"}";
    let message = refused("x.jsonl", preference, &[Shape::Chat, Shape::Completion]);
    assert!(message.contains("line 1: found \"prompt\", \"chosen\" and \"rejected\""), "{message}");
    assert!(message.contains("assistant's reply; or \"prompt\" and \"completion\""), "{message}");
    assert!(refused("x.txt", "Once.", &[Shape::Answer]).contains("\"prompt\" and \"answer\""));
    assert!(refused("x.csv", "text\nOnce.", &[Shape::Answer]).contains("line 2: found \"text\""));
    let chat = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}";
    assert!(refused("x.jsonl", chat, &[Shape::Chat]).contains("end before a reply"));
}

#[test]
fn values_of_a_wrong_type_or_blank() {
    lines(&[
        ("{\"text\": 5}", 1, "\"text\" is a number; expected a string"),
        ("{\"text\": \" \\n\"}", 1, "\"text\" is blank"),
        ("{\"text\": \"a\"}\n{\"text\": null}", 2, "\"text\" is null"),
        ("{\"prompt\": \"\", \"completion\": \"a\"}", 1, "\"prompt\" is blank"),
        ("{\"prompt\": \"a\", \"completion\": \"\"}", 1, "\"completion\" is blank"),
        ("{\"prompt\": \"a\", \"completion\": 4}", 1, "\"completion\" is a number"),
        ("{\"prompt\": \"a\", \"answer\": true}", 1, "\"answer\" is true or false"),
        ("{\"prompt\": {}, \"answer\": \"b\"}", 1, "\"prompt\" is an object; expected a string or a list"),
        ("{\"prompt\": [], \"answer\": \"b\"}", 1, "no message"),
        ("{\"prompt\": \"a\", \"completion\": []}", 1, "\"completion\" is blank"),
        ("{\"instruction\": \"a\", \"input\": 3, \"output\": \"b\"}", 1, "\"input\" is a number"),
        ("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"\"}", 1, "\"rejected\" is blank"),
        (
            "{\"chosen\": \"b\", \"rejected\": \"c\"}",
            1,
            "\"chosen\" is a string; expected a list of messages, as",
        ),
        ("{\"prompt\": \"a\"}\n{\"prompt\": false}", 2, "\"prompt\" is true or false"),
    ]);
}

#[test]
fn conversations_that_are_none() {
    let list = |messages: &str| format!("{{\"messages\": {messages}}}");
    let user = "{\"role\": \"user\", \"content\": \"a\"}";
    let assistant = "{\"role\": \"assistant\", \"content\": \"b\"}";
    for (messages, says) in [
        ("5".to_owned(), "\"messages\" is a number; expected a list of messages"),
        ("[]".to_owned(), "no message before the reply"),
        ("[5]".to_owned(), "message 1 of \"messages\" is a number"),
        (format!("[{assistant}]"), "no message before the reply"),
        (format!("[{user}, {{\"role\": \"user\"}}]"), "\"content\" in message 2 of \"messages\" is missing"),
        (format!("[{{\"content\": \"a\"}}, {assistant}]"), "\"role\" in message 1"),
        (
            format!("[{{\"role\": 1, \"content\": \"a\"}}, {assistant}]"),
            "\"role\" in message 1 of \"messages\" is a number",
        ),
        (
            format!("[{user}, {{\"role\": \"asistant\", \"content\": \"b\"}}]"),
            "is \"asistant\"; expected one of system",
        ),
        (format!("[{user}, {assistant}, {assistant}]"), "ends with a message of the assistant"),
        (
            format!("[{user}, {{\"role\": \"assistant\", \"content\": \"\"}}]"),
            "the reply at the end of \"messages\" is blank",
        ),
        (
            format!("[{{\"role\": \"user\", \"content\": \" \"}}, {assistant}]"),
            "the last message of the prompt",
        ),
        (
            format!("[{user}, {{\"role\": \"assistant\", \"content\": null}}]"),
            "\"content\" in message 2 of \"messages\" is null",
        ),
        (
            format!("[{user}, {{\"role\": \"assistant\", \"content\": null, \"tool_calls\": []}}]"),
            "\"tool_calls\" in message 2",
        ),
        (
            format!("[{{\"role\": \"user\", \"content\": [{{\"type\": \"image_url\"}}]}}, {assistant}]"),
            "parts of the type \"text\"",
        ),
        (format!("[{user}, {assistant}], \"tools\": [1]"), "\"tools\" cannot"),
    ] {
        check(&[Case { file: "x.jsonl", text: &list(&messages), line: Some(1), says }]);
    }
    let turned = format!(
        "{{\"messages\": [{user}, {assistant}]}}\n{{\"messages\": [{user}, {{\"role\": \"bot\", \"content\": \"b\"}}]}}"
    );
    check(&[Case { file: "x.jsonl", text: &turned, line: Some(2), says: "\"bot\"" }]);
    let from = "{\"conversations\": [{\"from\": \"user\", \"content\": \"a\"}]}";
    check(&[Case { file: "x.jsonl", text: from, line: Some(1), says: "\"value\" in message 1" }]);
}

#[test]
fn preferences_whose_sides_do_not_belong_together() {
    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    let whole = |asked: &str, reply: &str| json!([said("user", asked), said("assistant", reply)]);
    for (object, says) in [
        (
            json!({"prompt": "a", "chosen": whole("b", "x"), "rejected": "y"}),
            "\"chosen\" differs from the prompt",
        ),
        (
            json!({"chosen": whole("a", "x"), "rejected": whole("b", "y")}),
            "\"rejected\" differs from the prompt",
        ),
        (
            json!({"chosen": [said("assistant", "x")], "rejected": [said("assistant", "y")]}),
            "no message before",
        ),
        (json!({"prompt": "a", "chosen": [said("user", "x")], "rejected": "y"}), "is of the role user"),
    ] {
        check(&[Case { file: "x.jsonl", text: &object.to_string(), line: Some(1), says }]);
    }
}

#[test]
fn tables_that_are_none() {
    check(&[
        Case {
            file: "x.csv",
            text: "prompt,answer\na,b\nc\n",
            line: Some(3),
            says: "found 1 columns, but the header row has 2; a value with a separator",
        },
        Case { file: "x.csv", text: "prompt,answer\na,b,c\n", line: Some(2), says: "found 3 columns" },
        Case {
            file: "x.csv",
            text: "prompt,prompt\na,b\n",
            line: Some(1),
            says: "two columns are named \"prompt\"",
        },
        Case {
            file: "x.csv",
            text: "promt;anser\na;b\n",
            line: Some(2),
            says: "the keys \"anser\", \"promt\", which make no example",
        },
        Case { file: "x.csv", text: "prompt,answer\na,b\nc,\n", line: Some(3), says: "\"answer\" is blank" },
        Case { file: "x.csv", text: "prompt,answer\na,b\nc,\"d\ne,f\n", line: Some(3), says: "never closed" },
        Case { file: "x.csv", text: "messages\n[]\n", line: Some(2), says: "\"messages\" is a string" },
    ]);
}
