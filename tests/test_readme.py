"""The README's numbers: each comes out of the command or the code that stands beside it."""

import ast
import re

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def chapter(title):
    """The text below a heading, up to the next one of that level."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[1]


@pytest.fixture(scope="module")
def prompt():
    """What is defined after the code of the chapter for other ports has been typed at a prompt."""
    [code] = re.findall(r"```python\n(.*?)```", chapter("Check your port"), re.DOTALL)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        exec(code, names)
    return names


ROWS = re.findall(r"^\| `(.*?)` \| (.*?) \|$", chapter("Check your port"), re.MULTILINE)


@pytest.mark.parametrize("expression, expected", ROWS)
def test_the_numbers_for_other_ports(expression, expected, prompt):
    """A number that was copied wrongly, or that the program has left behind: other ports would be sent astray."""
    expected = ast.literal_eval(expected)
    if isinstance(expected, float) and not expression.startswith("draws"):
        expected = pytest.approx(expected, rel=1e-12)
    assert eval(expression, prompt) == expected


def test_there_are_numbers_for_other_ports():
    """A table that the test above no longer finds."""
    assert len(ROWS) == 23
    digits = [len(number.lstrip("-0.").replace(".", "")) for _, number in ROWS if re.fullmatch(r"-?[\d.]+", number)]
    assert digits == [17] * 21


def test_the_losses_on_names_txt():
    """Digits that are not the reference's: its losses on names.txt are in golden/."""
    losses = (ROOT / "tests" / "golden" / "names.losses.txt").read_text().split()
    shown = re.search(r"losses at steps 1, 10, 100 and 1000 are ([\d.,\sand]+?)\.\n", chapter("Check your port"))[1]
    assert re.findall(r"[\d.]+", shown) == [losses[i] for i in (0, 9, 99, 999)]
