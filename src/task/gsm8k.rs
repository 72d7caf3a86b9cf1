//! Word problems in the form of GSM8K: a question, and a worked answer that ends with `#### ` and the final number.

use thiserror::Error;

use super::number::{MARK, Number, final_number, marked_number};

/// A word problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordProblem {
    /// The question, with the required ending of its answer.
    pub prompt: String,
    /// The worked answer, final number included.
    pub answer: String,
    /// The final number.
    pub number: Number,
}

/// Reasons for which a question and answer are not a problem.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum WordProblemError {
    #[error("the question is empty")]
    NoQuestion,
    #[error("the answer has no \"{MARK} number\" at its end; without it no reply can be judged")]
    NoNumber,
}

impl WordProblem {
    /// Creates the problem of a question and its answer.
    ///
    /// # Errors
    /// When the question is empty, or no number follows `####` in the answer.
    pub fn new(question: &str, answer: &str) -> Result<Self, WordProblemError> {
        let (question, answer) = (question.trim(), answer.trim());
        if question.is_empty() {
            return Err(WordProblemError::NoQuestion);
        }
        let number = marked_number(answer).ok_or(WordProblemError::NoNumber)?;
        let prompt = format!(
            "{question}\n\nSolve this step by step. Put the result on a last line of its own, as {MARK} and the number."
        );
        Ok(Self { prompt, answer: answer.to_owned(), number })
    }

    /// Returns whether the final number of a reply is right.
    pub fn is_right(&self, reply: &str) -> bool {
        final_number(reply) == Some(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_made_of_question_and_answer() {
        let answer = "2 boxes hold 2*600=<<2*600=1200>>1200 nails.\n#### 1,200";
        let problem = WordProblem::new(" How many nails? ", answer).unwrap();
        assert!(problem.prompt.starts_with("How many nails?\n"), "{}", problem.prompt);
        assert!(problem.prompt.contains("####"));
        assert_eq!(problem.answer, answer);
        assert_eq!(problem.number, Number::from(1200));
        assert!(problem.is_right(&problem.answer));
    }

    #[test]
    fn replies_are_judged_by_their_final_number() {
        let problem = WordProblem::new("How much?", "#### 1200").unwrap();
        for reply in ["#### 1200", "#### $1,200.00", "So \\boxed{1200}.", "2 * 600 = **1200**", "#### 2400/2"]
        {
            assert!(problem.is_right(reply), "{reply}");
        }
        let hostile = ["####".repeat(1 << 18), "1".repeat(1 << 20), "\\boxed{".repeat(1 << 17)];
        for reply in ["", "1200 is wrong, 7 is right", "1200\n#### 1201", "#### -1200", "#### 1200.5"] {
            assert!(!problem.is_right(reply), "{reply}");
        }
        for reply in &hostile {
            assert!(!problem.is_right(reply), "{reply:.20}");
        }
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        for answer in ["", "42", "#### ", "#### forty-two", "#### 42\n####"] {
            assert_eq!(WordProblem::new("Why?", answer), Err(WordProblemError::NoNumber), "{answer}");
        }
        assert_eq!(WordProblem::new(" \n", "#### 42"), Err(WordProblemError::NoQuestion));
    }
}
