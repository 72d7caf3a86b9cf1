//! Judges of the user's own making: a regular expression or a JSON Schema, and a reply to be judged by it.
//!
//! An input is the rule, a zero byte and the reply.

use qes_gguf::judge::{Asked, Json, Judge, Pattern};

use super::{Seeds, told};

pub fn run(bytes: &[u8]) {
    let (rule, reply) = match bytes.iter().position(|byte| *byte == 0) {
        Some(zero) => (&bytes[..zero], &bytes[zero + 1..]),
        None => (bytes, &b""[..]),
    };
    let (rule, reply) = (String::from_utf8_lossy(rule), String::from_utf8_lossy(reply));
    let asked = Asked { prompt: "?", reply: &reply, wanted: Some(&rule), line: Some(7), example: None };
    let mut of_each = Pattern::of_each();
    let usable = of_each.check(Some(&rule), Some(7)).is_ok();
    let by_each = of_each.judge(&[asked, asked]).ok();
    match Pattern::for_all(&rule) {
        Ok(mut pattern) => assert_eq!(pattern.judge(&[asked, asked]).ok(), by_each),
        Err(error) => {
            assert!(by_each.is_none());
            told(&error);
        }
    }
    assert_eq!(usable, by_each.is_some());
    let any = judged(&mut Json::any(), asked);
    assert!(any == 0.0 || any == 1.0);
    if let Ok(schema) = serde_json::from_str(&rule) {
        match Json::of_schema(&schema) {
            // JSON of another form is worth a half; what is no JSON is worth nothing whatever the schema.
            Ok(mut json) => assert_eq!(judged(&mut json, asked) >= 0.5, any == 1.0),
            Err(error) => told(&error),
        }
    }
}

fn judged(judge: &mut dyn Judge, asked: Asked<'_>) -> f64 {
    let rewards = judge.judge(&[asked]).expect("every reply can be judged");
    assert!(rewards.len() == 1 && rewards[0].is_finite());
    rewards[0]
}

pub fn seeds() -> Seeds {
    let with = |rule: &str, reply: &str| [rule.as_bytes(), b"\0", reply.as_bytes()].concat();
    let object = r#"{"name": "Ann", "age": 5, "tags": ["a", "a"]}"#;
    let doubling: Vec<String> = (0..12)
        .map(|n| {
            format!(
                "\"d{n}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/d{m}\"}},{{\"$ref\":\"#/$defs/d{m}\"}}]}}",
                m = n + 1
            )
        })
        .collect();
    let doubling = format!(
        "{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{},\"d12\":{{\"type\":\"object\"}}}}}}",
        doubling.join(",")
    );
    vec![
        ("pattern", with("(?i)^yes\\b", "Yes, it is.")),
        ("pattern-nested", with("(((a+)+)+)+$", &format!("{}b", "a".repeat(2000)))),
        ("pattern-counted", with("\\w{1000}{1000}", "a")),
        ("pattern-deep", with(&"(".repeat(1000), "a")),
        ("pattern-unicode", with("\\p{L}+(?u:\\d)[\u{1f600}-\u{1f64f}]{0,99}", "\u{e4}\u{663}\u{1f600}")),
        ("pattern-look-around", with("(?=a)(a)\\1", "aa")),
        (
            "schema",
            with(
                r##"{"type":"object","properties":{"name":{"type":"string","pattern":"^[A-Z]"},"age":{"$ref":"#/$defs/age"}},"required":["name"],"additionalProperties":false,"$defs":{"age":{"type":"integer","minimum":0}}}"##,
                object,
            ),
        ),
        (
            "schema-keywords",
            with(
                r#"{"uniqueItems":true,"multipleOf":1e-308,"minLength":18446744073709551616,"dependentSchemas":{"a":false},"unevaluatedProperties":false,"contains":{"const":null},"minContains":2}"#,
                object,
            ),
        ),
        ("schema-multiples", with(r#"{"multipleOf":0.1}"#, "1e308")),
        ("schema-itself", with(r##"{"$ref":"#"}"##, "{}")),
        (
            "schema-tree",
            with(r##"{"type":"object","additionalProperties":{"$ref":"#"}}"##, r#"{"a":{"b":{"c":1}}}"#),
        ),
        ("schema-not-itself", with(r##"{"not":{"$ref":"#"}}"##, "[]")),
        (
            "schema-dynamic",
            with(
                r##"{"$id":"a:b","$dynamicAnchor":"n","properties":{"a":{"$dynamicRef":"#n"}}}"##,
                r#"{"a":{"a":{}}}"#,
            ),
        ),
        ("schema-elsewhere", with(r#"{"$ref":"file:///etc/passwd"}"#, "1")),
        ("schema-doubling", with(&doubling, "{}")),
        ("schema-pattern", with(r#"{"pattern":"^(a+)+$"}"#, &format!("\"{}b\"", "a".repeat(100)))),
        ("schema-pattern-names", with(r#"{"patternProperties":{"(":{}}}"#, object)),
        ("schema-false", with("false", "1")),
        ("schema-number", with("5", "1")),
        (
            "schema-old",
            with(
                r#"{"$schema":"http://json-schema.org/draft-04/schema#","exclusiveMinimum":true,"minimum":1}"#,
                "1",
            ),
        ),
        ("reply-fenced", with("true", "```json\n[1e400, -0, 1E+2]\n```")),
        ("reply-deep", with("{}", &"[".repeat(2000))),
        ("reply-twice", with("{}", "{\"a\":1,\"a\":2}{}")),
        ("reply-fence-alone", with("{}", "``````")),
    ]
}
