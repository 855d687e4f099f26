"""The README is true: its code runs and prints what it says, its help is the program's, its tables are counted again.
And so are the numbers for other ports."""

import ast
import doctest
import os
import re
import subprocess
import sys

import pytest
from conftest import GOLDEN, PROGRAM, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PORTS = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")


def test_what_is_typed_at_the_prompt(monkeypatch, capsys):
    """Fails for a number that the program does not print (any more): the whole README as one session. `python3 -m
    doctest README.md` is the same."""
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert failed == 0, capsys.readouterr().out
    assert tried >= 40


def test_the_help_is_the_programs():
    """Fails for a setting that the README does not have, or has with another default or explanation."""
    shown = re.search(r"```\n(usage: .*?)```", README, re.DOTALL)[1]
    done = subprocess.run([sys.executable, str(PROGRAM), "--help"], env={**os.environ, "COLUMNS": "100"},
                          stdout=subprocess.PIPE)  # fmt: skip
    assert done.stdout.decode().replace("optional arguments:", "options:") == shown


# Numbers for other ports


@pytest.fixture(scope="module")
def prompt():
    """What is defined after the code of "Check your port" has been typed at a prompt."""
    [code] = re.findall(r"```python\n(import microgpt\n.*?)```", PORTS, re.DOTALL)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        exec(code, names)
    return names


ROWS = re.findall(r"^\| `(.*?)` \| (-?[\d.]+|\[.*?\]) \|$", PORTS, re.MULTILINE)


@pytest.mark.parametrize("expression, expected", ROWS)
def test_the_numbers_for_other_ports(expression, expected, prompt):
    """Fails for a number that was copied wrongly, or that the program has left behind: ports would be sent astray."""
    value = ast.literal_eval(expected)
    if isinstance(value, float) and not expression.startswith("draws"):
        value = pytest.approx(value, rel=1e-12)
    assert eval(expression, prompt) == value


def test_the_numbers_for_other_ports_are_all_there():
    """Fails for a table that the test above no longer finds, or digits on names.txt that are not the reference's."""
    assert len(ROWS) == 23
    losses = (GOLDEN / "names.losses.txt").read_text().split()
    shown = re.search(r"losses at steps 1, 10, 100 and 1000\s+are\s+([\d.,\sand]+?)\.\s", PORTS)[1]
    assert re.findall(r"[\d.]+", shown) == [losses[i] for i in (0, 9, 99, 999)]
