"""Compares prompts with those of another llama.cpp's server: what it makes of conversations, and of what it makes, in tokens."""

import json
import urllib.error

from program import ROOT
from stock_llama import run, say, serving

TEMPLATES = ROOT / "tests" / "chat_templates"


def conversations():
    """Those of the tests, as far as the server takes them."""
    expected = json.loads((TEMPLATES / "expected.json").read_text())
    return expected["conversations"]


def asked(ask, messages):
    """The server's prompt and its tokens; `None` where it refuses the conversation."""
    try:
        prompt = ask("/apply-template", {"messages": messages})["prompt"]
    except urllib.error.HTTPError:
        return None
    return prompt, ask("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]


def compare_prompts(server, example, model, template):
    """How many prompts, and how many lists of tokens, are equal, of how many; and those that are not."""
    said = [messages for messages in conversations() if messages[-1]["role"] == "user" and messages[-1]["content"]]
    lines = "".join(json.dumps(messages) + "\n" for messages in said)
    ours = [json.loads(line) for line in run([example, model, *([template] if template else [])], input=lines).splitlines()]
    prompts = tokens = 0
    unlike = []
    options = ["--jinja", *(["--chat-template-file", template] if template else [])]
    with serving(server, model, options) as ask:
        for messages, mine in zip(said, ours):
            theirs = asked(ask, messages)
            if theirs is None or "error" in mine:
                equal = [theirs is None and "error" in mine] * 2
            else:
                # The server takes off a first token that it adds itself.
                bare = mine["prompt"]
                if not theirs[0].startswith(mine["bos"] or "\0"):
                    bare = bare.removeprefix(mine["bos"])
                equal = [bare == theirs[0], mine["tokens"] == theirs[1]]
            prompts, tokens = prompts + equal[0], tokens + equal[1]
            if not all(equal):
                unlike.append((messages, mine, theirs))
    return prompts, tokens, len(said), unlike


def check_templates(server, example, model):
    """Prints a table of all templates; whether all prompts are equal."""
    fine = True
    print("| chat template | equal prompts | equal tokens |\n|---|---|---|")
    for template in sorted(TEMPLATES.glob("*.jinja")):
        prompts, tokens, of, unlike = compare_prompts(server, example, model, template)
        print(f"| {template.stem} | {prompts} of {of} | {tokens} of {of} |", flush=True)
        for messages, mine, theirs in unlike:
            say(f"{template.stem}: {json.dumps(messages)}\nhere:  {json.dumps(mine)}\nthere: {json.dumps(theirs)}")
        fine &= not unlike
    return fine
