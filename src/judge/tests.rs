#[cfg(feature = "json-schema")]
use serde_json::json;

use super::*;

/// A reply and what is wanted of it.
fn asked<'a>(reply: &'a str, wanted: Option<&'a str>) -> Asked<'a> {
    Asked { prompt: "?", reply, wanted, line: Some(7), example: None }
}

fn reward(judge: &mut dyn Judge, reply: &str, wanted: &str) -> f64 {
    let rewards = judge.judge(&[asked(reply, Some(wanted))]).unwrap();
    assert_eq!(rewards.len(), 1);
    rewards[0]
}

/// Rewards of (reply, wanted) pairs, each with the one that is expected.
fn table(judge: &mut dyn Judge, cases: &[(&str, &str, f64)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|case| (case, reward(judge, case.0, case.1)))
        .filter(|(case, given)| case.2 != *given)
        .map(|(case, given)| format!("{case:?} got {given}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numeric_asks_whether_numbers_are_the_same() {
    let mut judge = Numeric;
    table(
        &mut judge,
        &[("so it is 4", "4.0", 1.0), ("5", "4", 0.0), ("four", "4", 0.0), ("four", "four", 0.0)],
    );
    assert!(judge.check(Some("it is 4"), Some(3)).is_ok());
    let refused = judge.check(Some("four"), Some(3)).unwrap_err();
    assert_eq!(refused.to_string(), "line 3: there is no number in the wanted reply \"four\"");
}

#[test]
fn what_needs_a_wanted_reply_says_so() {
    let judges: [Box<dyn Judge>; 2] = [Box::new(Numeric), Box::new(Pattern::of_each())];
    for mut judge in judges {
        let checked = judge.check(None, Some(7)).unwrap_err().to_string();
        let judged = judge.judge(&[asked("a", None)]).unwrap_err().to_string();
        assert!(checked.starts_with("line 7: there is no wanted reply"), "{checked}");
        assert_eq!(judged, checked);
        assert_eq!(judge.judge(&[]).unwrap(), [0.0; 0]);
    }
    let judges: [Box<dyn Judge>; 2] = [Box::new(Pattern::for_all("a").unwrap()), Box::new(Json::any())];
    for mut judge in judges {
        assert!(judge.check(None, None).is_ok());
        assert!(judge.judge(&[asked("a", None)]).is_ok());
    }
}

#[test]
fn a_pattern_is_searched_for() {
    let cases = [
        ("(?i)^yes\\b", "Yes, it is.", 1.0),
        ("^yes$", "yes it is", 0.0),
        ("\\d{4}-\\d\\d", "in 2024-05, or so", 1.0),
        ("b.c", "b\nc", 0.0),
        ("(?s)b.c", "b\nc", 1.0),
        ("\u{e4}+$", "\u{e4}\u{e4}", 1.0),
        ("", "", 1.0),
    ];
    for (pattern, reply, expected) in cases {
        table(&mut Pattern::for_all(pattern).unwrap(), &[(reply, "ignored", expected)]);
        table(&mut Pattern::of_each(), &[(reply, pattern, expected)]);
    }
}

#[test]
fn an_expression_that_stops_at_line_ends_is_told() {
    let list = "1. Bananas\n2. Apples\n3. Oranges";
    for (pattern, replies, hinted) in [
        ("1\\..*3\\.", &[list, "no"][..], true),
        ("(?s)1\\..*3\\.", &[list], false),
        ("1\\..*3\\.", &[list, "1. and 3."], false),
        ("7\\..*9\\.", &[list], false),
        ("1\\.", &[list], false),
    ] {
        for mut judge in [Pattern::for_all(pattern).unwrap(), Pattern::of_each()] {
            let asked: Vec<_> = replies.iter().map(|reply| asked(reply, Some(pattern))).collect();
            judge.judge(&asked).unwrap();
            let hint = judge.hint();
            assert_eq!(hint.is_some(), hinted, "{pattern}: {hint:?}");
            assert!(hint.is_none_or(|hint| hint.contains("but 1 would have") && hint.contains("(?s)")));
        }
    }
}

#[test]
fn what_this_syntax_lacks_is_told_with_a_way_on() {
    for (pattern, way_on) in [("(?=.*Apple)1\\.", true), ("(?<!a)b", true), ("(a)\\1", true), ("(", false)] {
        let refused = Pattern::for_all(pattern).unwrap_err().to_string();
        assert_eq!(refused.contains("--reward-cmd"), way_on, "{refused}");
    }
}

#[test]
fn each_reply_has_a_pattern_of_its_own() {
    let mut judge = Pattern::of_each();
    for _ in 0..2 {
        let replies = [("a", "^a$"), ("b", "^a$"), ("b", "^b$"), ("a", "^a$")];
        let all = replies.map(|(reply, wanted)| asked(reply, Some(wanted)));
        assert_eq!(judge.judge(&all).unwrap(), [1.0, 0.0, 1.0, 1.0]);
    }
    assert_eq!(judge.judge(&[asked("c", Some("c"))]).unwrap(), [1.0]);
    assert_eq!(format!("{judge:?}").matches("Regex(").count(), 1, "only the last are kept: {judge:?}");
}

#[test]
fn patterns_that_cannot_be_used_are_named_with_their_line() {
    for pattern in ["(", "a{1000000}", "(?=a)", "(a)\\1", "\\w{1000}{1000}"] {
        assert!(Pattern::for_all(pattern).is_err(), "{pattern}");
        let mut judge = Pattern::of_each();
        let refused = judge.check(Some(pattern), Some(7)).unwrap_err().to_string();
        assert!(refused.starts_with("line 7: the regular expression \""), "{refused}");
        assert_eq!(judge.judge(&[asked("a", Some(pattern))]).unwrap_err().to_string(), refused);
    }
}

#[test]
fn patterns_take_no_time_to_speak_of() {
    let mut judge = Pattern::for_all("(a+)+$").unwrap();
    let reply = format!("{}b", "a".repeat(100_000));
    assert_eq!(reward(&mut judge, &reply, ""), 0.0);
}

#[cfg(feature = "json-schema")]
#[test]
fn json_is_judged() {
    let schema = json!({
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "age": {"$ref": "#/$defs/age"}},
        "required": ["name"],
        "additionalProperties": false,
        "$defs": {"age": {"type": "integer", "minimum": 0}},
    });
    let cases = [
        (r#"{"name": "Ann", "age": 5}"#, 1.0),
        ("\n {\"name\": \"Ann\"} ", 1.0),
        ("```json\n{\"name\": \"Ann\"}\n```", 1.0),
        ("```\n{\"name\": \"Ann\"}\n```\n", 1.0),
        (r#"{"name": "ann"}"#, 0.5),
        (r#"{"name": "Ann", "age": -1}"#, 0.5),
        (r#"{"name": "Ann", "size": 1}"#, 0.5),
        ("[]", 0.5),
        ("```json\n5\n```", 0.5),
        (r#"{"name": "Ann""#, 0.0),
        (r#"Sure! {"name": "Ann"}"#, 0.0),
        ("```json\n{\"name\": \"Ann\"}\n``` There.", 0.0),
        ("```json\n{\"name\": \"Ann\"}", 0.0),
        (r#"{"name": "Ann"} {"name": "Ann"}"#, 0.0),
        ("", 0.0),
        ("```", 0.0),
        ("``````", 0.0),
        ("NaN", 0.0),
    ];
    let mut judge = Json::of_schema(&schema).unwrap();
    table(&mut judge, &cases.map(|(reply, expected)| (reply, "", expected)));
    let any = |expected: f64| if expected > 0.0 { 1.0 } else { 0.0 };
    table(&mut Json::any(), &cases.map(|(reply, expected)| (reply, "", any(expected))));
    for bomb in ["[".repeat(1_000_000), format!("{}{}", "[".repeat(200), "]".repeat(200))] {
        assert_eq!(reward(&mut judge, &bomb, ""), 0.0);
    }
}

#[cfg(feature = "json-schema")]
#[test]
fn schemas_that_cannot_be_used_are_refused() {
    for schema in [
        json!(5),
        json!({"type": "strin"}),
        json!({"properties": {"a": {"minimum": "low"}}}),
        json!({"$ref": "#/$defs/nothing"}),
        json!({"pattern": "("}),
    ] {
        let refused = Json::of_schema(&schema).map(drop).unwrap_err().to_string();
        assert!(refused.starts_with("the JSON schema cannot be used"), "{refused}");
    }
    let at = Json::of_schema(&json!({"properties": {"a": {"minimum": "low"}}})).unwrap_err().to_string();
    assert!(at.contains("/properties/a/minimum"), "{at}");
}

#[cfg(feature = "json-schema")]
#[test]
fn schemas_are_never_fetched_nor_read_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("there.json");
    std::fs::write(&path, "{}").unwrap();
    let file = format!("file://{}", path.display());
    for reference in ["http://127.0.0.1:9/x.json", "https://example.com/x.json", file.as_str(), "other.json"]
    {
        for schema in
            [json!({"$ref": reference}), json!({"$schema": reference}), json!({"$id": file, "$ref": "x"})]
        {
            assert!(Json::of_schema(&schema).is_err(), "{schema}");
        }
    }
}

#[cfg(feature = "json-schema")]
#[test]
fn schemas_that_refer_to_themselves_come_to_an_end() {
    let tree = json!({"type": "object", "additionalProperties": {"$ref": "#"}});
    let mut judge = Json::of_schema(&tree).unwrap();
    table(&mut judge, &[(r#"{"a": {"b": {}}}"#, "", 1.0), (r#"{"a": {"b": 1}}"#, "", 0.5)]);
    // Schemas that ask for nothing but themselves ask for nothing; their opposite is never met.
    for (endless, expected) in [
        (json!({"$ref": "#"}), 1.0),
        (json!({"allOf": [{"$ref": "#"}]}), 1.0),
        (json!({"not": {"$ref": "#"}}), 0.5),
    ] {
        table(&mut Json::of_schema(&endless).unwrap(), &[("{}", "", expected)]);
    }
}

#[test]
fn json_is_compared_by_value() {
    let wanted = r#"{"name": "Bob", "age": 5, "tags": ["a", "b"], "in": {"x": null, "y": 0.5}}"#;
    let mut judge = Json::any().equal_to_wanted();
    table(
        &mut judge,
        &[
            (wanted, wanted, 1.0),
            (r#"{"in": {"y": 5e-1, "x": null}, "tags": ["a", "b"], "age": 5.0, "name": "Bob"}"#, wanted, 1.0),
            ("```json\n{\"a\": 1}\n```", r#"{"a": 1}"#, 1.0),
            ("100", "1e2", 1.0),
            ("18446744073709551615", "18446744073709551614", 0.5),
            (r#"{"a": 1, "b": 2}"#, r#"{"a": 1}"#, 0.5),
            (r#"{"a": 1}"#, r#"{"a": "1"}"#, 0.5),
            ("[2, 1]", "[1, 2]", 0.5),
            ("[1]", "[1, 2]", 0.5),
            ("true", "1", 0.5),
            ("{", "{}", 0.0),
            ("Sure! {}", "{}", 0.0),
        ],
    );
    let refused = judge.check(Some("{a}"), Some(3)).unwrap_err().to_string();
    assert!(refused.starts_with("line 3: the wanted reply is no JSON: key must be a string"), "{refused}");
    assert!(judge.check(None, Some(3)).is_err() && judge.check(Some("{}"), None).is_ok());
    assert!(Json::any().check(None, None).is_ok());
}

#[cfg(feature = "json-schema")]
#[test]
fn a_schema_and_the_wanted_value_count_together() {
    let mut strict = Json::of_schema(&json!({"type": "object"})).unwrap().equal_to_wanted();
    table(
        &mut strict,
        &[("{}", "{}", 1.0), (r#"{"a": 1}"#, "{}", 0.5), ("[]", "{}", 0.25), ("[", "{}", 0.0)],
    );
}
