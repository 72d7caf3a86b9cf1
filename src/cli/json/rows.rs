//! Of runs that tune the rows of a few tokens.

use serde::Serialize;

use crate::cli::tokens::FoundTokens;
use crate::ending::Ending;
use crate::evaluation::Worth;
use crate::surprise::Standout;

/// Tokens whose rows of the output matrix alone are tuned, and why.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "standouts", deny_unknown_fields))]
pub struct TunedRows<'a> {
    /// The tokens, those with the largest part first.
    pub tokens: Vec<TunedToken<'a>>,
    /// Surprise of these tokens in the opening of a reply, in nats, on average; `null` where it is the end of replies that is tuned.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub nats: Option<f64>,
    /// Share of the opening's whole surprise that they make up, from 0 to 1; `null` where `nats` is.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    pub share: Option<f64>,
    /// Rewards of the model's replies, whole and ended sooner; `null` where it is the beginning of replies that is tuned.
    pub ending: Option<Worth>,
}

/// One of the tokens.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "standout"))]
pub struct TunedToken<'a> {
    /// Its number in the vocabulary.
    pub token: u64,
    /// Its text.
    pub text: &'a str,
    /// Factor by which replies have it more often than expected; `null` for the token that ends replies.
    pub more: Option<f64>,
}

impl<'a> TunedRows<'a> {
    /// Returns what was found.
    pub fn of(found: &'a FoundTokens) -> Self {
        match found {
            FoundTokens::Opening(surprise) => {
                let token = |Standout { token, text, more }: &'a Standout| TunedToken {
                    token: *token,
                    text,
                    more: Some(*more),
                };
                let tokens = surprise.tokens.iter().map(token).collect();
                Self { tokens, nats: Some(surprise.nats), share: Some(surprise.share), ending: None }
            }
            FoundTokens::Ending(Ending { token, text, worth }) => {
                let tokens = vec![TunedToken { token: *token, text, more: None }];
                Self { tokens, nats: None, share: None, ending: Some(*worth) }
            }
        }
    }
}
