//! Files of examples: [`parse`], for each ending that a file may have, and [`split`].
//!
//! An input's first byte chooses the ending, its second what is wanted of the file and how long pieces of a text are.

use qes_gguf::dataset::{Content, DataPrompt, Dataset, EXTENSIONS, Shape, overlap, parse, split};

use super::{Seeds, told};

/// An ending that is not known stands behind those that are.
const ENDINGS: [&str; 8] = [
    EXTENSIONS[0],
    EXTENSIONS[1],
    EXTENSIONS[2],
    EXTENSIONS[3],
    EXTENSIONS[4],
    EXTENSIONS[5],
    EXTENSIONS[6],
    "pdf",
];

pub fn run(bytes: &[u8]) {
    let [ending, wanted, bytes @ ..] = bytes else { return };
    let file = format!("x.{}", ENDINGS[usize::from(*ending) % ENDINGS.len()]);
    // Mostly all shapes, else those of some bits.
    let wanted_bits = if *wanted < 0x80 { 0x7f } else { *wanted };
    let shapes: Vec<Shape> = Shape::ALL
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| wanted_bits >> bit & 1 == 1)
        .map(|(_, shape)| shape)
        .collect();
    match parse(&file, bytes, &shapes, usize::from(*wanted)) {
        Ok(dataset) => check(&file, dataset, &shapes),
        Err(error) => assert!(error.to_string().starts_with("x.")),
    }
}

/// All that a value of the type is said to prove.
fn check(file: &str, dataset: Dataset, shapes: &[Shape]) {
    assert!(!dataset.examples.is_empty() && shapes.contains(&dataset.shape));
    assert!(dataset.examples.windows(2).all(|pair| pair[0].line <= pair[1].line));
    assert!(dataset.examples.iter().all(|example| is_sound(dataset.shape, &example.content)));
    for example in &dataset.examples {
        let replies = example.clone().by_reply();
        assert_eq!(replies.len(), 1 + example.earlier.len());
        assert!(replies.iter().all(|reply| is_sound(dataset.shape, &reply.content) && reply.weight >= 0.0));
    }
    if !["x.txt", "x.md"].contains(&file) {
        // Written as lines it is read as the same.
        let lines: Vec<String> = dataset
            .examples
            .iter()
            .map(|example| serde_json::to_string(&example.object).expect("JSON"))
            .collect();
        let again = parse("x.jsonl", lines.join("\n").as_bytes(), shapes, 0).expect("what was read before");
        assert!(again.shape == dataset.shape && again.examples.len() == dataset.examples.len());
        assert!(again.examples.iter().zip(&dataset.examples).all(|(new, old)| new.content == old.content));
    }
    let count = dataset.examples.len();
    assert_eq!(overlap(&dataset.examples, &dataset.examples).shared, count as u64);
    match split(dataset.examples, 0.2) {
        Ok(halves) => {
            assert!(!halves.training.is_empty() && !halves.held_out.is_empty());
            assert_eq!(halves.training.len() + halves.held_out.len(), count);
        }
        Err(error) => told(&error),
    }
}

fn is_sound(shape: Shape, content: &Content) -> bool {
    let is_asked = |prompt: &DataPrompt| match prompt {
        DataPrompt::Text(text) => !text.trim().is_empty(),
        DataPrompt::Messages(messages) => messages.last().is_some_and(|last| last.role != "assistant"),
    };
    let is_said = |text: &String| !text.trim().is_empty() && !text.contains(['\0', '\r']);
    match (shape, content) {
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
    }
}

pub fn seeds() -> Seeds {
    let file = |ending: &str, wanted: u8, text: &[u8]| {
        let place = ENDINGS.iter().position(|known| *known == ending).expect("a known ending") as u8;
        [&[place, wanted][..], text].concat()
    };
    let lines = |text: &str| file("jsonl", 0x7f, text.as_bytes());
    let chat = r#"{"messages":[{"role":"system","content":""},{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":"Ho"}]}"#;
    let shapes = concat!(
        r#"{"prompt":"p","completion":"c"}"#,
        "\n",
        r#"{"prompt":[{"role":"user","content":"p"}],"completion":[{"role":"assistant","content":"c"}]}"#,
    );
    let preference = r#"{"prompt":"p","chosen":"c","rejected":"r"}"#;
    let deep = format!("{{\"prompt\":\"p\",\"answer\":{}1{}}}", "[".repeat(2000), "]".repeat(2000));
    vec![
        ("lines", lines(shapes)),
        ("chat", lines(chat)),
        (
            "sharegpt",
            lines(r#"{"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Ho"}]}"#),
        ),
        ("preference", lines(preference)),
        (
            "whole-conversations",
            lines(
                r#"{"chosen":[{"role":"user","content":"p"},{"role":"assistant","content":"c"}],"rejected":[{"role":"user","content":"p"},{"role":"assistant","content":"r"}]}"#,
            ),
        ),
        ("instruction", lines(r#"{"instruction":"i","input":null,"output":"o"}"#)),
        (
            "question",
            lines("{\"question\":\"q\",\"answer\":\"#### 1\"}\n\n{\"question\":\"r\",\"answer\":2}"),
        ),
        (
            "talk",
            lines(
                r#"{"system":"s","history":[["a","b"]],"weight":2,"messages":[{"role":"assistant","content":"x"},{"role":"user","content":"Hi"},{"from":"gpt","value":"Ho","weight":0},{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho\r\n"}]}"#,
            ),
        ),
        ("wrapped", file("json", 0x7f, format!("{{\"data\":[{preference},{preference}]}}").as_bytes())),
        ("pretty", lines("{\n\"text\":\n\"a\"}\n{\"text\": \"b\"\n}")),
        ("zero", lines(r#"{"prompt":"a\u0000","completion":"b"}"#)),
        ("semicolons", file("csv", 0x7f, b"sep=;\r\nprompt;answer\r\n\"a;\r\nb\";1\r\n")),
        ("tabs", file("tsv", 0x7f, b"prompt\tanswer\tweight\na\t1\t0.5\n")),
        ("text-of-old-macs", file("txt", 0x7f, b"One.\r\rTwo.\r")),
        ("array", file("json", 0x7f, format!("[\n {preference},\n{preference}]").as_bytes())),
        ("array-of-arrays", file("json", 0x7f, "[".repeat(5000).as_bytes())),
        ("deep", lines(&deep)),
        ("tools", lines(r#"{"messages":[{"role":"user","content":"x"}],"tools":[]}"#)),
        ("keys-twice", lines(r#"{"prompt":"p","prompt":"q","answer":"a","answer":1e999}"#)),
        ("numbers", lines(r#"{"prompt":"p","answer":123456789012345678901234567890.5e-300}"#)),
        ("surrogates", lines(r#"{"prompt":"\ud83d","completion":"\ude00"}"#)),
        ("other-shape", lines(&format!("{preference}\n{chat}"))),
        ("blank", lines(r#"{"prompt":" ","completion":"\u00a0"}"#)),
        ("half-a-line", lines(&chat[..70])),
        ("utf-16", file("jsonl", 0x7f, b"\xff\xfe{\0}\0")),
        ("not-utf-8", file("jsonl", 0x7f, b"{\"text\":\"a\"}\n{\"text\":\"\xff\"}")),
        ("byte-order-mark", lines("\u{feff}{\"text\":\"a\"}\r\n{\"text\":\"b\"}\r\n")),
        ("nothing", lines(" \n\r\n")),
        ("table", file("csv", 0x7f, b"prompt,answer\n\"a, \"\"b\"\"\",1\r\n\"c\nd\",2\n")),
        ("table-quote", file("csv", 0x7f, b"prompt,answer\na,\"b\nc,d\n")),
        ("table-columns", file("csv", 0x7f, b"prompt,answer\na\n")),
        ("table-names", file("csv", 0x7f, b"prompt,prompt\na,b\n")),
        ("table-zeros", file("csv", 0x7f, b"prompt,answer\na\0,b\0\n\0,\0")),
        ("text", file("txt", 9, "One.\r\n\r\nTwo\r\nlines.\u{1f600}\u{1f600}".as_bytes())),
        ("text-pieces-of-0", file("md", 0, "\u{e4}\u{f6} \n\n\u{fc}".as_bytes())),
        ("text-of-line-ends", file("txt", 60, [&b"\n".repeat(3000)[..], b"a"].concat().as_slice())),
        ("text-unwanted", file("txt", 0x81, b"text")),
        ("unknown-ending", file("pdf", 0x7f, b"%PDF")),
        ("some-shapes", file("jsonl", 0xa5, shapes.as_bytes())),
    ]
}
