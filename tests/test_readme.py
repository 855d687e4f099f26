"""The blocks of the READMEs can be pasted, and print what is shown below them."""

import ast
import code
import contextlib
import dataclasses
import io
import re

import pytest
from helpers import GOLDEN, ROOT

import microgpt

pytestmark = pytest.mark.whole

README = (ROOT / "README.md").read_text(encoding="utf-8")
TESTS_README = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


def section(heading):
    """The text of README.md from a heading of the second level to the next one."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


class Prompt:
    """A Python prompt into which text is pasted, line by line."""

    def __init__(self):
        self.console = code.InteractiveConsole({"__name__": "__main__"})

    def paste(self, block):
        """What is printed. The block must end where the prompt is ready for the next one."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            waiting = [self.console.push(line) for line in block.splitlines()][-1]
        assert not waiting, f"the prompt waits for more after:\n{block}"
        return output.getvalue()


@pytest.fixture
def prompt(monkeypatch):
    """A fresh prompt in the project's folder. What a block has replaced is put back."""
    monkeypatch.chdir(ROOT)
    for module in (microgpt, microgpt.random):
        for name, value in list(vars(module).items()):
            monkeypatch.setattr(module, name, value)
    return Prompt()


def test_the_transcript_is_the_default_run():
    """It has what a terminal shows of the golden run, from the first line on."""
    [shown] = re.findall(r"```text\n\$ python3 microgpt\.py\n(.*?)\.\.\.\n```", README, re.DOTALL)
    printed = (GOLDEN / "default.stdout.txt").read_bytes().decode("utf-8")
    on_screen = [line.rstrip("\r").rpartition("\r")[2] for line in printed.split("\n")]
    assert len(shown.splitlines()) == 8
    assert shown.splitlines() == on_screen[:8]


def test_the_vowels_of_the_first_screen_are_those_of_the_story():
    """What is shown there is printed by a block of section 3."""
    first_screen = README[: README.index("## Contents")]
    [vowels] = re.findall(r"```text\n(a is most like .*?)```", first_screen, re.DOTALL)
    assert vowels in section("How it works")


def test_the_table_of_options_is_that_of_config():
    """Each option with its default and its text, as --help has them."""
    rows = re.findall(r"^\| `--(.*?)` \| (.*?) \| (.*?) \|$", section("Usage"), re.MULTILINE)
    assert rows == [
        (f.name.replace("_", "-"), str(f.default) or "none", f.metadata["about"])
        for f in dataclasses.fields(microgpt.Config)
    ]


@pytest.mark.slow
def test_the_block_for_programs(prompt):
    """It prints a run with two samples, and then a name."""
    [(block, _)] = BLOCK.findall(section("Usage"))
    header, *_, first, second, name = prompt.paste(block).splitlines()
    assert header == "num docs: 12855"
    assert (first[:9], second[:9]) == ("sample  1", "sample  2")
    assert f"print(microgpt.sample(tokenizer, state_dict, config))  # {name}\n" in block


@pytest.mark.slow
def test_the_blocks_of_the_story(prompt):
    """All blocks, one after the other in one session, print what is shown below them."""
    blocks = BLOCK.findall(section("How it works"))
    assert len(blocks) >= 15
    for block, expected in blocks:
        assert prompt.paste(block) == expected, f"printed by:\n{block}"


RECIPES = {
    name: BLOCK.findall(text)
    for name, text in re.findall(
        r"<summary>(.*?)</summary>\n(.*?)</details>", section("Going further"), re.DOTALL
    )
    if "```python" in text
}


def test_no_block_is_left_out():
    """All blocks of Python are in the sections whose blocks are tested, and in a recipe there."""
    sections = [section(heading) for heading in ("Usage", "How it works", "Going further")]
    blocks = [BLOCK.findall(text) for text in sections]
    assert README.count("```python") == sum(map(len, blocks))
    assert len(blocks[2]) == 1 + sum(map(len, RECIPES.values()))


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_starts_alone(prompt, name):
    """Each recipe needs the preamble and no other recipe, and prints what is shown below it.

    It does not depend on how many random numbers were drawn before."""
    preamble, _ = BLOCK.findall(section("Going further"))[0]
    assert prompt.paste(preamble + "random.seed(99)\n") == ""
    for block, expected in RECIPES[name]:
        assert prompt.paste(block) == expected


# Numbers for other ports, in tests/README.md


@pytest.fixture(scope="module")
def port():
    """What is defined after the block of "Check your port"."""
    [(block, _)] = BLOCK.findall(TESTS_README)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        prompt = Prompt()
        assert prompt.paste(block) == ""
    return prompt.console.locals


ROWS_OF_PORTS = re.findall(r"^\| `(.*?)` \| (-?[\d.]+|\[.*?\]) \|$", TESTS_README, re.MULTILINE)


def test_no_number_for_other_ports_is_lost():
    """The next test has a case for each row of the table."""
    [table] = re.findall(r"^\| at the prompt .*?\n\n", TESTS_README, re.DOTALL | re.MULTILINE)
    assert len(ROWS_OF_PORTS) == table.count("\n| `") > 0


@pytest.mark.parametrize("expression, expected", ROWS_OF_PORTS)
def test_a_number_for_other_ports(expression, expected, port):
    """The program computes it: draws, documents and tokens exactly, the rest to 1e-12."""
    value = ast.literal_eval(expected)
    if isinstance(value, float) and not expression.startswith("draws"):
        value = pytest.approx(value, rel=1e-12, abs=0)
    assert eval(expression, port) == value


def test_the_losses_for_other_ports_equal_the_reference():
    """At steps 1, 10, 100 and 1000 of both runs."""
    for run in ("default", "names"):
        losses = (GOLDEN / f"{run}.losses.txt").read_text().split()
        shown = [losses[step - 1] for step in (1, 10, 100, 1000)]
        assert f"| {' | '.join(shown)} |" in TESTS_README, run
