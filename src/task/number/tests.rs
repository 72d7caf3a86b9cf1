use proptest::prelude::*;

use super::*;

fn ratio(above: i128, below: i128) -> Option<Number> {
    Some(Number::new(above, below))
}

#[test]
fn one_number_in_many_forms() {
    for (text, above, below) in [
        ("42", 42, 1),
        ("007", 7, 1),
        ("+42", 42, 1),
        ("-42", -42, 1),
        ("\u{2212}42", -42, 1),
        ("- 42", 42, 1),
        ("x=-42", -42, 1),
        ("**42**", 42, 1),
        ("**-42**", -42, 1),
        ("It is 42.", 42, 1),
        ("42.Then", 42, 1),
        ("1,234,567", 1_234_567, 1),
        ("1,234kg", 1234, 1),
        ("12,345.50", 24691, 2),
        ("3.50", 7, 2),
        ("0.5", 1, 2),
        (".5", 1, 2),
        ("-.5", -1, 2),
        ("3.000", 3, 1),
        ("$1,000.00", 1000, 1),
        ("\\$1,000", 1000, 1),
        ("-$5", -5, 1),
        ("$-5", -5, 1),
        ("\u{2212}€5", -5, 1),
        ("£2.50", 5, 2),
        ("50%", 50, 1),
        ("3/4", 3, 4),
        ("-6/8", -3, 4),
        ("1.5/0.5", 3, 1),
        ("$10/hour", 10, 1),
        ("\\boxed{42}", 42, 1),
        ("GPT-4", 4, 1),
        ("etc.5", 5, 1),
        ("...5", 5, 1),
        ("٣ or 3", 3, 1),
    ] {
        assert_eq!(first_number(text), ratio(above, below), "{text}");
        assert_eq!(last_number(text), ratio(above, below), "{text}");
    }
}

#[test]
fn two_numbers_are_two() {
    for (text, first, last) in [
        ("1,23", 1, 23),
        ("1,2345", 1, 2345),
        ("1234,567", 1234, 567),
        ("0,123", 0, 123),
        ("1,234,56", 1234, 56),
        ("10-20", 10, 20),
        ("10, 20", 10, 20),
        ("(3)-4", 3, 4),
        ("12-34 is -22", 12, -22),
        ("3/ 4", 3, 4),
        ("1 .. 2", 1, 2),
    ] {
        assert_eq!(first_number(text), ratio(first, 1), "{text}");
        assert_eq!(last_number(text), ratio(last, 1), "{text}");
    }
}

#[test]
fn what_has_no_value_is_none() {
    let (long, longer) = ("9".repeat(39), "7".repeat(1 << 20));
    let finer = format!("0.{longer}");
    for text in ["", "none", ".", "-$", "٣", "½", "5/0", &long, &longer, &finer] {
        assert_eq!(first_number(text), None, "{:.50}", text);
        assert_eq!(last_number(text), None, "{:.50}", text);
    }
    assert_eq!(last_number(&format!("7 or {long}")), None, "the number before it is another");
    assert_eq!(first_number(&i128::MAX.to_string()), ratio(i128::MAX, 1));
    assert_eq!(first_number(&format!("-{}", i128::MAX)), ratio(-i128::MAX, 1));
    assert_eq!(first_number(&format!("2.50{}", "0".repeat(100))), ratio(5, 2), "zeros do not count");
}

#[test]
fn long_texts_take_no_time() {
    for piece in [
        "$",
        "-",
        "1,",
        "1,111",
        "5/",
        ".5",
        "\\boxed{",
        "####",
        "#### 1",
        "−",
        "1.1.1",
        "1 ",
        "1 1",
        "1.111",
        " 111",
        ".111",
        "answer",
        "answer is ",
        "answer: 1 =",
        "= ",
        "=",
        "1=",
        "\\frac{",
        "\\frac{1}{",
        "\n1. ",
        "? 1",
        "\nQ:",
        "#### 1?\n",
        " (1",
        "1e",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());
        let started = std::time::Instant::now();
        let found = [first_number(&text), last_number(&text), final_number(&text)];
        assert!(started.elapsed().as_secs() < 5, "{piece}: {found:?}");
    }
}

#[test]
fn large_small_and_continental_numbers_are_read() {
    for (text, above, below) in [
        ("1e3", 1000, 1),
        ("1E+3", 1000, 1),
        ("2.5e-3", 1, 400),
        ("1.5 × 10^3", 1500, 1),
        ("1.5 x 10^{3}", 1500, 1),
        ("1.5*10**3", 1500, 1),
        ("1.5·10³", 1500, 1),
        ("3 × 10⁻²", 3, 100),
        ("-2e2", -200, 1),
        ("1 234,5", 2469, 2),
        ("1.234,50", 2469, 2),
        ("1.234.567,8", 6_172_839, 5),
        ("1\u{202f}234", 1234, 1),
        ("1\u{a0}234\u{a0}567,5", 2_469_135, 2),
        ("1 3/4", 7, 4),
        ("-2 1/2 cups", -5, 2),
        ("0e9999", 0, 1),
        ("3em", 3, 1),
        ("2e", 2, 1),
    ] {
        assert_eq!(first_number(text), ratio(above, below), "{text}");
        assert_eq!(last_number(text), ratio(above, below), "{text}");
    }
    for (text, first, last) in
        [("1 234", 1, 234), ("1e3f", 1, 3), ("3 x 10 = 30", 3, 30), ("1.234,5,6", 2469, 6), ("4 5/3", 4, 5)]
    {
        let half = if text.starts_with("1.234") { 2 } else { 1 };
        assert_eq!(first_number(text), ratio(first, half), "{text}");
        assert_eq!(last_number(text), ratio(last, if text.ends_with("5/3") { 3 } else { 1 }), "{text}");
    }
    for text in ["1e99", "1e-99", "9e37e1 1e999999", "10 × 10^-40"] {
        assert_eq!(last_number(text), None, "{text}");
    }
}

/// Replies as models give them, each with the number that is its answer.
const REPLIES: [(&str, &str); 62] = [
    // Marked.
    ("5 + 6 = 11\n#### 11", "11"),
    ("#### 11\nThat took 2 steps.", "11"),
    ("#### 10\n#### 11", "11"),
    ("####\n11", "11"),
    ("#### $1,100 in 3 years", "1100"),
    ("#### **11**", "11"),
    ("#####11", "11"),
    ("#### Result\nIt is 11", "11"),
    ("#### 22/2", "11"),
    ("#### 5 + 6 = 11", "11"),
    ("It is \\boxed{11}, after 2 steps.", "11"),
    ("\\boxed{10}, no, \\boxed{x = 11}.", "11"),
    ("\\boxed{x}, which is 11", "11"),
    ("\\boxed{3 is 11", "11"),
    ("\\boxed{12}\n#### 11", "11"),
    ("So $x = \\boxed{\\frac{3}{4}}$ of 12.", "3/4"),
    ("\\[ \\boxed{1{,}234\\text{ clips}} \\]", "1234"),
    ("\\boxed{1\\,234}", "1234"),
    ("\\boxed{\\$29.00}", "29"),
    ("\\boxed{-\\dfrac{1}{2}}", "-1/2"),
    // Said.
    ("The answer is 142.", "142"),
    ("The answer is $29.00.", "29"),
    ("The answer is: **1,234**", "1234"),
    ("Answer: 142", "142"),
    ("**Answer:** 142\n\nI added 71 and 71.", "142"),
    ("**Final Answer**\nThe final answer is $\\boxed{142}$", "142"),
    ("Answer:\n\n142 clips, of which 71 are red", "142"),
    ("The answer to 71 + 71 is 142, which is 2 times 71.", "142"),
    ("The answer is 71 + 71 = 142 (2 times 71).", "142"),
    ("The answer is not 5. The answer is 6. It took 3 minutes.", "6"),
    ("The answer: in 2 months she sold 72", "72"),
    ("The correct answer would be -22, because 12 is less than 34.", "-22"),
    // Worked out.
    ("6 + 5 = 11.", "11"),
    ("71 + 71 = 142", "142"),
    ("71 + 71 = 142 (7 + 7 = 14, 1 + 1 = 2)", "142"),
    ("Natalia sold 48/2 = 24 clips in May.\nIn all she sold 48+24 = 72 clips in April and May.", "72"),
    ("72 clips, altogether.", "72"),
    ("She sold 72 clips in all, since 48 + 24 is just that.", "72"),
    ("First, 5 + 3 = 8. With 2 friends each that makes 16 altogether.", "16"),
    ("1. Add the ones: 1 + 1 = 2.\n2. Add the tens: 7 + 7 = 14.\n3. Together: 142", "142"),
    ("1. Tom has 3 bags.\n2. Each has 4 marbles.\n3. Therefore he has 12 marbles.", "12"),
    ("So Tom has 12 marbles. I hope this helps!", "12"),
    ("So Tom has 12 marbles. Would you like 1 more example?", "12"),
    ("Tom has 12 marbles.\n\nLet's check: 12 / 4 = 3 bags.", "12"),
    ("3 * 4 = 12", "12"),
    ("Total cost = 3 × $4.50 = $13.50 = 13.50 dollars", "27/2"),
    ("It costs $29.00.", "29"),
    ("1,234", "1234"),
    ("It weighs about 1.5 × 10^3 kg.", "1500"),
    ("1e3", "1000"),
    ("= 12", "12"),
    ("x \\approx 3.5", "7/2"),
    ("12. That is what he has.", "12"),
    // Gone on after the answer.
    ("3*4 = 12\n#### 12\n\nQuestion: Ann has 5.\n#### 5", "12"),
    ("#### 12\n\nAnn has 5 apples and eats 2. How many are left, of the 5?\n#### 3", "12"),
    ("The answer is 12.\n\nQ: Ann has 5. How many?\nA: The answer is 5.", "12"),
    ("Tom has 12 marbles.\n\n**Problem 2:** Ann has 5 marbles.", "12"),
    ("Tom has 12 marbles.<|im_start|>user\nAnd with 5 bags?", "12"),
    ("12\n\nUser: and 7 + 8?\nAssistant: 15", "12"),
    ("### Response:\n12\n\n### Instruction:\nNow 7 + 8\n\n### Response:\n15", "12"),
    ("Question: Tom has 3 bags with 4 marbles each?\nAnswer: 12", "12"),
    ("12 [INST] And 7 + 8? [/INST] 15", "12"),
];

#[test]
fn the_final_number_is_where_the_reply_says() {
    let wrong: Vec<String> = REPLIES
        .iter()
        .map(|(reply, wanted)| (reply, wanted, final_number(reply)))
        .filter(|(_, wanted, found)| *found != first_number(wanted))
        .map(|(reply, wanted, found)| format!("{reply:?}: {found:?}, not {wanted}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for text in ["", "11", "####", "####   \n ", "#### none\n11"] {
        assert_eq!(marked_number(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in ".*", numeric in "[-−0-9,./$ #}]*") {
        for text in [text, numeric] {
            prop_assert_eq!(first_number(&text).is_some(), first_number(&format!("a {text}")).is_some());
            last_number(&text);
            final_number(&text);
            final_number(&format!("\\boxed{{{text}####{text}"));
        }
    }

    #[test]
    fn written_decimals_are_read_back(mantissa in -10_i128.pow(30)..10_i128.pow(30), places in 0_usize..12) {
        let digits = format!("{:0width$}", mantissa.abs(), width = places + 1);
        let (whole, decimals) = digits.split_at(digits.len() - places);
        let grouped: Vec<&str> = whole.as_bytes().rchunks(3).rev().map(|g| str::from_utf8(g).unwrap()).collect();
        let sign = if mantissa < 0 { "-" } else { "" };
        let point = if places > 0 { "." } else { "" };
        for whole in [whole.to_owned(), grouped.join(",")] {
            let text = format!("so {sign}${whole}{point}{decimals}.");
            prop_assert_eq!(first_number(&text), ratio(mantissa, 10_i128.pow(places as u32)), "{}", text);
            prop_assert_eq!(last_number(&text), first_number(&text));
        }
    }
}

#[test]
fn numbers_are_compared_and_not_texts() {
    assert!(same_number("So it is 1,200.", "#### 1200"));
    assert!(!same_number("none", "none"));
    assert!(!same_number("12", "13"));
}
