//! Conversations as they are found in the wild.

use super::*;

fn said(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

/// A conversation of three questions and answers.
fn talk() -> Vec<Value> {
    (1..=3).flat_map(|n| [said("user", &format!("q{n}")), said("assistant", &format!("a{n}"))]).collect()
}

fn example(object: &Value) -> Example {
    parsed("x.jsonl", &object.to_string()).examples.remove(0)
}

#[test]
fn either_pair_of_keys_may_stand_under_either_name() {
    let openai = json!([said("user", "Hi"), said("assistant", "Ho")]);
    let sharegpt = json!([{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]);
    let mixed = json!([{"from": "user", "value": "Hi"}, said("gpt", "Ho")]);
    for list in [&openai, &sharegpt, &mixed] {
        for key in ["messages", "conversations"] {
            let (shape, content) = one(&json!({ key: list }));
            assert_eq!((shape, content), (Shape::Chat, replied(messages(&[("user", "Hi")]), "Ho")), "{list}");
        }
    }
}

#[test]
fn a_role_of_another_name_is_refused_with_the_right_one() {
    for (role, meant) in
        [("User", "user"), ("Assistant", "assistant"), ("bot", "assistant"), ("chatgpt", "assistant")]
    {
        let mut list = talk();
        let at = usize::from(meant == "assistant");
        list[at] = said(role, "x");
        let error =
            parse("x.jsonl", json!({"messages": list}).to_string().as_bytes(), &Shape::ALL, 9).unwrap_err();
        let words = format!("\"role\" in message {} of \"messages\" is \"{role}\"", at + 1);
        assert!(error.to_string().contains(&words), "{error}");
        assert!(error.to_string().ends_with(&format!("; write \"{meant}\"")), "{error}");
    }
    let last = json!({"messages": [said("user", "Hi"), said("bot", "Ho")]}).to_string();
    let error = parse("x.jsonl", last.as_bytes(), &Shape::ALL, 9).unwrap_err().to_string();
    assert!(error.contains("write \"assistant\""), "{error}");
}

#[test]
fn all_replies_of_a_conversation_are_examples() {
    let replies = example(&json!({"messages": talk()})).by_reply();
    let expected = [
        replied(messages(&[("user", "q1")]), "a1"),
        replied(messages(&[("user", "q1"), ("assistant", "a1"), ("user", "q2")]), "a2"),
        replied(
            messages(&[
                ("user", "q1"),
                ("assistant", "a1"),
                ("user", "q2"),
                ("assistant", "a2"),
                ("user", "q3"),
            ]),
            "a3",
        ),
    ];
    let contents: Vec<Content> = replies.iter().map(|example| example.content.clone()).collect();
    assert_eq!(contents, expected);
    assert!(replies.iter().all(|example| example.line == Some(1) && example.weight == 1.0));
    // A greeting answers nothing.
    let mut greeted = vec![said("system", "Be kind."), said("assistant", "Welcome!")];
    greeted.extend(talk());
    assert_eq!(example(&json!({"messages": greeted})).by_reply().len(), 3);
    let twice = json!({"messages": [said("user", "a"), said("assistant", "b"), said("assistant", "c"), said("user", "d"), said("assistant", "e")]});
    let error = parse("x.jsonl", twice.to_string().as_bytes(), &Shape::ALL, 9).unwrap_err().to_string();
    assert!(error.contains("message 3 of the assistant follows another"), "{error}");
}

#[test]
fn weights_are_of_examples_and_of_replies() {
    let mut list = talk();
    list[1]["weight"] = json!(0);
    list[3]["weight"] = json!(1);
    list[5]["weight"] = json!(0.5);
    let weights = |object: &Value| -> Vec<f64> {
        example(object).by_reply().iter().map(|example| example.weight).collect()
    };
    assert_eq!(weights(&json!({"messages": list, "weight": 2})), [0.0, 2.0, 1.0]);
    assert_eq!(weights(&json!({"prompt": "a", "completion": "b", "weight": 0.25})), [0.25]);
    assert_eq!(weights(&json!({"prompt": "a", "completion": "b", "weight": null})), [1.0]);
    let table = parsed("x.csv", "prompt,answer,weight\na,b,3\nc,d,\n");
    let of_table: Vec<f64> = table.examples.iter().map(|example| example.weight).collect();
    assert_eq!(of_table, [3.0, 1.0]);
    for weight in [json!(-1), json!("heavy"), json!([1]), json!(1e9)] {
        let text = json!({"prompt": "a", "completion": "b", "weight": weight}).to_string();
        let error = parse("x.jsonl", text.as_bytes(), &Shape::ALL, 9).unwrap_err().to_string();
        assert!(error.contains("\"weight\" is no number from 0"), "{error}");
    }
}

#[test]
fn columns_of_their_own_are_part_of_the_prompt() {
    let pirate = ("system", "You are a pirate.");
    let chat = json!({"system": pirate.1, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Arr"}]});
    assert_eq!(one(&chat).1, replied(messages(&[pirate, ("user", "Hi")]), "Arr"));
    let alpaca = json!({"system": pirate.1, "history": [["Hi", "Arr"], ["Ho", "Yarr"]], "instruction": "Sing.", "output": "Yo ho"});
    let before = [
        pirate,
        ("user", "Hi"),
        ("assistant", "Arr"),
        ("user", "Ho"),
        ("assistant", "Yarr"),
        ("user", "Sing."),
    ];
    assert_eq!(one(&alpaca).1, replied(messages(&before), "Yo ho"));
    let prompt = json!({"prompt": "Hi", "completion": "Arr", "system": pirate.1});
    assert_eq!(one(&prompt).1, replied(messages(&[pirate, ("user", "Hi")]), "Arr"));
    // The replies of a history are context, those of the conversation count.
    let both = json!({"system": pirate.1, "history": [["Hi", "Arr"]], "messages": talk()});
    assert_eq!(example(&both).by_reply().len(), 3);
    for nothing in [json!(""), json!(null), json!(" ")] {
        let object = json!({"system": nothing, "history": [], "prompt": "Hi", "completion": "Arr"});
        assert_eq!(one(&object).1, replied(text_prompt("Hi"), "Arr"), "{object}");
    }
    for (object, says) in [
        (
            json!({"system": "a", "messages": [said("system", "b"), said("user", "c"), said("assistant", "d")]}),
            "keep one of them",
        ),
        (json!({"system": 5, "prompt": "a", "completion": "b"}), "\"system\" is a number"),
        (
            json!({"history": "Hi", "prompt": "a", "completion": "b"}),
            "\"history\" is a string; expected a list of pairs",
        ),
        (
            json!({"history": [["Hi"]], "prompt": "a", "completion": "b"}),
            "\"history\" is a list of other things",
        ),
    ] {
        let error = parse("x.jsonl", object.to_string().as_bytes(), &Shape::ALL, 9).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn what_a_model_cannot_be_shown_is_refused_by_name() {
    let with = |key: &str, value: Value| {
        let mut object = json!({"messages": talk()});
        object[key] = value;
        object
    };
    let inside = |key: &str, value: Value| {
        let mut list = talk();
        list[1][key] = value;
        json!({ "messages": list })
    };
    for (object, says) in [
        (with("tools", json!([{"name": "f"}])), "\"tools\" cannot be put"),
        (with("images", json!(["a.png"])), "\"images\" cannot be put"),
        (with("image", json!("a.png")), "\"image\" cannot be put"),
        (inside("tool_calls", json!([])), "\"tool_calls\" in message 2"),
        (
            inside("thinking", json!(["Hm."])),
            "\"thinking\" in message 2 of \"messages\" is a list; expected a string",
        ),
        (with("reasoning_content", json!("Hm.")), "thoughts stand beside several messages or replies"),
        (
            json!({"prompt": "a", "completion": "<think>x</think>b", "reasoning_content": "Hm."}),
            "thoughts stand beside \"completion\"",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a", "thinking": "Hm."}, {"role": "assistant", "content": "b"}]}),
            "thoughts stand beside message 1 of \"messages\"",
        ),
        (json!({"prompt": "a", "completion": "b", "images": ["a.png"]}), "\"images\" cannot be put"),
        (
            json!({"instruction": "Extract.", "output": {"name": "Bob"}}),
            "\"output\" is an object; expected a string: write it as one",
        ),
    ] {
        let error = parse("x.jsonl", object.to_string().as_bytes(), &Shape::ALL, 9).unwrap_err();
        assert_eq!(error.line, Some(1));
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    for nothing in
        [with("images", json!([])), with("tools", json!(null)), inside("reasoning_content", json!(""))]
    {
        assert_eq!(one(&nothing).0, Shape::Chat, "{nothing}");
    }
}

#[test]
fn thoughts_stand_before_their_reply() {
    let mut list = talk();
    list[5]["reasoning_content"] = json!(" Hm.\nYes. ");
    let reply = |object: Value| {
        let bytes = object.to_string();
        let Content::Reply { reply, .. } =
            parse("x.jsonl", bytes.as_bytes(), &Shape::ALL, 9).unwrap().examples.remove(0).content
        else {
            panic!("{object}")
        };
        reply
    };
    let written = reply(json!({ "messages": list }));
    assert!(written.starts_with("<think>\nHm.\nYes.\n</think>\n\n"), "{written}");
    let beside = json!({"prompt": "a", "completion": "b", "reasoning_content": "Hm."});
    assert_eq!(reply(beside), "<think>\nHm.\n</think>\n\nb");
}
