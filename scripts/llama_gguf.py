"""What the GGUF files of both model-making scripts share: a small llama-architecture model over bytes."""

import gguf

ROPE_BASE, NORM_EPSILON = 10_000.0, 1e-5

UNK, BOS, EOS, FIRST_BYTE = 0, 1, 2, 3
VOCAB_SIZE = FIRST_BYTE + 256


def add_architecture(writer, *, context_length, width, layers, ffn, heads, kv_heads):
    """All that llama.cpp needs to build the graph."""
    writer.add_vocab_size(VOCAB_SIZE)
    writer.add_context_length(context_length)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_rope_dimension_count(width // heads)
    writer.add_rope_freq_base(ROPE_BASE)


def add_tokenizer(writer):
    """Three specials and the 256 bytes: every text reaches the model byte by byte."""
    kinds = gguf.TokenType
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])
    writer.add_token_scores([0.0] * VOCAB_SIZE)
    writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256])
    writer.add_unk_token_id(UNK)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
