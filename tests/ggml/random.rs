//! Small models of other architectures than the bundled ones', with random weights and a vocabulary of bytes.

use qes_gguf::tensor_type::TensorType;

/// Unknown, beginning, end, and the bytes.
const VOCABULARY: u32 = 3 + 256;

/// Positions that the models were made for.
pub const POSITIONS: u64 = 64;

/// A model's metadata and its tensors, the contiguous dimension first.
struct Model {
    architecture: &'static str,
    entries: Vec<Vec<u8>>,
    tensors: Vec<(String, Vec<u64>)>,
    /// The block that is being described.
    block: &'static str,
}

/// An architecture of llama.cpp with one block that inference uses.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Experts, two of four for each token, in tensors of three dimensions.
    Experts,
    /// Biases, a tied embedding, and a width that super-blocks do not divide.
    Narrow,
    /// Learned positions, fused queries, keys and values.
    LearnedPositions,
    /// A second block that predicts further tokens, which inference does not use.
    NextTokens,
}

/// A model of this kind in a type, its tensors that match a pattern in others.
pub fn model(kind: Kind, tensor_type: TensorType, exceptions: &[(&str, TensorType)]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("f32.gguf");
    std::fs::write(&input, described(kind).bytes()).unwrap();
    super::quantized_model(&input, tensor_type, exceptions)
}

fn described(kind: Kind) -> Model {
    match kind {
        Kind::Experts => {
            let mut model = Model::new("llama", 256, 256);
            model.rotating(64);
            model.number("expert_count", 4).number("expert_used_count", 2);
            model.tensor("output.weight", &[256, VOCABULARY.into()]);
            model.attention(256).in_block("ffn_gate_inp.weight", &[256, 4]);
            for name in ["ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"] {
                model.in_block(name, &[256, 256, 4]);
            }
            model
        }
        Kind::Narrow => {
            let mut model = Model::new("qwen2", 160, 256);
            model.rotating(40);
            model.attention(160).in_block("ffn_gate.weight", &[160, 256]);
            model.in_block("ffn_up.weight", &[160, 256]).in_block("ffn_down.weight", &[256, 160]);
            for name in ["attn_q.bias", "attn_k.bias", "attn_v.bias"] {
                model.in_block(name, &[160]);
            }
            model
        }
        Kind::LearnedPositions => {
            let mut model = Model::new("gpt2", 256, 256);
            model.float("attention.layer_norm_epsilon", 1e-5);
            model.tensor("position_embd.weight", &[256, POSITIONS]).tensor("output_norm.bias", &[256]);
            model.in_block("attn_norm.weight", &[256]).in_block("attn_norm.bias", &[256]);
            model.in_block("ffn_norm.weight", &[256]).in_block("ffn_norm.bias", &[256]);
            for (name, rows) in [("attn_qkv", 768), ("attn_output", 256), ("ffn_up", 256), ("ffn_down", 256)]
            {
                model.in_block(&format!("{name}.weight"), &[256, rows]);
                model.in_block(&format!("{name}.bias"), &[rows]);
            }
            model
        }
        Kind::NextTokens => {
            let mut model = Model::new("glm4", 256, 256);
            model.number("nextn_predict_layers", 1).rotating(64);
            for block in ["blk.0", "blk.1"] {
                model.block = block;
                model.attention(256);
                model.in_block("post_attention_norm.weight", &[256]);
                model.in_block("post_ffw_norm.weight", &[256]);
                model.in_block("ffn_up.weight", &[256, 512]).in_block("ffn_down.weight", &[256, 256]);
            }
            model.in_block("nextn.eh_proj.weight", &[512, 256]);
            model.in_block("nextn.enorm.weight", &[256]).in_block("nextn.hnorm.weight", &[256]);
            model
        }
    }
}

impl Model {
    fn new(architecture: &'static str, width: u32, ffn: u32) -> Self {
        let mut model = Self { architecture, entries: tokenizer(), tensors: Vec::new(), block: "blk.0" };
        model.entries.push(entry("general.architecture", 8, &string(architecture)));
        model.number("context_length", POSITIONS as u32).number("embedding_length", width);
        let blocks = if architecture == "glm4" { 2 } else { 1 };
        model.number("block_count", blocks).number("feed_forward_length", ffn);
        model.number("attention.head_count", 4);
        model.tensor("token_embd.weight", &[width.into(), VOCABULARY.into()]);
        model.tensor("output_norm.weight", &[width.into()]);
        model
    }

    fn number(&mut self, key: &str, number: u32) -> &mut Self {
        self.entries.push(entry(&format!("{}.{key}", self.architecture), 4, &number.to_le_bytes()));
        self
    }

    fn float(&mut self, key: &str, number: f32) -> &mut Self {
        self.entries.push(entry(&format!("{}.{key}", self.architecture), 6, &number.to_le_bytes()));
        self
    }

    /// Rotary positions on heads of this width.
    fn rotating(&mut self, head: u32) {
        self.float("attention.layer_norm_rms_epsilon", 1e-5).number("rope.dimension_count", head);
    }

    fn tensor(&mut self, name: &str, shape: &[u64]) -> &mut Self {
        self.tensors.push((name.to_owned(), shape.to_vec()));
        self
    }

    fn in_block(&mut self, name: &str, shape: &[u64]) -> &mut Self {
        self.tensor(&format!("{}.{name}", self.block), shape)
    }

    fn attention(&mut self, width: u64) -> &mut Self {
        for name in ["attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight"] {
            self.in_block(name, &[width, width]);
        }
        self.in_block("attn_norm.weight", &[width]).in_block("ffn_norm.weight", &[width])
    }

    /// The model's file, of 32-bit floats.
    fn bytes(&self) -> Vec<u8> {
        let mut file = [&b"GGUF"[..], &3_u32.to_le_bytes()].concat();
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.entries.len() as u64).to_le_bytes());
        file.extend(self.entries.concat());
        let (mut data, mut state) = (Vec::new(), 1);
        for (name, shape) in &self.tensors {
            file.extend(string(name));
            file.extend((shape.len() as u32).to_le_bytes());
            file.extend(shape.iter().flat_map(|length| length.to_le_bytes()));
            file.extend(0_u32.to_le_bytes());
            file.extend((data.len() as u64).to_le_bytes());
            data.extend(values(name, shape, &mut state).into_iter().flat_map(f32::to_le_bytes));
            data.resize(data.len().next_multiple_of(32), 0);
        }
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(data);
        file
    }
}

/// Gains of one, and numbers that keep the scale of a matrix's input.
fn values(name: &str, shape: &[u64], state: &mut u64) -> Vec<f32> {
    let count = shape.iter().product::<u64>() as usize;
    if name.ends_with("norm.weight") {
        return vec![1.0; count];
    }
    let scale = (12.0 / shape[0] as f32).sqrt();
    let mut draw = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        scale * ((*state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5)
    };
    (0..count).map(|_| draw()).collect()
}

fn tokenizer() -> Vec<Vec<u8>> {
    let specials = ["<unk>", "<s>", "</s>"].map(str::to_owned);
    let tokens: Vec<String> =
        specials.into_iter().chain((0..256).map(|byte| format!("<0x{byte:02X}>"))).collect();
    let kinds = [2_u32, 3, 3].into_iter().chain([6; 256]);
    let array = |kind: u32, items: Vec<u8>| {
        [&kind.to_le_bytes()[..], &u64::from(VOCABULARY).to_le_bytes(), &items].concat()
    };
    let texts = tokens.iter().flat_map(|token| string(token)).collect();
    vec![
        entry("tokenizer.ggml.model", 8, &string("llama")),
        entry("tokenizer.ggml.tokens", 9, &array(8, texts)),
        entry("tokenizer.ggml.scores", 9, &array(6, vec![0; 4 * VOCABULARY as usize])),
        entry("tokenizer.ggml.token_type", 9, &array(5, kinds.flat_map(u32::to_le_bytes).collect())),
        entry("tokenizer.ggml.bos_token_id", 4, &1_u32.to_le_bytes()),
        entry("tokenizer.ggml.eos_token_id", 4, &2_u32.to_le_bytes()),
        entry("tokenizer.ggml.add_space_prefix", 7, &[0]),
    ]
}

fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&string(key)[..], &kind.to_le_bytes(), value].concat()
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}
