//! Replies of a model, which may be any text: what each task makes of them.

use qes_gguf::task::arith::Arith;
use qes_gguf::task::countdown::Puzzle;
use qes_gguf::task::expression::evaluate;
use qes_gguf::task::gsm8k::WordProblem;
use qes_gguf::task::number::{final_number, first_number, last_number, marked_number};
use qes_gguf::task::{Problem, Task, is_wanted};

use super::Seeds;

pub fn run(bytes: &[u8]) {
    let reply = &*String::from_utf8_lossy(bytes);
    let numbers = [first_number(reply), last_number(reply), marked_number(reply), final_number(reply)];
    assert!(numbers.iter().flatten().all(|number| *number.denom() > 0));
    // Spaces between signs change no value.
    assert_eq!(evaluate(reply).ok(), evaluate(&reply.replace('(', " ( ").replace(')', " ) ")).ok());
    let puzzle = Puzzle {
        numbers: vec![3, 7, 2],
        target: 20,
        solution: "(7 + 3) * 2".to_owned(),
        steps: vec!["7 + 3 = 10".to_owned()],
    };
    let verdict = puzzle.judge(reply);
    assert!(!verdict.right || reply.contains("<answer>"));
    assert!(verdict.reward >= f64::from(verdict.right) && verdict.reward <= 1.2);
    let problem = Problem { wanted: Some("-22".to_owned()), ..Problem::default() };
    let _ = (Arith::default().judge(&problem, reply), is_wanted(&problem, reply));
    // A reply may be somebody's worked answer, too; then it is right by itself.
    if let Ok(problem) = WordProblem::new("How many?", reply) {
        assert!(problem.is_right(reply) && Some(problem.number) == marked_number(reply.trim()));
    }
    let _ = WordProblem::new(reply, "#### 7").map(|problem| problem.is_right(reply));
}

pub fn seeds() -> Seeds {
    let text = |text: &str| text.as_bytes().to_vec();
    let max = i128::MAX;
    vec![
        ("countdown", text("<think>x</think>\n<answer> (7+3)*2 = 20 </answer>\n")),
        ("countdown-tags", text("<think><answer>1</think><answer>(7+3)*2</answer></answer>")),
        ("countdown-negative", text("</think><answer>2\u{b7}(\u{2212}(\u{2212}3\u{2212}7))=020</answer>")),
        ("gsm8k", text("2*600=<<2*600=1200>>1200 nails.\n#### $1,200.00")),
        ("boxed", text("So \\boxed{-\\$1,234.50}.")),
        ("fractions", text("1/3+1/6 = .5 or 3/ 4, 5/0")),
        ("numbers", text("-$5, \u{2212}\u{20ac}5, $-5, 10-20, GPT-4, ...5, 1,2345, 0,123, \u{663}")),
        ("largest", text(&format!("{max} -{max} {max}0 1/{max} {max}/{max}"))),
        ("largest-quotients", text(&format!("{max}/3*{max}+1/{max}-1/3"))),
        ("decimals", text(&format!("0.{}1 {}.5", "0".repeat(38), "9".repeat(37)))),
        ("products", text("18446744073709551615*18446744073709551615*18446744073709551615")),
        ("quotients", text("1/18446744073709551615/18446744073709551615/18446744073709551615")),
        ("open", text(&"(".repeat(2000))),
        ("nested", text(&format!("{}7{}", "(".repeat(1000), ")".repeat(1000)))),
        ("minuses", text(&format!("{}7", "-".repeat(2001)))),
        ("marks", text(&"####".repeat(500))),
        ("boxes", text(&"\\boxed{".repeat(300))),
        ("answers", text(&"<answer>".repeat(300))),
        ("not-utf-8", vec![0xff, b'1', 0xc3, b'2', 0xf0, 0x9f]),
        ("division-by-zero", text("1/(2-2)+1")),
    ]
}
