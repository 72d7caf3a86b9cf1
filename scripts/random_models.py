"""Small models of several architectures with random weights, for trying whether each can be tuned.

All share the bundled models' vocabulary of bytes. Only printable characters have embeddings and logits other than zero, so that every
reply can be read as text, a character a token.
"""

import math
import os
from typing import Callable, NamedTuple

import gguf
import numpy as np

from llama_gguf import EOS, FIRST_BYTE, NORM_EPSILON, ROPE_BASE, VOCAB_SIZE, add_tokenizer

CONTEXT_LENGTH = 256
PRINTABLE = range(0x20, 0x7F)


class Shape(NamedTuple):
    """What sets the sizes of a model's tensors."""

    width: int
    ffn: int
    heads: int
    kv_heads: int
    head: int
    experts: int = 0
    layers: int = 2

    @property
    def queries(self):
        """Outputs of the queries' matrix."""
        return self.heads * self.head

    @property
    def keys(self):
        """Outputs of the keys' and of the values' matrix."""
        return self.kv_heads * self.head


class Architecture(NamedTuple):
    """An architecture as llama.cpp names it, what is particular to it, and the types that it is tried in."""

    name: str
    shape: Shape
    # From a shape to the sizes of a block's tensors, by their names without "blk.N."; matrices are (outputs, inputs).
    block: Callable
    # Tensors outside the blocks other than the embedding.
    rest: Callable
    metadata: Callable
    # The type of all matrices, and exceptions as examples/quantize takes them.
    types: tuple
    told: str
    # Whether a router chooses among experts. Where two are almost tied for that, the last bits of a kernel decide, and logits leap.
    routed: bool = False


def attention(s, *, biases=False, norms=False):
    """Separate matrices of queries, keys and values."""
    sizes = {"attn_norm.weight": (s.width,), "attn_q.weight": (s.queries, s.width), "attn_k.weight": (s.keys, s.width),
             "attn_v.weight": (s.keys, s.width), "attn_output.weight": (s.width, s.queries)}
    if biases:
        sizes |= {"attn_q.bias": (s.queries,), "attn_k.bias": (s.keys,), "attn_v.bias": (s.keys,)}
    if norms:
        sizes |= {"attn_q_norm.weight": (s.head,), "attn_k_norm.weight": (s.head,)}
    return sizes


def gated(s):
    """A feed-forward layer with a gate."""
    return {"ffn_norm.weight": (s.width,), "ffn_gate.weight": (s.ffn, s.width), "ffn_up.weight": (s.ffn, s.width),
            "ffn_down.weight": (s.width, s.ffn)}


def experts(s):
    """A router, and the matrices of all experts in one tensor each."""
    return {"ffn_norm.weight": (s.width,), "ffn_gate_inp.weight": (s.experts, s.width),
            "ffn_gate_exps.weight": (s.experts, s.ffn, s.width), "ffn_up_exps.weight": (s.experts, s.ffn, s.width),
            "ffn_down_exps.weight": (s.experts, s.width, s.ffn)}


def gemma3_block(s):
    """Norms before and behind everything."""
    return attention(s, norms=True) | gated(s) | {"post_attention_norm.weight": (s.width,), "post_ffw_norm.weight": (s.width,)}


def gpt2_block(s):
    """Queries, keys and values in one matrix, no gate, and biases everywhere."""
    matrices = {"attn_qkv": (s.queries + 2 * s.keys, s.width), "attn_output": (s.width, s.queries), "ffn_up": (s.ffn, s.width),
                "ffn_down": (s.width, s.ffn)}
    sizes = {f"{norm}.{part}": (s.width,) for norm in ("attn_norm", "ffn_norm") for part in ("weight", "bias")}
    for name, size in matrices.items():
        sizes |= {f"{name}.weight": size, f"{name}.bias": size[:1]}
    return sizes


def untied(s):
    """An output matrix of its own."""
    return {"output_norm.weight": (s.width,), "output.weight": (VOCAB_SIZE, s.width)}


def tied(s):
    """The embedding is the output matrix too."""
    return {"output_norm.weight": (s.width,)}


def gpt2_rest(s):
    """Learned positions."""
    return untied(s) | {"position_embd.weight": (CONTEXT_LENGTH, s.width), "output_norm.bias": (s.width,)}


def rms_and_rope(writer, s):
    """What most architectures need."""
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_rope_dimension_count(s.head)
    writer.add_rope_freq_base(ROPE_BASE)


def head_widths(writer, s):
    """For heads whose width does not follow from the model's."""
    writer.add_key_length(s.head)
    writer.add_value_length(s.head)


def with_window(writer, s):
    """Every other layer sees a few tokens only."""
    rms_and_rope(writer, s)
    head_widths(writer, s)
    writer.add_sliding_window(8)
    writer.add_sliding_window_pattern([True, False])


def with_experts(writer, s, used=2):
    """Some experts of all for each token."""
    rms_and_rope(writer, s)
    writer.add_expert_count(s.experts)
    writer.add_expert_used_count(used)


def with_all_experts(writer, s):
    """All of them for each token, so that a router has nothing to choose."""
    with_experts(writer, s, s.experts)


def with_qwen_experts(writer, s):
    """The same as with some, with heads of their own width."""
    with_experts(writer, s)
    head_widths(writer, s)
    writer.add_expert_feed_forward_length(s.ffn)


# As llama-quantize does in its recipe Q4_K_M.
MIXTURE = ("Q4_K", "attn_v=Q6_K", "ffn_down=Q6_K")

ARCHITECTURES = {
    "llama": Architecture("llama", Shape(256, 512, 4, 2, 64), lambda s: attention(s) | gated(s), untied, rms_and_rope, MIXTURE,
                          "the reference"),
    "qwen2": Architecture("qwen2", Shape(896, 512, 14, 2, 64), lambda s: attention(s, biases=True) | gated(s), tied, rms_and_rope,
                          MIXTURE, "biases, tied embedding, width 896"),
    "gemma3": Architecture("gemma3", Shape(256, 512, 4, 1, 64), gemma3_block, tied, with_window, ("Q5_K", "attn_v=Q8_0"),
                           "norms everywhere, tied embedding, sliding window"),
    "gpt2": Architecture("gpt2", Shape(256, 512, 4, 4, 64), gpt2_block, gpt2_rest,
                         lambda writer, s: writer.add_layer_norm_eps(NORM_EPSILON), ("Q5_0", "ffn_down=Q5_1"),
                         "learned positions, fused qkv, biases"),
    "mixtral": Architecture("llama", Shape(256, 256, 4, 2, 64, experts=4), lambda s: attention(s) | experts(s), untied,
                            with_experts, MIXTURE, "2 of 4 experts, in 3-D tensors", routed=True),
    "mixtral-all": Architecture("llama", Shape(256, 256, 4, 2, 64, experts=4), lambda s: attention(s) | experts(s), untied,
                                 with_all_experts, MIXTURE, "4 of 4 experts, in 3-D tensors"),
    "qwen3moe": Architecture("qwen3moe", Shape(256, 256, 4, 2, 64, experts=4), lambda s: attention(s, norms=True) | experts(s),
                             untied, with_qwen_experts, ("Q4_0", "ffn_down=IQ4_NL"), "2 of 4 experts, in 3-D tensors, norms of q and k", routed=True),
}


def tensor_sizes(architecture):
    """The sizes of all tensors by name, in the file's order."""
    s = architecture.shape
    sizes = {"token_embd.weight": (VOCAB_SIZE, s.width)}
    for layer in range(s.layers):
        sizes |= {f"blk.{layer}.{name}": size for name, size in architecture.block(s).items()}
    return sizes | architecture.rest(s)


def weights(rng, name, size):
    """Normal weights that keep their input's scale, gains near one, small biases."""
    numbers = rng.standard_normal(size, np.float32)
    if len(size) == 1:
        return 1 + 0.1 * numbers if name.endswith("norm.weight") else 0.1 * numbers
    numbers *= 1 / math.sqrt(size[-1])
    if name in ("token_embd.weight", "output.weight"):
        spoken = [EOS, *(FIRST_BYTE + byte for byte in PRINTABLE)]
        numbers[[token for token in range(VOCAB_SIZE) if token not in spoken]] = 0
    return numbers


def dequantized(path):
    """The weights of a model's file as floating-point numbers, by the tensors' names."""
    tensors = gguf.GGUFReader(path).tensors
    return {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in tensors}


def write(path, key, seed, like=None):
    """Writes an F32 model, with the weights of the file `like` if there is one; under a temporary name first, so that `path` is
    never half a model."""
    architecture = ARCHITECTURES[key]
    shape, partial, rng = architecture.shape, f"{path}.partial", np.random.default_rng(seed)
    writer = gguf.GGUFWriter(partial, architecture.name)
    writer.add_name(f"Random {key}")
    writer.add_description(f"Random weights for tests, seed {seed}: {architecture.told}")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(VOCAB_SIZE)
    writer.add_context_length(CONTEXT_LENGTH)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    architecture.metadata(writer, shape)
    add_tokenizer(writer)
    known = dequantized(like) if like else {}
    for name, size in tensor_sizes(architecture).items():
        writer.add_tensor(name, known[name].reshape(size) if like else weights(rng, name, size))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, path)
