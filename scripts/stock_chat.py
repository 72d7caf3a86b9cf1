"""What check-stock-llama asks about conversations: prompts, tokens, replies and verdicts, ours beside a stock llama-server's."""

import datetime
import json
import os
import re
import urllib.error
from pathlib import Path

from model_templates import model_templates
from program import ROOT
from stock_llama import NAME, run, say, serving

TEMPLATES = ROOT / "tests" / "chat_templates"

# Tokens of a reply at most.
WORDS = 48

# As many as the task arith lets a chat model reply with.
SUM_WORDS = 16

# One reply at a time, as the server makes them: ggml's attention takes other kernels for 64 tokens or more at once, whose sums
# are in F32 and not in F16, which is enough to turn over tokens that are 0.3 apart.
ALONE = ("--parallel", "1")

# A reward program that notes what it is asked.
NOTE = """import sys
with open(sys.argv[1], "a") as notes:
    for line in sys.stdin:
        notes.write(line)
        notes.flush()
        print(0, flush=True)
"""


def real_model(name):
    """A model that scripts/real-models fetches; None where it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = Path(os.environ.get("QES_GGUF_MODELS") or cache / "qes-gguf" / "models") / name
    return path if path.exists() else None


def said(*texts, system=None):
    """A conversation of these texts, the user's first."""
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]
    return ([{"role": "system", "content": system}] if system is not None else []) + turns


def conversations():
    """Those of the tests, and more of the usual kind."""
    told = json.loads((TEMPLATES / "expected.json").read_text())["conversations"]
    return told + [
        said("Who are you?"),
        said("What is the capital of France?", system="You are a helpful assistant."),
        said("What is 71 + 71?", "71 + 71 = 142", "And 12 more?", "That makes 154.", "Thank you!", system="Count well."),
        said("def f(x):\n    return x  # 1,234.50\n\n\n", "```python\nf(3)\n```"),
    ]


def cases():
    """Conversations with whether a reply begins at their end, which it does unless they end with one."""
    for messages in conversations():
        yield messages, messages[-1]["role"] != "assistant"


class Ours:
    """The programs of this project, and a folder for what they are asked."""

    def __init__(self, target, environment, folder):
        self.release, self.environment, self.folder = target / "release", environment, folder

    def prompts(self, model, asked):
        """What our program makes of conversations."""
        lines = "".join(json.dumps(one) + "\n" for one in asked)
        told = run([self.release / "examples" / "prompts", model], input=lines)
        return [json.loads(line) for line in told.splitlines()]

    def noted(self, model, *flags):
        """What a reward program is told while `eval` runs, and what `eval` says."""
        notes, program = self.folder / "notes.jsonl", self.folder / "note.py"
        program.write_text(NOTE)
        notes.write_text("")
        command = [self.release / "qes-gguf", "eval", model, *flags, "--json", "-t", "1"]
        grade = json.loads(run(command, env=self.environment))
        return [json.loads(line) for line in notes.read_text().splitlines()], grade

    def command(self):
        """The reward program as a shell runs it."""
        return f"python3 '{self.folder / 'note.py'}' '{self.folder / 'notes.jsonl'}'"

    def verdicts(self, replies):
        """Whether the task arith takes replies to sums for right."""
        lines = "".join(json.dumps({"problem": problem, "reply": reply}) + "\n" for problem, reply in replies)
        return [line == "true" for line in run([self.release / "examples" / "verdicts"], input=lines).splitlines()]


def attempt(ask, path, body):
    """What a server answers, or its error."""
    try:
        return ask(path, body)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            return {"error": json.loads(text)["error"]["message"]}
        except (ValueError, KeyError, TypeError):
            return {"error": text}


def grown(ask, text):
    """A text as it grows by the server's tokens."""
    tokens = ask("/tokenize", {"content": text, "add_special": True, "parse_special": True, "with_pieces": True})["tokens"]
    parts, so_far = [], b""
    for piece in (token["piece"] for token in tokens):
        so_far += piece.encode() if isinstance(piece, str) else bytes(piece)
        parts.append(so_far.decode(errors="replace"))
    return parts


class Row:
    """What was found of one template."""

    def __init__(self, name):
        self.name, self.cases, self.equal, self.refused, self.tokens, self.others = name, 0, 0, 0, 0, []

    def add(self, case, ours, theirs, ask, bos):
        """Compares one conversation; a token that begins every text may be the template's or the tokenizer's."""
        self.cases += 1
        if "error" in ours or "error" in theirs:
            self.refused += "error" in ours and "error" in theirs
            if ("error" in ours) != ("error" in theirs):
                self.others.append((case, ours.get("error") or ours["text"], theirs.get("error") or theirs["prompt"]))
            return
        mine, other = ours["text"].removeprefix(bos), theirs["prompt"].removeprefix(bos)
        self.equal += mine == other
        same = ours["tokens"] == grown(ask, theirs["prompt"] if mine == other and bos else ours["text"])
        self.tokens += same
        if mine != other or not same:
            self.others.append((case, mine if mine != other else ours["tokens"], other))

    def line(self):
        """The row of the table."""
        written = self.cases - self.refused - sum(1 for case in self.others if case[0].endswith("refused"))
        refused = f", {self.refused} refused by both" if self.refused else ""
        return f"| {self.name} | {self.equal} of {self.cases - self.refused}{refused} | {self.tokens} of {written} |"


def compare_template(server, model, ours, name, template, kwargs, bos):
    """A row for a template, which is the model's own where it is None."""
    row, folder = Row(name), ours.folder
    options = ["--jinja", "--no-prefill-assistant", "-c", "1024"]
    if template is not None:
        file = folder / "template.jinja"
        file.write_text(template)
        options += ["--chat-template-file", file]
    listed = list(cases())
    today = datetime.date.today().isoformat()
    mine = ours.prompts(model, [{"messages": messages, "template": template, "kwargs": kwargs, "date": today, "reply": begins}
                                for messages, begins in listed])
    with serving(server, model, *options) as ask:
        for place, ((messages, begins), one) in enumerate(zip(listed, mine)):
            body = {"messages": messages, "add_generation_prompt": begins}
            if kwargs:
                body["chat_template_kwargs"] = kwargs
            theirs = attempt(ask, "/apply-template", body)
            refused = ", refused" if ("error" in one) != ("error" in theirs) else ""
            row.add(f"conversation {place}{refused}", one, theirs, ask, bos)
    return row


def templates(ours, model):
    """The templates of the tests, with the variables that they are tried with there, those that have names here, and models' own."""
    told = json.loads((TEMPLATES / "expected.json").read_text())["cases"]
    tried = {(case["template"], json.dumps(case["kwargs"])) for case in told}
    for name, kwargs in sorted(tried):
        more = "" if kwargs == "{}" else f" {kwargs}"
        yield f"{name}{more}", (TEMPLATES / f"{name}.jinja").read_text(), json.loads(kwargs)
    names = re.findall(r'\(\s*"([a-z0-9-]+)",\s*"', (ROOT / "src" / "chat" / "named.rs").read_text())
    asked = [{"messages": said("Hi"), "template": name} for name in names]
    for name, written in zip(names, ours.prompts(model, asked)):
        yield f"`--chat-template {name}`", written["template"], {}
    for name, text in model_templates(ours.folder / "templates"):
        yield name, text, {}


def compare_prompts(server, ours):
    """Prints templates x (rendering equal, tokens equal), and where they differ; returns whether all are."""
    rows = []
    model = real_model("SmolLM2-135M-Instruct.Q4_1.gguf")
    rows.append(compare_template(server, model, ours, "SmolLM2's own", None, {}, ""))
    for name, text, kwargs in templates(ours, model):
        rows.append(compare_template(server, model, ours, name, text, kwargs, ""))
        say(rows[-1].line())
    gemma = real_model("gemma-3-270m-q4_k_m.gguf")
    for name in ("like-gemma-2", "like-gemma-3") if gemma else ():
        text = (TEMPLATES / f"{name}.jinja").read_text()
        rows.append(compare_template(server, gemma, ours, f"{name}, on Gemma 3", text, {}, "<bos>"))
    print("| template | rendering equal | tokens equal |\n|---|---|---|")
    print("\n".join(row.line() for row in rows), flush=True)
    for row in rows:
        for case, mine, other in row.others:
            print(f"\n{row.name}, {case}\n  ours    {mine!r}\n  theirs  {other!r}")
    return not any(row.others for row in rows)


def chat(ask, text, words):
    """A server's greedy reply to a message, and its tokens, each with how much likelier it was than the second one."""
    body = {"messages": said(text), "max_tokens": words, "temperature": 0, "top_k": 1, "cache_prompt": False, "logprobs": True,
            "top_logprobs": 2}
    choice = ask("/v1/chat/completions", body)["choices"][0]
    tokens = []
    for token in choice["logprobs"]["content"]:
        first, second = (top["logprob"] for top in token["top_logprobs"][:2])
        tokens.append((bytes(token["bytes"]), first - second))
    return choice["message"]["content"], tokens


def margin(mine, tokens):
    """How close the server was to another token where a reply of ours leaves its own."""
    so_far, mine = b"", mine.encode()
    for piece, ahead in tokens:
        so_far += piece
        if not mine.startswith(so_far):
            return ahead
    # Ours goes on where the server's ends, or ends where its last tokens were white space.
    return tokens[-1][1] if tokens else float("inf")


def compare_replies(server, ours, count, tie):
    """Puts the captain's prompts to both programs; returns whether replies differ only where tokens were almost tied."""
    model, lines = real_model("SmolLM2-135M-Instruct.Q4_1.gguf"), []
    for part in ("train", "valid"):
        lines += (ROOT / "examples" / "captain" / f"{part}.jsonl").read_text().splitlines()
    asked = [json.loads(line)["messages"][0]["content"] for line in lines][:count]
    data = ours.folder / "asked"
    data.mkdir(exist_ok=True)
    for part in ("train", "valid"):
        (data / f"{part}.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in asked))
    noted, _ = ours.noted(model, "--task", "reward", "--data", data, "-n", WORDS, "--problems", count,
                          "--reward-cmd", ours.command(), *ALONE)
    mine = {note["example"]["prompt"]: note["reply"] for note in noted}
    equal, margins = 0, []
    with serving(server, model, "--jinja", "-c", "1024") as ask:
        for text in asked:
            other, tokens = chat(ask, text, WORDS)
            if mine[text] == other:
                equal += 1
                continue
            margins.append(margin(mine[text], tokens))
            print(f"\n{text}\n  ours    {mine[text]!r}\n  theirs  {other!r}\n  margin  {margins[-1]:.4f}", flush=True)
    told = ", ".join(f"{one:.4f}" for one in margins) or "none"
    print(f"\ngreedy replies through /v1/chat/completions: {equal} of {len(asked)} equal; margins where they differ: {told}", flush=True)
    return all(one <= tie for one in margins)


def number_in(reply):
    """The number that a reply gives, by a reading of its own: behind "answer is" or "=", else the last of the first line with one."""
    numbers = r"-?\d[\d,]*(?:\.\d+)?"
    told = re.findall(rf"(?:answer is:?|=)\s*\**\s*({numbers})", reply.replace("\u2212", "-"))
    lines = [found for found in (re.findall(numbers, line) for line in reply.replace("\u2212", "-").splitlines()) if found]
    found = told[-1:] or (lines[0][-1:] if lines else [])
    return float(found[0].replace(",", "")) if found else None


def is_right(problem, reply):
    """Whether a reply to a sum is right."""
    a, sign, b = re.fullmatch(r"(\d+)([+-])(\d+)", problem).groups()
    return number_in(reply) == (int(a) + int(b) if sign == "+" else int(a) - int(b))


ARITH = """predict = {words}

[problems]
source = "arith"

[[rewards]]
kind = "exact"

[[rewards]]
kind = "command"
command = {command}
weight = 0.001
"""


def compare_verdicts(server, ours, count, tie):
    """Has SmolLM2 add and subtract in both programs, and grades both by two graders; returns whether they agree."""
    model = real_model("SmolLM2-135M-Instruct.Q4_1.gguf")
    plain = json.loads(run([ours.release / "qes-gguf", "eval", model, "--task", "arith", "--reward", "exact", "--problems", count,
                            *ALONE, "--json", "-t", "1"], env=ours.environment))
    task = ours.folder / "arith.toml"
    task.write_text(ARITH.format(words=SUM_WORDS, command=json.dumps(ours.command())))
    noted, grade = ours.noted(model, "--task", task, "--problems", count, *ALONE)
    mine = [(re.search(r"\d+[+-]\d+", note["prompt"]).group(), note["reply"]) for note in noted]
    with serving(server, model, "--jinja", "-c", "1024") as ask:
        answered = [(problem, *chat(ask, f"What is {problem}? Reply with the number only.", SUM_WORDS)) for problem, _ in mine]
    theirs = [(problem, reply) for problem, reply, _ in answered]
    by_ours, by_python = ours.verdicts(mine), [is_right(*one) for one in mine]
    stock_by_ours, stock_by_python = ours.verdicts(theirs), [is_right(*one) for one in theirs]
    equal = sum(one == other for one, other in zip(mine, theirs))
    agree = [a == b == c == d for a, b, c, d in zip(by_ours, by_python, stock_by_ours, stock_by_python)]
    print(f"\n| SmolLM2 on {len(mine)} sums of two digits | right by the task arith | right by the script |\n|---|---|---|")
    print(f"| replies of qes-gguf | {sum(by_ours)} (`eval` says {grade['correct']}, with the default task {plain['correct']}) | {sum(by_python)} |")
    print(f"| replies of llama-server | {sum(stock_by_ours)} | {sum(stock_by_python)} |")
    print(f"\nequal replies: {equal} of {len(mine)}; verdicts that all agree: {sum(agree)} of {len(mine)}", flush=True)
    margins = []
    for place, (problem, reply, tokens) in enumerate(answered):
        if mine[place][1] != reply:
            margins.append(margin(mine[place][1], tokens))
        if not agree[place] or mine[place][1] != reply:
            verdicts = by_ours[place], by_python[place], stock_by_ours[place], stock_by_python[place]
            print(f"\n{problem}\n  ours    {mine[place][1]!r}\n  theirs  {reply!r}\n  right   {verdicts}")
            print(f"  margin  {margins[-1]:.4f}" if mine[place][1] != reply else "", flush=True)
    same_graders = by_ours == by_python and stock_by_ours == stock_by_python
    counts_agree = sum(by_ours) == grade["correct"] == plain["correct"]
    return same_graders and counts_agree and all(one <= tie for one in margins)
