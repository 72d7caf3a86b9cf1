#!/usr/bin/env python3
"""Writes random-weight GGUF models with the shapes of real ones, for benchmarks.

They say nothing sensible, but their blocks take the time and memory of real ones; what a
real vocabulary costs in embedding and output is missing. They are made on demand and never
committed. Needs numpy and gguf only, in the versions of
`requirements-train.txt` (Python 3.11 or newer), and what builds the project:

    python3 -m venv target/synthetic-venv
    target/synthetic-venv/bin/pip install gguf==0.19.0 numpy==2.4.6
    target/synthetic-venv/bin/python scripts/make_synthetic_model.py --shape 135m
"""

import argparse
import contextlib
import math
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np

from llama_gguf import VOCAB_SIZE, add_architecture, add_tokenizer

ROOT = Path(__file__).resolve().parent.parent
CONTEXT_LENGTH = 2048

# A super-block of Q4_K: a row that it does not divide would fall back to another type.
ROW_MULTIPLE = 256
# Beyond the tensors themselves: metadata and alignment.
FILE_OVERHEAD = 1 << 20

TYPES = ("Q4_K", "Q8_0")


class Shape(NamedTuple):
    """What sets the sizes of a model's tensors, and which model it resembles."""

    layers: int
    width: int
    ffn: int
    heads: int
    kv_heads: int
    like: str


SHAPES = {
    "tiny": Shape(2, 256, 256, 4, 1, "for trying this script"),
    "135m": Shape(30, 768, 1280, 12, 4, "SmolLM-135M with width 768 for 576"),
    "0.5b": Shape(24, 1024, 4864, 16, 2, "Qwen2.5-0.5B with width 1024 for 896"),
    "1.5b": Shape(28, 1536, 8960, 12, 2, "Qwen2.5-1.5B"),
}


def tensor_shapes(shape):
    """GGUF name to (outputs, inputs) of every matrix and (width,) of every norm, in the file's order."""
    width, ffn, kv_width = shape.width, shape.ffn, shape.kv_heads * shape.width // shape.heads
    block = {
        "attn_norm": (width,), "attn_q": (width, width), "attn_k": (kv_width, width),
        "attn_v": (kv_width, width), "attn_output": (width, width),
        "ffn_norm": (width,), "ffn_gate": (ffn, width), "ffn_up": (ffn, width), "ffn_down": (width, ffn),
    }
    shapes = {"token_embd.weight": (VOCAB_SIZE, width)}
    for layer in range(shape.layers):
        shapes |= {f"blk.{layer}.{name}.weight": size for name, size in block.items()}
    shapes |= {"output_norm.weight": (width,), "output.weight": (VOCAB_SIZE, width)}
    for name, size in shapes.items():
        if size[-1] % ROW_MULTIPLE:
            raise SystemExit(f"the rows of {name} have {size[-1]} weights, which {ROW_MULTIPLE} does not divide")
    return shapes


def parameter_count(shapes, prefix=""):
    """Weights in the tensors whose names start so."""
    return sum(math.prod(size) for name, size in shapes.items() if name.startswith(prefix))


def make_tensor(rng, size):
    """A norm's gains, all one, or a matrix of normal weights.

    Which deviation they have hardly matters: the cost of a pass does not depend on the
    values, the quantizer scales every block, and each layer's input is normalized. With
    one over the root of the inputs a matrix keeps its input's scale, so no activation
    comes near F16's limit, and the attention's and outputs' scores stay moderate.
    """
    if len(size) == 1:
        return np.ones(size, np.float32)
    weights = rng.standard_normal(size, np.float32)
    weights *= 1 / math.sqrt(size[-1])
    return weights.astype(np.float16)


def add_metadata(writer, name, shape, seed, count):
    """What the model is, and all that llama.cpp needs to build its graph."""
    writer.add_name(f"Synthetic {name}")
    writer.add_description(f"Random weights for benchmarks, seed {seed}; shape: {shape.like}")
    writer.add_license("mit")
    writer.add_author("the qes-gguf authors")
    writer.add_size_label(f"{count / 1e6:.1f}M")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    add_architecture(writer, context_length=CONTEXT_LENGTH, width=shape.width, layers=shape.layers, ffn=shape.ffn,
                     heads=shape.heads, kv_heads=shape.kv_heads)


def write_model(path, name, seed):
    """Writes the F16 model; only one tensor is in memory at a time."""
    shapes = tensor_shapes(SHAPES[name])
    writer = gguf.GGUFWriter(path, "llama")
    add_metadata(writer, name, SHAPES[name], seed, parameter_count(shapes))
    add_tokenizer(writer)
    for tensor, size in shapes.items():
        kind = np.dtype(np.float32 if len(size) == 1 else np.float16)
        writer.add_tensor_info(tensor, size, kind, math.prod(size) * kind.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    rng = np.random.default_rng(seed)
    for size in shapes.values():
        writer.write_tensor_data(make_tensor(rng, size))
    writer.close()


@contextlib.contextmanager
def finished(path):
    """Lends a temporary name that becomes `path` in the end, so that `path` is never half a model."""
    partial, started = path.with_name(f"{path.name}.partial"), time.monotonic()
    partial.unlink(missing_ok=True)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    print(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB, {time.monotonic() - started:.1f} s", flush=True)


def quantize(source, target, kind, quantizer):
    """Runs the project's quantizer, which gives every matrix this one type."""
    cargo = ["cargo", "run", "--release", "--example", "quantize", "--"]
    command = [quantizer] if quantizer else cargo
    try:
        # The paths are absolute, since cargo wants the checkout as the working directory.
        subprocess.run([*command, source, target, kind], cwd=ROOT, check=True)
    except OSError as error:
        raise SystemExit(f"{command[0]} cannot be run ({error.strerror}); run scripts/setup, or see --quantizer")
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"quantizing to {kind} failed: {command[0]} ended with status {error.returncode}")


def require_room(folder, parameters, kinds):
    """Ends the script when the folder's disk cannot hold files of these types side by side."""
    sizes = [gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]] for kind in kinds]
    needed = sum(parameters * size // block + FILE_OVERHEAD for block, size in sizes)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SystemExit(f"{folder} has room for {free / 1e6:.0f} MB, and {needed / 1e6:.0f} MB are needed")


def make(options):
    """Makes the files that are missing, by way of an F16 one."""
    shapes = tensor_shapes(SHAPES[options.shape])
    total, blocks = parameter_count(shapes), parameter_count(shapes, "blk.")
    print(f"{options.shape}: {blocks:,} parameters in the blocks, {total - blocks:,} others", flush=True)
    folder = options.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    kinds = ("F16", *options.types)
    paths = {kind: folder / f"synthetic-{options.shape}-{kind.lower()}.gguf" for kind in kinds}
    missing = [kind for kind, path in paths.items() if not path.exists()]
    for kind in (kind for kind in kinds if kind not in missing):
        print(f"kept {paths[kind]}, which was there already; remove it to make it anew", flush=True)
    if missing == ["F16"] and not options.keep:
        return
    require_room(folder, total, missing)
    try:
        for kind in missing:
            with finished(paths[kind]) as partial:
                if kind == "F16":
                    write_model(partial, options.shape, options.seed)
                else:
                    quantize(paths["F16"], partial, kind, options.quantizer)
    finally:
        # One that an earlier run was told to keep stays.
        if "F16" in missing and not options.keep:
            paths["F16"].unlink(missing_ok=True)


def type_list(text):
    """The names in a list such as `Q4_K,Q8_0`."""
    kinds = text.split(",")
    for kind in kinds:
        if kind not in TYPES:
            raise argparse.ArgumentTypeError(f"{kind!r} is no type to make; choose from {', '.join(TYPES)}")
    return kinds


def parse_options():
    """The command line."""
    lines = ["shapes (the vocabulary is 256 bytes and 3 specials, so nearly all parameters are in the blocks):"]
    for name, shape in SHAPES.items():
        blocks = parameter_count(tensor_shapes(shape), "blk.") / 1e6
        lines.append(f"  {name}: {blocks:.1f}M in the blocks, {shape.layers} layers of {shape.width}; {shape.like}")
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--shape", required=True, choices=SHAPES, help="one of the shapes below")
    add("--types", type=type_list, default=TYPES, help="types to make, by commas (default: Q4_K,Q8_0)")
    add("-o", "--output", metavar="DIR", type=Path, default=ROOT / "target/synthetic",
        help="folder for synthetic-SHAPE-TYPE.gguf; files already there are kept, whatever their seed "
        "(default: the checkout's target/synthetic)")
    add("--keep", action="store_true", help="keep the F16 file too")
    add("--quantizer", metavar="PATH", type=lambda text: Path(text).resolve(),
        help="a built examples/quantize (default: build and run it with cargo)")
    add("--seed", type=int, default=1, help="seed of the weights (default: 1)")
    return parser.parse_args()


def main():
    """Makes what was asked for."""
    try:
        make(parse_options())
    except (OSError, ValueError) as error:  # A ValueError is numpy's, about the seed.
        raise SystemExit(f"making the model failed: {error}")


if __name__ == "__main__":
    main()
