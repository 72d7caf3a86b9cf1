//! Tensors that cannot be edited in the memory that inference reads. Part of every build, with llama.cpp and without.

use thiserror::Error;

/// Reasons for which tensors of a model cannot be edited, though llama.cpp has loaded it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Uneditable {
    /// Inference does not read them, in any layout.
    #[error("inference does not use {}; leave {} out of tuning", tensors(names), pronoun(names))]
    Unused {
        /// Their names.
        names: Vec<String>,
    },
    /// llama.cpp keeps one neither as in the file nor in a known interleaved layout.
    #[error("the tensor {name} {reason}")]
    Layout {
        /// Its name.
        name: String,
        /// The way in which llama.cpp keeps it, as the end of a sentence.
        reason: &'static str,
    },
}

/// Returns the first few names.
fn tensors(names: &[String]) -> String {
    const TOLD: usize = 3;
    match names {
        [name] => format!("the tensor {name}"),
        _ if names.len() <= TOLD => format!("the tensors {}", names.join(", ")),
        _ => format!("the tensors {} and {} more", names[..TOLD].join(", "), names.len() - TOLD),
    }
}

fn pronoun(names: &[String]) -> &'static str {
    if names.len() == 1 { "it" } else { "them" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_tensors_are_named_and_many_counted() {
        let said = |count: usize| {
            let names = (0..count).map(|number| format!("t{number}")).collect();
            Uneditable::Unused { names }.to_string()
        };
        assert_eq!(said(1), "inference does not use the tensor t0; leave it out of tuning");
        assert_eq!(said(3), "inference does not use the tensors t0, t1, t2; leave them out of tuning");
        assert_eq!(
            said(9),
            "inference does not use the tensors t0, t1, t2 and 6 more; leave them out of tuning"
        );
    }
}
