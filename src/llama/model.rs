//! A loaded model and its text side: tokenizer, end-of-generation tokens, chat template.

use std::ffi::CString;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::OnceLock;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use llama_cpp_sys_2::{
    LLAMA_LOAD_MODE_MMAP, LLAMA_LOAD_MODE_NONE, llama_model, llama_model_default_params,
    llama_model_has_encoder, llama_model_load_from_file,
};
use tracing::debug;

use super::Failure;
use super::device::Placement;
use super::layout::Token;
use super::log;
use super::spelling::Spelling;
use crate::chat::{ControlNames, Speaker};
use crate::engine::Vocabulary;

/// Layout of a model's weights in llama.cpp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// The bytes of the file, mapped.
    Plain,
    /// In memory of llama.cpp's own, with some types interleaved. The file is read, not mapped: otherwise interleaved
    /// tensors would be in memory twice while the model is loaded.
    Repacked,
}

/// A loaded model.
#[derive(Debug)]
pub(super) struct NativeModel {
    raw: NonNull<llama_model>,
    /// The safe wrapper of the same model, which owns it.
    safe: LlamaModel,
    spelling: OnceLock<Spelling>,
    vocabulary: OnceLock<Vocabulary>,
    /// llama.cpp's warnings from loading the model.
    warnings: Vec<String>,
    /// Most positions of a text.
    positions: usize,
    /// `true` if some of its layers are on devices.
    is_on_devices: bool,
    /// `true` if llama.cpp has mapped the file.
    is_mapped: bool,
    flash_attention: Option<bool>,
}

// SAFETY: llama.cpp ties a model to no thread: it is memory, here and on devices, and a vocabulary. GPU backends choose their
// device in each call. What it logs by thread is taken by the call that it belongs to.
unsafe impl Send for NativeModel {}

// SAFETY: a loaded model is only read, by its vocabulary functions as by inference, and llama.cpp lets any number of
// threads do that. Redirecting its tensors takes place before any other thread knows of it.
unsafe impl Sync for NativeModel {}

impl NativeModel {
    /// Loads a model.
    pub(super) fn load(path: &Path, layout: Layout, placement: &Placement) -> Result<Self, Failure> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        // SAFETY: takes nothing and returns plain data.
        let mut params = unsafe { llama_model_default_params() };
        let is_mapped = layout == Layout::Plain && !placement.maps_files();
        params.load_mode = if is_mapped { LLAMA_LOAD_MODE_MMAP } else { LLAMA_LOAD_MODE_NONE };
        params.use_extra_bufts = layout == Layout::Repacked;
        log::take_errors("");
        log::take_warnings();
        debug!(?layout, on_devices = placement.told(), "llama.cpp loads the model");
        // SAFETY: the path is null-terminated and outlives the call, as what the parameters point to does.
        let load = |params| unsafe { llama_model_load_from_file(path.as_ptr(), params) };
        let raw = placement.apply(params, load);
        let raw = NonNull::new(raw).ok_or_else(|| log::take_errors("llama.cpp gave no reason"))?;
        // SAFETY: `LlamaModel` is a transparent wrapper of a non-null pointer to a model, which it frees when dropped.
        let safe = unsafe { std::mem::transmute::<NonNull<llama_model>, LlamaModel>(raw) };
        // SAFETY: the model is loaded.
        if unsafe { llama_model_has_encoder(raw.as_ptr()) } {
            return Err("the model has an encoder; only decoder models can be evaluated".into());
        }
        Ok(Self {
            raw,
            safe,
            spelling: OnceLock::new(),
            vocabulary: OnceLock::new(),
            warnings: log::take_warnings(),
            positions: usize::MAX,
            is_on_devices: placement.is_used(),
            is_mapped,
            flash_attention: None,
        })
    }

    /// Sets whether contexts use flash attention.
    pub(super) fn set_flash_attention(&mut self, flash_attention: Option<bool>) {
        self.flash_attention = flash_attention;
    }

    /// Returns the setting of flash attention.
    pub(super) fn flash_attention(&self) -> Option<bool> {
        self.flash_attention
    }

    /// Returns whether some of its layers are on devices.
    pub(super) fn is_on_devices(&self) -> bool {
        self.is_on_devices
    }

    /// Returns whether llama.cpp has mapped the file, so that tensors in main memory have their bytes in that mapping.
    pub(super) fn is_mapped(&self) -> bool {
        self.is_mapped
    }

    pub(super) fn as_ptr(&self) -> *mut llama_model {
        self.raw.as_ptr()
    }

    /// Returns the bytes of all its tensors.
    pub(super) fn bytes(&self) -> u64 {
        self.safe.size()
    }

    /// Sets the number of learned positions, if the model has learned each.
    pub(super) fn limit_positions(&mut self, positions: Option<usize>) {
        self.positions = positions.unwrap_or(usize::MAX);
    }

    /// Returns the most positions of a text.
    pub(super) fn positions(&self) -> usize {
        self.positions
    }

    /// Refuses more tokens than there are positions; `what` names the text for the error.
    pub(super) fn check_positions(&self, tokens: usize, what: &str) -> Result<(), Failure> {
        if tokens > self.positions {
            let message = format!(
                "{what} takes {tokens} tokens, but this model has learned {} positions and no more, whatever -c is; make \
                 it shorter, or leave it out",
                self.positions
            );
            return Err(message.into());
        }
        Ok(())
    }

    /// Returns the number of tokens in the vocabulary, which is the number of logits.
    pub(super) fn vocabulary_len(&self) -> usize {
        usize::try_from(self.safe.n_vocab()).unwrap_or(0)
    }

    /// Returns whether sequences can share the state of a token; a recurrent model has a state per sequence.
    pub(super) fn can_share_prefixes(&self) -> bool {
        !self.safe.is_recurrent() && !self.safe.is_hybrid()
    }

    /// Returns llama.cpp's warnings about the quality of the model's output.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the token that begins every text, if the model has one.
    pub(super) fn beginning(&self) -> Option<Token> {
        let vocab = self.safe.vocab();
        let token = vocab.bos().0;
        (vocab.should_add_bos() && token >= 0).then_some(token)
    }

    /// Returns the tokens of a text, without one that begins it; names of control tokens become these if `parsed`.
    pub(super) fn tokens(&self, text: &str, parsed: bool) -> Vec<Token> {
        let tokens = self.safe.vocab().tokenize(text.as_bytes(), false, parsed);
        tokens.into_iter().map(|token| token.0).collect()
    }

    /// Returns the token at the end of a chat model's turn, and of any other model's text.
    pub(super) fn end_token(&self) -> Result<Token, Failure> {
        let vocab = self.safe.vocab();
        let template = self.safe.chat_template(None).ok().and_then(|template| template.to_string().ok());
        let ends =
            [vocab.eot().0, vocab.eos().0].map(|token| (token >= 0).then(|| (token, self.spell(&[token]))));
        end_of_turn(template.as_deref(), ends)
            .ok_or_else(|| "the model names no token that ends a text (tokenizer.ggml.eos_token_id)".into())
    }

    /// Returns whether generation stops at this token.
    pub(super) fn is_end(&self, token: Token) -> bool {
        self.safe.vocab().is_eog(LlamaToken(token))
    }

    /// Returns the tokens by the bytes that they spell.
    pub(super) fn spelling(&self) -> &Spelling {
        let vocab = self.safe.vocab();
        let piece = |token: Token| (vocab.token_to_piece(LlamaToken(token), false, None), token);
        self.spelling.get_or_init(|| Spelling::new((0..self.safe.n_vocab()).map(piece)))
    }

    /// Returns the text of tokens that continue others, with any space at its beginning; control tokens are left out.
    pub(super) fn text(&self, tokens: &[Token]) -> String {
        self.pieces(tokens, false)
    }

    /// Returns the text of tokens, with the names of control tokens.
    pub(super) fn spell(&self, tokens: &[Token]) -> String {
        self.pieces(tokens, true)
    }

    fn pieces(&self, tokens: &[Token], with_control: bool) -> String {
        let vocab = self.safe.vocab();
        let piece = |&token: &Token| vocab.token_to_piece(LlamaToken(token), with_control, None);
        let bytes: Vec<u8> = tokens.iter().flat_map(piece).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns whether a token is a control token, which a text has by name alone.
    pub(super) fn is_control(&self, token: Token) -> bool {
        let attributes = self.safe.vocab().attr(LlamaToken(token));
        attributes.intersects(LlamaTokenAttr::Control | LlamaTokenAttr::Unknown)
    }

    /// Returns the model's special tokens and chat template.
    pub(super) fn vocabulary(&self) -> &Vocabulary {
        self.vocabulary.get_or_init(|| {
            let vocab = self.safe.vocab();
            let name = |token: Token| if token < 0 { String::new() } else { self.spell(&[token]) };
            let all = || 0..self.safe.n_vocab();
            let template = self.safe.chat_template(None).ok();
            Vocabulary {
                chat_template: template.map(|text| text.as_c_str().to_string_lossy().into_owned()),
                speaker: Speaker { bos: name(vocab.bos().0), eos: name(vocab.eos().0) },
                control: ControlNames::new(all().filter(|&token| self.is_control(token)).map(name)),
                ends: all().filter(|&token| self.is_end(token)).map(name).collect(),
            }
        })
    }

    /// Returns a sampler that allows only tokens by a GBNF grammar.
    pub(super) fn grammar(&self, grammar: &str, root: &str) -> Result<LlamaSampler, Failure> {
        Ok(LlamaSampler::grammar(&self.safe, grammar, root)?)
    }
}

/// Returns the token that ends a turn, of those that llama.cpp names for turns and for texts: of a chat model the first one that its
/// template writes, or else the one for turns; of any other model the one for texts.
///
/// llama.cpp takes the first token of the vocabulary with one of some names for the end of a turn. A vocabulary may have several: of
/// SmolLM2, that is `<|endoftext|>`, which no turn ends with.
fn end_of_turn(template: Option<&str>, [turn, text]: [Option<(Token, String)>; 2]) -> Option<Token> {
    let Some(template) = template else { return text.map(|(token, _)| token) };
    let is_written = |(_, name): &&(Token, String)| !name.is_empty() && template.contains(&**name);
    // Templates may write the one for texts as a variable; some do so after a whole conversation, whose turns end with another.
    let as_variable = text.as_ref().filter(|_| template.contains("eos_token"));
    let written = turn.iter().chain(&text).find(is_written).or(as_variable);
    written.or(turn.as_ref()).or(text.as_ref()).map(|(token, _)| *token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_with_the_token_that_the_template_writes() {
        let ends = || [Some((0, "<|endoftext|>".to_owned())), Some((2, "<|im_end|>".to_owned()))];
        let end = |template, ends| end_of_turn(template, ends);
        assert_eq!(end(Some("{{ m.content + '<|im_end|>' }}"), ends()), Some(2));
        assert_eq!(end(Some("{{ m.content }}<|endoftext|>"), ends()), Some(0));
        assert_eq!(end(Some("{{ m.content + eos_token }}"), ends()), Some(2));
        assert_eq!(end(Some("{{ m.content }}"), ends()), Some(0), "as llama.cpp says");
        let phi = include_str!("../../tests/chat_templates/phi-3-small.jinja");
        let of_phi = [Some((7, "<|end|>".to_owned())), Some((2, "</s>".to_owned()))];
        assert_eq!(end(Some(phi), of_phi), Some(7), "it writes eos_token after the last turn");
        assert_eq!(end(None, ends()), Some(2));
        let [_, text] = ends();
        assert_eq!((end(Some(""), [None, text]), end(None, [None, None])), (Some(2), None));
    }
}
