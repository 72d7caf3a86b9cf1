"""What the scripts that ask another llama.cpp have in common: Debian's build, and replies compared token by token."""

import json
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from program import ROOT

# Tokens of a reply at most.
PREDICT = 8

# Seconds that a server may take to load a model.
PATIENCE = 120

NAME = Path(sys.argv[0]).name

APT = """Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache::archives "{folder}/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Languages "none";
Debug::NoLocking "true";
"""

# Debian's libraries are used in place, the C library too, since they may be newer than the system's.
WRAPPER = """#!/bin/sh
lib={root}/usr/lib/{triplet}
exec "$lib/{loader}" --library-path "$lib:$lib/llama" {root}/usr/bin/llama-server "$@"
"""


def say(text):
    """Tells how far the script is."""
    print(f"{NAME}: {text}", file=sys.stderr, flush=True)


def run(command, **more):
    """The standard output of a command that must go well."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, cwd=ROOT, **more)
    if done.returncode:
        raise SystemExit(f"{NAME}: {command[0]} ended with status {done.returncode}")
    return done.stdout


def debian_server(folder):
    """Debian's llama-server, unpacked below a folder."""
    server = folder / "llama-server"
    if server.exists():
        return server
    try:
        sites = run(["apt-get", "indextargets", "--format", "$(SITE)"]).split()
    except FileNotFoundError:
        raise SystemExit(f"{NAME}: there is no apt here; give a stock llama-server with --server") from None
    site = next((site for site in sites if site.rstrip("/").endswith("/debian")), None)
    if not site:
        raise SystemExit(f"{NAME}: apt knows no Debian archive; give a stock llama-server with --server")
    say(f"unpacking Debian's llama.cpp into {folder}")
    root, archives = folder / "root", folder / "archives"
    for needed in (root, archives / "partial", folder / "lists" / "partial"):
        needed.mkdir(parents=True, exist_ok=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (folder / "sources.list").write_text(f"deb [signed-by={keys}] {site} sid main\n")
    # As if nothing were installed, so that all that it needs comes along.
    (folder / "status").write_text("")
    (folder / "apt.conf").write_text(APT.format(folder=folder))
    apt = ["apt-get", "-c", folder / "apt.conf", "-qq"]
    run([*apt, "update"])
    run([*apt, "install", "-y", "--download-only", "--no-install-recommends", "llama.cpp-tools"])
    for package in sorted(archives.glob("*.deb")):
        run(["dpkg-deb", "-x", package, root])
    library = next((root / "usr/lib").glob("*-linux-gnu*/libllama.so.*")).parent
    loader = next(library.glob("ld-linux*.so.*"))
    # ggml looks for its kernels beside the program that the system runs, which is the loader.
    for kernel in (library / "ggml").glob("*/libggml-*.so"):
        (library / kernel.name).symlink_to(kernel)
    server.write_text(WRAPPER.format(root=root, triplet=library.name, loader=loader.name))
    server.chmod(0o755)
    return server


@contextmanager
def serving(server, model, *more):
    """A function that asks a server with this model, started with more options."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", port, "-c", 512, "-t", 1, "-np", 1, "--no-warmup"]
    command = [str(part) for part in (server, "-m", ROOT / model, *options, *more)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=PATIENCE) as answer:
            return json.load(answer)

    try:
        start = time.monotonic()
        while True:
            if process.poll() is not None or time.monotonic() - start > PATIENCE:
                raise SystemExit(f"{NAME}: the stock build does not serve {model}")
            try:
                ask("/health")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        yield ask
    finally:
        process.terminate()
        process.wait()


def stock_replies(server, model, prompts):
    """The stock build's replies: text, and for each token how much likelier it was than the second one."""
    with serving(server, model) as ask:
        for prompt in prompts:
            said = ask("/completion", {"prompt": prompt, "n_predict": PREDICT, "temperature": 0, "top_k": 1, "n_probs": 2,
                                       "cache_prompt": False})
            tops = [token["top_logprobs"] for token in said["completion_probabilities"]]
            yield said["content"], [top[0]["logprob"] - top[1]["logprob"] for top in tops]


def sums(count):
    """Prompts of the arith task."""
    dice = random.Random(0)
    return [f"{dice.randint(10, 99)}{dice.choice('+-')}{dice.randint(10, 99)}=" for _ in range(count)]


def compare(ours, theirs):
    """Equal replies, compared tokens, equal tokens, and the margin at each first difference. Every byte is a token here."""
    equal = tokens = same = 0
    margins = []
    for one, (other, of_other) in zip(ours, theirs):
        # The end counts as a token.
        a, b = [*one, None][:PREDICT], [*other, None][:PREDICT]
        agree = next((i for i, pair in enumerate(zip(a, b)) if pair[0] != pair[1]), min(len(a), len(b)))
        tokens += max(len(a), len(b))
        same += agree
        if a == b:
            equal += 1
        else:
            margins.append(of_other[agree] if agree < len(of_other) else float("inf"))
    return equal, tokens, same, margins


class Trial:
    """A model that is tuned, exported, verified, and compared with what another llama.cpp makes of it."""

    def __init__(self, target, environment, server, folder):
        self.program, self.reply = target / "release" / "qes-gguf", target / "release" / "examples" / "reply"
        self.environment, self.server, self.folder = environment, server, folder

    def call(self, *command):
        """The output of the program."""
        return run([self.program, *command], env=self.environment)

    def tune(self, name, base, flags):
        """Tunes and exports; returns the log's header, the exported file, and its grade and the base's on the same problems."""
        say(f"tuning {base}")
        log, tuned = self.folder / f"{name}.qes", self.folder / f"{name}-tuned.gguf"
        self.call("tune", base, "-o", log, "--overwrite", *flags)
        self.call("export", base, log, "-o", tuned)
        header = json.loads(self.call("inspect", log, "--json"))["header"]
        grade = json.loads(self.call("eval", tuned, "--task", "arith", "--compare", base, "--json", "-t", "1"))
        return header, tuned, grade

    def verified(self, name, base, tuned):
        """What `verify` says of an exported file."""
        done = subprocess.run([self.program, "verify", base, self.folder / f"{name}.qes", tuned], stdout=subprocess.DEVNULL,
                              env=self.environment)
        return done.returncode == 0

    def goes_round(self, name, base, tuned):
        """Whether the diff leads from the base to the tuned file and back, byte for byte, and no generation to the base."""
        log, diff = self.folder / f"{name}.qes", self.folder / f"{name}.qesdiff"
        made = {part: self.folder / f"{name}-{part}.gguf" for part in ("none", "there", "back")}
        self.call("export", base, log, "--as-diff", diff)
        self.call("export", base, log, "--generation", "0", "-o", made["none"])
        self.call("apply", base, diff, "-o", made["there"])
        self.call("revert", tuned, diff, "-o", made["back"])
        there, back = tuned.read_bytes(), Path(base).read_bytes()
        return [made[part].read_bytes() for part in made] == [back, there, back]

    def agrees(self, model, prompts):
        """The stock build's replies beside ours in both layouts: equal tokens, all tokens, and the margins where replies differ."""
        theirs = list(stock_replies(self.server, model, prompts))
        lines = "".join(json.dumps(prompt) + "\n" for prompt in prompts)
        found = []
        for layout in ([], ["plain"]):
            ours = [json.loads(line) for line in run([self.reply, model, PREDICT, *layout], input=lines).splitlines()]
            if len(ours) != len(theirs):
                raise SystemExit(f"{NAME}: {model}: {len(ours)} replies to {len(theirs)} prompts")
            found.append(compare(ours, theirs)[1:])
        counts, same, margins = zip(*found)
        return sum(same), sum(counts), [margin for some in margins for margin in some]
