"""Chat templates of models whose licences this project cannot hand on: fetched from where llama.cpp keeps them for its own tests.

The source package of llama-cpp-python on PyPI has llama.cpp's `models/templates`. It is fetched once (70 MB), checked, and only
its templates are kept.
"""

import hashlib
import io
import tarfile
import urllib.request
from pathlib import PurePath

from stock_llama import say

PACKAGE = ("https://files.pythonhosted.org/packages/83/0f/8e03877aa9ea79890cf64f6d12d47f4daced663d0dd6abe482fe6483e7e6/"
           "llama_cpp_python-0.3.29.tar.gz")
SHA256 = "21122165951bdc25ba27c0483a2f44082c860d89422945548c64df08b6029ce4"

# What a folder has once everything is in it.
COMPLETE = "complete"


def fetch(folder):
    """Puts the templates into a folder."""
    say(f"fetching {PACKAGE.rsplit('/', 1)[1]} for its chat templates")
    with urllib.request.urlopen(PACKAGE, timeout=600) as answer:
        package = answer.read()
    if hashlib.sha256(package).hexdigest() != SHA256:
        raise SystemExit(f"check-stock-llama: {PACKAGE} is not what it was: its SHA-256 is another")
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for member in archive:
            name = PurePath(member.name)
            if name.parent.name == "templates" and name.suffix == ".jinja":
                (folder / name.name).write_bytes(archive.extractfile(member).read())
    (folder / COMPLETE).touch()


def model_templates(folder):
    """Names and texts of the templates, which are fetched where the folder lacks them."""
    if not (folder / COMPLETE).exists():
        fetch(folder)
    return [(file.stem, file.read_text()) for file in sorted(folder.glob("*.jinja"))]
