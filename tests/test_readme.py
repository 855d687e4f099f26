"""The READMEs are true: their blocks can be pasted and print what stands below them.

The numbers in sentences are counted again, and the numbers for other ports are the program's.
"""

import ast
import code
import collections
import contextlib
import hashlib
import io
import math
import os
import re
import shutil
import subprocess
import sys

import pytest
from helpers import GOLDEN, INPUT, PROGRAM, ROOT, before_the_first_step, run_program

import microgpt

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text(encoding="utf-8")
PORTS = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
WORDS = " ".join(README.split())

BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


def section(heading):
    """The text of README.md from a heading of the second level to the next one."""
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[1]


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


def assert_blocks_print_what_they_say(prompt, text):
    """Each block of text, pasted in turn, prints what stands below it, and nothing otherwise."""
    for block, expected in BLOCK.findall(text):
        assert prompt.paste(block) == expected, f"printed by:\n{block}"


@pytest.fixture
def prompt(monkeypatch):
    """A fresh prompt in the project's folder. What is replaced in microgpt is put back."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(microgpt, "attention", microgpt.attention)
    monkeypatch.setattr(microgpt, "softmax", microgpt.softmax)
    return Prompt()


def test_the_blocks_of_the_story(prompt):
    """All blocks, one after the other, in one session."""
    assert len(BLOCK.findall(section("The story"))) >= 20
    assert_blocks_print_what_they_say(prompt, section("The story"))
    assert "cafecafe" not in prompt.console.locals["lines"][:1000], "it was in training"


PREAMBLE, *RECIPES = BLOCK.findall(section("Recipes"))


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_a_recipe_starts_alone(prompt, number):
    """Each recipe needs the preamble, of at most eight lines, and no other recipe.

    Nor does it matter how many random numbers were drawn since."""
    assert len(PREAMBLE[0].splitlines()) <= 8
    assert prompt.paste(PREAMBLE[0] + "random.seed(99)\n") == ""
    block, expected = RECIPES[number]
    assert prompt.paste(block) == expected


def samples_of(*arguments):
    """The names that the program makes up."""
    done = run_program(INPUT, *arguments)
    return re.findall(r"^sample +\d+: (.*)$", done.stdout.decode(), re.MULTILINE)


def test_the_names_on_the_first_screen():
    """They are what the program made up, and one of the nine exists."""
    first_screen = README.split("## The story")[0]
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \|$", first_screen, re.MULTILINE)
    whole_run = (GOLDEN / "default.stdout.txt").read_text(encoding="utf-8")
    whole = re.findall(r"^sample +\d+: (.*)$", whole_run, re.MULTILINE)
    untrained, short = samples_of("--num-steps=0"), samples_of("--num-steps=100")
    assert [list(column) for column in zip(*rows)] == [untrained[:3], short[:3], whole[:3]]
    docs, *_ = before_the_first_step()
    assert [name for row in rows for name in row if name in docs] == ["naina"]
    assert "naina" not in docs[:1000]


def zen():
    """What `import this` prints."""
    command = [sys.executable, "-c", "import this"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()


def test_the_numbers_in_the_sentences():
    """Losses and counts in the story, the numbers of documents and of whole runs."""
    docs = microgpt.load_docs(INPUT)
    counts = collections.Counter("".join(doc + "." for doc in docs))
    total = sum(counts.values())
    letters = -sum(n / total * math.log(n / total) for n in counts.values())
    losses = [float(line) for line in (GOLDEN / "default.losses.txt").read_text().split()]
    shuffled, *_ = before_the_first_step()
    read = sum(min(len(doc) + 1, 16) for doc in shuffled[:1000])
    for words in (
        f"**{math.log(27):.2f}** knows nothing",
        f"**{letters:.2f}** has counted letters",
        f"reaches **{sum(losses[900:]) / 100:.2f}**",
        f"cost log(8) = {math.log(8):.2f} each",
        f"is **{4 * math.log(8) / 9:.2f}**",
        f"That is 8 * 2.08 / 9 = {8 * math.log(8) / 9:.2f}",
        f"A score that is larger by 1 gets {math.e:.1f} times the share",
        f"{0.85 * 0.15 + 0.15:.4f} * g after two",
        f"| text for training, in tokens | {read:,} |",
        f"{len(docs):,} given names",
        f"each of its {len(re.findall('[A-Za-z]+', zen()))} words is read six or seven times",
        f"in {len(list(GOLDEN.glob('*.stdout.txt')))} whole runs of `microgpt.js`",
    ):
        assert words in WORDS


def test_the_checksum_of_the_originals_log():
    """The golden output on names.txt, with carriage returns as line ends, has the sha256 given."""
    names = (GOLDEN / "names.stdout.txt").read_bytes().replace(b"\r", b"\n")
    assert f"`{hashlib.sha256(names).hexdigest()}`" in PORTS


def test_a_rate_of_0_3_diverges():
    """A thing to try ends as the text says."""
    done = run_program(INPUT, "--learning-rate=0.3")
    assert done.stderr.startswith(b"microgpt: error: loss is inf at step 13;")
    losses = [float(loss) for loss in re.findall(rb"loss (\d+\.\d+)", done.stdout)]
    assert len(losses) == 12
    assert f"jumps about, up to {max(losses):.0f}, and after 12 steps it is infinite" in WORDS


def test_the_number_of_weights():
    """4,192, each nudged up and down in 8,384 runs."""
    _, _, state_dict, _ = before_the_first_step()
    count = sum(len(row) for matrix in state_dict.values() for row in matrix)
    assert f"with {count:,} weights in place of w" in WORDS
    assert f"For one step, nudging needs {2 * count:,} runs" in WORDS


# Experiments, some minutes

asked = pytest.mark.skipif(
    "MICROGPT_EXPERIMENTS" not in os.environ, reason="some minutes: MICROGPT_EXPERIMENTS=1"
)
EXPERIMENTS = section("Experiments")
ROWS_OF_EXPERIMENTS = re.findall(
    r"^\| .*? \| `(last\(.*?\))` \| (\d\.\d\d) \|$", EXPERIMENTS, re.MULTILINE
)


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """A prompt after the block of Experiments, in a folder with a copy of the program."""
    folder = tmp_path_factory.mktemp("experiments")
    for path in (PROGRAM, ROOT / "random_compat.py", INPUT):
        shutil.copy(path, folder)
    [(block, _)] = BLOCK.findall(EXPERIMENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prompt = Prompt()
        assert prompt.paste(block) == ""
        yield prompt


def test_the_experiments_edit_what_is_there(experiments):
    """Each edit finds its text in microgpt.py; one that finds nothing is refused."""
    assert len(ROWS_OF_EXPERIMENTS) == 25
    for name in ("no_attention", "no_positions", "no_mlp", "no_relu", "no_residual"):
        old, _ = ast.literal_eval(experiments.paste(f"{name}\n"))
        assert old in PROGRAM.read_text(encoding="utf-8"), name
    refused = experiments.paste('last(edits=[("no such text", "")])\n')
    assert refused.splitlines()[-1] == "ValueError: microgpt.py has no 'no such text'"


def test_an_experiment_that_fails_gives_no_number(experiments):
    """last() raises an error where the program ends with one, and counts what it has."""
    failed = experiments.paste('last("--n-layer", "-1")\n')
    assert failed.splitlines()[-1].startswith("subprocess.CalledProcessError")
    few = float(experiments.paste('last("--num-steps", "3")\n'))
    assert 3 < few < 4


@asked
@pytest.mark.parametrize("call, loss", ROWS_OF_EXPERIMENTS)
def test_an_experiment(call, loss, experiments):
    """The mean loss of the last 100 steps is that of the table."""
    assert f"{float(experiments.paste(call)):.2f}" == loss


WITHOUT = {
    "nothing": "",
    "attention": "no_attention",
    "positions": "no_positions",
    "attention and positions": "no_attention, no_positions",
    "MLP": "no_mlp",
    "ReLU": "no_relu",
}


@pytest.mark.parametrize("part", WITHOUT)
def test_the_losses_without_a_part_are_those_of_the_experiments(part):
    """A row of the table in the story repeats numbers of the table of experiments."""
    found, losses = dict(ROWS_OF_EXPERIMENTS), []
    edits = f"edits=[{WITHOUT[part]}]" if WITHOUT[part] else ""
    for path in ("", '"twice.txt"', '"zen.txt"'):
        arguments = ", ".join(word for word in (path, edits) if word)
        losses.append(found[f"last({arguments})"])
    assert f"| {part} | {' | '.join(losses)} |" in README


def test_the_losses_in_sentences_are_those_of_the_experiments():
    """The story repeats numbers of the table of experiments."""
    found = dict(ROWS_OF_EXPERIMENTS)
    whole = found['last("--num-steps", "5000")']
    blind = found['last("--num-steps", "5000", edits=[no_attention])']
    assert f"with 5000, the loss is {whole}, and {blind} without attention" in WORDS
    last_letter = found["last(edits=[no_attention, no_positions])"]
    assert f"all that is left is the last letter, and the loss is {last_letter}," in WORDS
    end = found['last("--seed", "1")']
    luck = float(found["last()"]) - float(end)
    assert f"the end is {end}: luck is worth about {luck:.2f}" in WORDS


@asked
def test_the_counts_of_memorised_names():
    """How many of 1000 names that it makes up stand in input.txt."""
    docs, *_ = before_the_first_step()
    seen, unseen = set(docs[:1000]), set(docs[1000:])
    names = samples_of("--num-samples=1000")
    read, not_read = sum(name in seen for name in names), sum(name in unseen for name in names)
    assert f"{read + not_read} stand in `input.txt`: {read} of the 1000 names" in WORDS
    assert f"and {not_read} of the {len(unseen):,} that it has not" in WORDS


# Numbers for other ports


@pytest.fixture(scope="module")
def port():
    """What is defined after the block of "Check your port"."""
    [(block, _)] = BLOCK.findall(PORTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        prompt = Prompt()
        assert prompt.paste(block) == ""
    return prompt.console.locals


ROWS_OF_PORTS = re.findall(r"^\| `(.*?)` \| (-?[\d.]+|\[.*?\]) \|$", PORTS, re.MULTILINE)


@pytest.mark.parametrize("expression, expected", ROWS_OF_PORTS)
def test_a_number_for_other_ports(expression, expected, port):
    """The program computes it: draws, documents and tokens exactly, the rest to 1e-12."""
    value = ast.literal_eval(expected)
    if isinstance(value, float) and not expression.startswith("draws"):
        value = pytest.approx(value, rel=1e-12)
    assert eval(expression, port) == value


def test_the_losses_for_other_ports_are_the_references():
    """At steps 1, 10, 100 and 1000 of both runs; and no row of the table above is lost."""
    assert len(ROWS_OF_PORTS) == 21
    for run in ("default", "names"):
        losses = (GOLDEN / f"{run}.losses.txt").read_text().split()
        shown = [losses[step - 1] for step in (1, 10, 100, 1000)]
        assert f"| {' | '.join(shown)} |" in PORTS, run
