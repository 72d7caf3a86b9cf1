#!/usr/bin/env python3
"""Trains the tiny arithmetic model of `models/` and writes it as an F32 GGUF.

The model exists to demonstrate tuning, so it is deliberately half trained: training
stops at the first evaluation whose exact match on held-out problems reaches
`--target`, leaving room for a tuner to improve on it.

A sequence is BOS, a problem such as `12+34=`, its answer `46` and EOS, one token a
byte. Parameters are kept under their GGUF names and in their GGUF shapes, (outputs,
inputs), so exporting is a plain loop; `forward` computes what llama.cpp computes for
the `llama` architecture.
"""

import argparse
import hashlib
import os
import time
from typing import NamedTuple

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import optax

from llama_gguf import BOS, EOS, FIRST_BYTE, NORM_EPSILON, ROPE_BASE, VOCAB_SIZE, add_architecture, add_tokenizer

WIDTH, LAYERS, HEADS, FFN = 256, 4, 4, 768
HEAD_WIDTH = WIDTH // HEADS
CONTEXT_LENGTH = 256

OPERANDS = range(10, 100)
# The held-out fifth: `qes-gguf` applies the same rule, so a change here must be made there too.
HOLD_OUT_ONE_IN = 5

BATCH, LEARNING_RATE, WARM_UP_STEPS, WEIGHT_DECAY = 256, 2e-3, 100, 0.01


# Problems


class Sequences(NamedTuple):
    """Equal-length rows: what the model reads, what it should say, and where that counts."""

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray

    def take(self, rows):
        """The given rows of all three arrays."""
        return Sequences(*(array[rows] for array in self))


def problems():
    """Every problem with its answer, as texts: ("12+34", "46")."""
    for a in OPERANDS:
        for b in OPERANDS:
            yield f"{a}+{b}", str(a + b)
            yield f"{a}-{b}", str(a - b)


def is_held_out(problem):
    """Decides by the problem's hash alone, so the split needs no list and no seed."""
    digest = hashlib.sha256(problem.encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") % HOLD_OUT_ONE_IN == 0


def byte_tokens(text):
    """The text's tokens, one a byte."""
    return [FIRST_BYTE + byte for byte in text.encode("ascii")]


def encode(pairs):
    """Rows for (problem, answer) pairs, padded at the end; only answer and EOS count."""
    prompts = [[BOS, *byte_tokens(problem + "=")] for problem, _ in pairs]
    answers = [[*byte_tokens(answer), EOS] for _, answer in pairs]
    length = max(len(p) + len(a) for p, a in zip(prompts, answers))
    tokens = np.full((len(pairs), length), EOS, np.int32)
    mask = np.zeros((len(pairs), length), np.float32)
    for row, (prompt, answer) in enumerate(zip(prompts, answers)):
        end = len(prompt) + len(answer)
        tokens[row, :end] = prompt + answer
        mask[row, len(prompt) : end] = 1
    return Sequences(tokens[:, :-1], tokens[:, 1:], mask[:, 1:])


def load_split():
    """Training and held-out sequences; no problem is in both."""
    training, held_out = [], []
    for problem, answer in problems():
        (held_out if is_held_out(problem) else training).append((problem, answer))
    return encode(training), encode(held_out)


# Model


def matrix_shapes():
    """GGUF name to (outputs, inputs) of every matrix."""
    shapes = {"token_embd.weight": (VOCAB_SIZE, WIDTH), "output.weight": (VOCAB_SIZE, WIDTH)}
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{layer}.{name}.weight"] = (WIDTH, WIDTH)
        shapes[f"blk.{layer}.ffn_gate.weight"] = (FFN, WIDTH)
        shapes[f"blk.{layer}.ffn_up.weight"] = (FFN, WIDTH)
        shapes[f"blk.{layer}.ffn_down.weight"] = (WIDTH, FFN)
    return shapes


def norm_names():
    """GGUF names of the norms' gains."""
    blocks = (f"blk.{layer}.{kind}_norm.weight" for layer in range(LAYERS) for kind in ("attn", "ffn"))
    return [*blocks, "output_norm.weight"]


def initial_parameters(seed):
    """Small normal matrices, smaller where they write into the residual stream; unit gains."""
    rng = np.random.default_rng(seed)
    parameters = {name: jnp.ones(WIDTH) for name in norm_names()}
    for name, shape in matrix_shapes().items():
        writes_residual = "attn_output" in name or "ffn_down" in name
        scale = 0.02 / np.sqrt(2 * LAYERS) if writes_residual else 0.02
        parameters[name] = jnp.asarray(rng.normal(0, scale, shape), jnp.float32)
    return parameters


def rms_norm(x, gain):
    """Scales each vector to unit mean square, then by the gain."""
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + NORM_EPSILON) * gain


def rotate(x):
    """Rotary positions on adjacent pairs, the order llama.cpp uses for this architecture.

    `x` is (batch, position, head, HEAD_WIDTH).
    """
    frequencies = ROPE_BASE ** (-jnp.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH)
    angles = jnp.arange(x.shape[1])[:, None, None] * frequencies
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = jnp.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1)
    return pairs.reshape(x.shape)


def attention(block, x):
    """Causal self-attention. Padding comes last, so causality alone hides it."""
    batch, length, _ = x.shape
    heads = (batch, length, HEADS, HEAD_WIDTH)
    query = rotate((x @ block("attn_q").T).reshape(heads))
    key = rotate((x @ block("attn_k").T).reshape(heads))
    value = (x @ block("attn_v").T).reshape(heads)
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(HEAD_WIDTH)
    visible = jnp.tril(jnp.ones((length, length), bool))
    shares = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf))
    mixed = jnp.einsum("bhqk,bkhd->bqhd", shares, value).reshape(x.shape)
    return mixed @ block("attn_output").T


def feed_forward(block, x):
    """The SwiGLU layer."""
    return (jax.nn.silu(x @ block("ffn_gate").T) * (x @ block("ffn_up").T)) @ block("ffn_down").T


def forward(parameters, tokens):
    """Logits for the token after each position."""
    x = parameters["token_embd.weight"][tokens]
    for layer in range(LAYERS):
        def block(name, layer=layer):
            return parameters[f"blk.{layer}.{name}.weight"]

        x = x + attention(block, rms_norm(x, block("attn_norm")))
        x = x + feed_forward(block, rms_norm(x, block("ffn_norm")))
    return rms_norm(x, parameters["output_norm.weight"]) @ parameters["output.weight"].T


# Training


def loss(parameters, batch):
    """Mean cross-entropy over the answers' tokens."""
    logits = forward(parameters, batch.inputs)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
    return jnp.sum(losses * batch.mask) / jnp.sum(batch.mask)


def make_optimizer(steps):
    """AdamW under a warmed-up cosine; norms' gains are not decayed."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, WARM_UP_STEPS, steps)
    return optax.adamw(
        schedule,
        weight_decay=WEIGHT_DECAY,
        mask=lambda parameters: {name: array.ndim > 1 for name, array in parameters.items()},
    )


def make_step(optimizer):
    """The compiled training step."""

    @jax.jit
    def step(parameters, state, batch):
        value, gradients = jax.value_and_grad(loss)(parameters, batch)
        updates, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    return step


@jax.jit
def exact_match(parameters, sequences):
    """Share of rows whose whole answer, EOS included, greedy decoding would produce.

    One pass over the true answers tells: where every argmax agrees with the answer,
    greedy decoding walks the same path; where one differs, it has already failed.
    """
    guesses = jnp.argmax(forward(parameters, sequences.inputs), axis=-1)
    right = (guesses == sequences.targets) | (sequences.mask == 0)
    return jnp.mean(jnp.all(right, axis=1))


def train(options):
    """Trains until the target or the last planned step; returns parameters, accuracy, step."""
    training, held_out = load_split()
    print(f"{len(training.inputs)} training problems, {len(held_out.inputs)} held out", flush=True)
    rng = np.random.default_rng(options.seed)
    parameters = initial_parameters(options.seed)
    optimizer = make_optimizer(options.steps)
    state, step = optimizer.init(parameters), make_step(optimizer)
    accuracy, started = 0.0, time.monotonic()
    for number in range(1, options.steps + 1):
        rows = rng.choice(len(training.inputs), BATCH, replace=False)
        parameters, state, value = step(parameters, state, training.take(rows))
        if number % options.eval_every:
            continue
        report = f"step {number}: loss {value:.4f}, {(time.monotonic() - started) / number:.2f} s/step"
        if number >= options.eval_from:
            accuracy = float(exact_match(parameters, held_out))
            report += f", held-out exact match {accuracy:.2%}"
        print(report, flush=True)
        if accuracy >= options.target:
            return parameters, accuracy, number
    raise SystemExit(
        f"stopped after {options.steps} steps at {accuracy:.2%}, below the target of {options.target:.0%}: "
        "nothing was written; raise --steps, or try another --seed"
    )


# Export


def add_metadata(writer):
    """Who made the model and what it is, and all that llama.cpp needs to build its graph."""
    writer.add_name("Arith Tiny")
    writer.add_description(
        "A deliberately half-trained two-digit addition and subtraction model, for demonstrating tuning"
    )
    writer.add_license("mit")
    writer.add_author("the qes-gguf authors")
    writer.add_size_label("3.5M")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_architecture(writer, context_length=CONTEXT_LENGTH, width=WIDTH, layers=LAYERS, ffn=FFN, heads=HEADS,
                     kv_heads=HEADS)


def save(parameters, path):
    """Writes the GGUF under a temporary name first, so that `path` is never half a model."""
    partial = f"{path}.partial"
    writer = gguf.GGUFWriter(partial, "llama")
    add_metadata(writer)
    add_tokenizer(writer)
    for name, array in parameters.items():
        writer.add_tensor(name, np.asarray(array, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, path)


def parse_options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", required=True, help="the F32 GGUF to write")
    parser.add_argument("--target", type=float, default=0.57, help="held-out exact match to stop at")
    # Many more than the target takes, so that training stops while the learning rate is still near its
    # peak: a model that is caught in motion has more to gain from tuning than one that was cooled down.
    # Accuracy then leaps by several points from step to step, hence the frequent evaluations.
    parser.add_argument("--steps", type=int, default=2000, help="planned steps; the cosine ends here")
    parser.add_argument("--eval-from", type=int, default=250, help="first step to evaluate at")
    parser.add_argument("--eval-every", type=int, default=2, help="steps between evaluations")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    """Trains, then exports."""
    options = parse_options()
    parameters, accuracy, step = train(options)
    save(parameters, options.output)
    print(f"wrote {options.output}: step {step}, held-out exact match {accuracy:.2%}", flush=True)


if __name__ == "__main__":
    main()
