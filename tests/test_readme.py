"""The READMEs are true: their code prints what they say, and their tables are counted again."""

import ast
import collections
import doctest
import hashlib
import math
import os
import re
import shutil

import pytest
from helpers import GOLDEN, PROGRAM, ROOT, before_the_first_step, run_program

pytestmark = pytest.mark.slow
README = (ROOT / "README.md").read_text(encoding="utf-8")
PORTS = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")


def test_what_is_typed_at_the_prompt(monkeypatch, capsys):
    """Every number is what the program prints: the whole README as one doctest."""
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(
        str(ROOT / "README.md"), module_relative=False, encoding="utf-8"
    )
    assert failed == 0, capsys.readouterr().out
    assert tried >= 40


def samples(*arguments):
    """The names that the program makes up."""
    done = run_program(ROOT / "input.txt", *arguments)
    return re.findall(r"^sample +\d+: (.*)$", done.stdout.decode(), re.MULTILINE)


def test_the_names_on_the_first_screen():
    """Fails for names that the program did not make up."""
    columns = zip(
        *re.findall(
            r"^\| (\w+) \| (\w+) \| (\w+) \|$", README.split("## The story")[0], re.MULTILINE
        )
    )
    whole = re.findall(
        r"^sample +\d+: (.*)$", (GOLDEN / "default.stdout.txt").read_text("utf-8"), re.MULTILINE
    )
    expected = [samples("--num-steps=0")[:3], samples("--num-steps=100")[:3], whole[:3]]
    assert [list(column) for column in columns] == expected


def test_the_numbers_in_the_sentences():
    """Fails for a score, a count or a checksum that no code beside it prints."""
    docs = (ROOT / "input.txt").read_text("ascii").split()
    counts = collections.Counter("".join(doc + "." for doc in docs))
    total = sum(counts.values())
    letters = -sum(n / total * math.log(n / total) for n in counts.values())
    losses = [float(line) for line in (GOLDEN / "default.losses.txt").read_text().split()]
    checksum = hashlib.sha256(
        (GOLDEN / "names.stdout.txt").read_bytes().replace(b"\r", b"\n")
    ).hexdigest()
    golden_runs = len(list(GOLDEN.glob("*.stdout.txt")))
    for words in (
        f"scores **{math.log(27):.2f}**",
        f"scores **{letters:.2f}**",
        f"**{sum(losses[900:]) / 100:.2f}**, on names",
        f"`{checksum}`",
        f"{len(docs):,} given names",
        f"{golden_runs} runs of `microgpt.js`",
    ):  # fmt: skip
        assert words in " ".join(README.split())


# Experiments, some minutes: MICROGPT_EXPERIMENTS=1 runs them

asked = pytest.mark.skipif(
    "MICROGPT_EXPERIMENTS" not in os.environ, reason="some minutes: MICROGPT_EXPERIMENTS=1"
)
ROWS_OF_EXPERIMENTS = re.findall(
    r"^\| .*? \| `(last\(.*?\))` \| (\d\.\d\d) \|$", README, re.MULTILINE
)


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """What is defined after the code of "Experiments", in a folder with a copy of the program."""
    [code] = re.findall(r"```python\n(import pathlib, re.*?)```", README, re.DOTALL)
    folder, names = tmp_path_factory.mktemp("experiments"), {}
    for name in ("microgpt.py", "random_compat.py", "input.txt"):
        shutil.copy(ROOT / name, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(code, names)
        edits = [names[f"no_{name}"] for name in ("attention", "positions", "residual")]
        assert (
            all(old in PROGRAM.read_text("utf-8") for old, _ in edits)
            and len(ROWS_OF_EXPERIMENTS) == 10
        )
        yield names


@asked
@pytest.mark.parametrize("call, loss", ROWS_OF_EXPERIMENTS)
def test_an_experiment(call, loss, experiments):
    """Fails for a result that was guessed."""
    assert f"{eval(call, experiments):.2f}" == loss


@asked
def test_the_counts_of_memorised_names():
    """Fails for counts that were guessed."""
    docs, tokenizer, *_ = before_the_first_step()
    seen, unseen = set(docs[:1000]), set(docs[1000:])
    names = samples("--num-samples=1000")
    read, not_read = sum(name in seen for name in names), sum(name in unseen for name in names)
    text = f"{read + not_read} are in `input.txt`: {read} among the 1000 that it has read, "
    assert text + f"{not_read} among the" in README
    assert f"{len(unseen):,} that it has not" in README


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
    """Each number is the program's."""
    value = ast.literal_eval(expected)
    if isinstance(value, float) and not expression.startswith("draws"):
        value = pytest.approx(value, rel=1e-12)
    assert eval(expression, prompt) == value


def test_the_numbers_for_other_ports_are_all_there():
    """23 rows, and four losses on names.txt that are the reference's."""
    assert len(ROWS) == 23
    losses = (GOLDEN / "names.losses.txt").read_text().split()
    shown = re.search(r"losses at steps 1, 10, 100 and 1000\s+are\s+([\d.,\sand]+?)\.\s", PORTS)[1]
    assert re.findall(r"[\d.]+", shown) == [losses[i] for i in (0, 9, 99, 999)]
