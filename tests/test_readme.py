"""The README against the program: what is typed at its prompts and in its shell comes out as it says, its chapters are
the program's, and the numbers in its sentences are counted again. Times are not: benchmark.py prints them.
"""

import ast
import concurrent.futures
import doctest
import math
import os
import re
import shutil
import statistics
import subprocess
import sys

import benchmark
import pytest
from conftest import ROOT

import microgpt
from microgpt import Value

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = (ROOT / "microgpt.py").read_text(encoding="utf-8").split("\n")


def chapter(title, level="##"):
    """The text below a heading, up to the next one of that level or above."""
    pattern = rf"^{level} {re.escape(title)}\n(.*?)(?=^#{{2,{len(level)}}} |\Z)"
    return re.search(pattern, README, re.DOTALL | re.MULTILINE)[1]


# The tour


def test_what_is_typed_at_the_prompt(monkeypatch, capsys):
    """A number of the tour, its pictures or the questions that the program does not print (any more): the whole README
    as one session. `python3 -m doctest README.md` is the same."""
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert failed == 0, capsys.readouterr().out
    assert tried >= 80


def chapters_of_the_program():
    """{title: (first line, last line)} from the rules of #### in microgpt.py."""
    starts = [(i + 1, line.strip("# ")) for i, line in enumerate(PROGRAM) if line.startswith("########")]
    ends = [i - 2 for i, _ in starts[1:]] + [len(PROGRAM) - 1]  # before a blank line and the next, or the end
    return {title: (i, end) for (i, title), end in zip(starts, ends)}


def test_the_tour_has_the_chapters_of_the_program():
    """A chapter without its part of the tour, one that was renamed, or another order."""
    assert re.findall(r"^### (.*)$", chapter("The tour"), re.MULTILINE) == list(chapters_of_the_program())


POINTS = ["The problem", "The idea", "Lines", "In the literature", "In production"]


@pytest.mark.parametrize("title", chapters_of_the_program())
def test_each_chapter_of_the_tour_points_at_the_lines_of_its_own(title):
    """Line numbers that have moved; a name that is no longer there, or in another chapter; a point left out."""
    first, last = chapters_of_the_program()[title]
    text = chapter(title, "###")
    assert re.findall(r"^- \*\*([\w ]+\w)", text, re.MULTILINE) == POINTS
    assert f"- **Lines [{first}-{last}](microgpt.py#L{first}-L{last}).**" in text
    [lines] = re.findall(r"^- \*\*Lines .*$", text, re.MULTILINE)
    body = "\n".join(PROGRAM[first - 1 : last])
    for name in re.findall(r"`([\w/. ]+)`", lines):
        assert name in body, name
    assert PROGRAM[last - 1].strip() and not PROGRAM[last].strip()


def test_the_drawn_graph():
    """A value, a gradient or a slope in the picture that the expression does not have."""
    w, x = Value(3.0), Value(2.0)
    y = w * x
    d = y - 4
    s = d**2
    loss = s + w
    loss.backward()
    nodes = {"w": w, "x": x, "y": y, "d": d, "s": s, "loss": loss}
    drawing = re.search(r"```mermaid\ngraph LR\n(.*?)```", README, re.DOTALL)[1]
    labels = re.findall(r'(\w+)\["(?:\w+ = .*?|\w+): data (\S+), grad (\S+)"\]', drawing)
    assert sorted(labels) == sorted((k, f"{v.data:g}", f"{v.grad:g}") for k, v in nodes.items())
    edges = re.findall(r"^ +(\w+)(?:\[.*?\])? -->\|(\S+)\| (\w+)", drawing, re.MULTILINE)
    names = {id(v): k for k, v in nodes.items()}
    expected = [
        (names[id(child)], f"{slope:g}", name)
        for name, node in nodes.items()
        for child, slope in zip(node.children, node.local_grads)
    ]
    assert sorted(edges) == sorted(expected)


# Experiments


def shell(command):
    """What a command of the README prints, after the README's functions, in the folder of the program."""
    functions = re.search(r"```\n(last\(\).*?)```", README, re.DOTALL)[1]
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        ["sh", "-c", functions + command], cwd=ROOT, env=environment, capture_output=True, timeout=300, check=True
    )
    assert done.stderr == b""
    return done.stdout.decode()


EXPERIMENTS = [
    (command.replace("\\|", "|"), loss)
    for command, loss in re.findall(r"^\| .*? \| `(.*?)` \| (\d\.\d\d) \|", chapter("Things to try"), re.MULTILINE)
]
asked = pytest.mark.skipif(
    not os.environ.get("MICROGPT_EXPERIMENTS"), reason="three minutes: MICROGPT_EXPERIMENTS=1 runs them"
)
posix = pytest.mark.skipif(not all(map(shutil.which, ("sh", "sed", "awk", "tr", "seq", "python3"))), reason="no shell")


SEEDS = [f"last microgpt.py --seed {seed}" for seed in range(1, 6)]
COUNTS = [f"names {t} | sort -u | wc -l; names {t} | grep -cxFf input.txt" for t in ("0.1", "0.5", "1", "2")]


@pytest.fixture(scope="module")
def results():
    """command -> what it printed, for all experiments; as many at a time as there are processors."""
    commands = [command for command, _ in EXPERIMENTS] + SEEDS + COUNTS
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(commands, pool.map(shell, commands)))


@asked
@posix
@pytest.mark.parametrize("command, loss", EXPERIMENTS)
def test_experiments(command, loss, results):
    """A result that was guessed; a sed command that no longer finds its line, and so changes nothing."""
    expression = re.search(r"change '(.*?)'", command)
    if expression:
        changed = subprocess.run(["sed", expression[1], "microgpt.py"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
        assert changed.stdout.decode() != "\n".join(PROGRAM)
    assert results[command] == f"{loss}\n"


def test_there_are_experiments():
    """A table that the test above no longer finds."""
    assert len(EXPERIMENTS) == 20


@asked
@posix
def test_other_seeds(results):
    """A spread that was guessed."""
    losses = [results[command].strip() for command in SEEDS]
    assert f"five seeds gave {min(losses)} to {max(losses)}" in README


@asked
@posix
def test_temperatures(results):
    """Counts that were guessed, or are another temperature's."""
    text = re.search(r"Temperature changes what .*", README)[0]
    different = re.search(r": (\d+) at a temperature of 0\.1, (\d+) at 0\.5, (\d+) at 1, (\d+) at 2\.", text).groups()
    in_the_data = re.search(r"in the data: (\d+), (\d+), (\d+), (\d+)\.", text).groups()
    for command, *expected in zip(COUNTS, different, in_the_data):
        assert results[command].split() == expected


# Numbers in sentences


def test_numbers_in_sentences():
    """A number of the text that no command beside it prints."""
    docs = microgpt.load_docs(str(ROOT / "input.txt"))
    assert f"{len(docs):,} given names" in README and f"{len(docs):,} names" in README
    assert f"the {len(docs) - 1000:,} that it never saw" in README
    for config, text in ((microgpt.Config(), "{:,} random numbers"), (microgpt.Config(n_embd=32), "{:,} parameters")):
        matrices = microgpt.init_state_dict(config, 27).values()
        assert text.format(sum(len(row) for matrix in matrices for row in matrix)) in README
    assert f"ln 10 is {math.log(10):.2f}" in README
    zen = subprocess.run([sys.executable, "-c", "import this"], stdout=subprocess.PIPE, check=True).stdout.decode()
    words = re.findall("[A-Za-z]+", zen)
    assert f"each of its {len(words)} words has been seen six times or more" in README and 1000 // len(words) == 6
    names = (ROOT / "tests" / "golden" / "names.stdout.txt").read_text(encoding="utf-8")
    assert ", ".join(re.findall(r"^sample +[1-5]: (.*)$", names, re.MULTILINE)) + " and 15 more" in README
    expected = [float(line) for line in (ROOT / "tests" / "golden" / "default.losses.txt").read_text().split()]
    assert f"| as it is | `last microgpt.py` | {statistics.mean(expected[-100:]):.2f} |" in README


def test_what_a_step_is_made_of(prompt, monkeypatch):
    """Nodes, multiply-adds and silent units that were estimated, or counted in another state of the program."""
    made, kept = [], []
    node, init, compress = Value.__init__, microgpt.Dot.__init__, microgpt.compress

    def counting(count):
        def __init__(self, *arguments):
            made.append(1)
            count(self, *arguments)

        return __init__

    def selecting(things, live):
        kept.append(sum(live) / len(live))
        return compress(things, live)

    monkeypatch.setattr(Value, "__init__", counting(node))
    monkeypatch.setattr(microgpt.Dot, "__init__", counting(init))
    monkeypatch.setattr(microgpt, "compress", selecting)
    config, docs, tokenizer = microgpt.Config(), prompt["docs"], prompt["tokenizer"]
    microgpt.random.seed(config.seed)
    first = microgpt.init_state_dict(config, tokenizer.vocab_size)
    made.clear()
    for doc in docs[:100]:
        microgpt.forward(tokenizer.encode(doc), first, config)
    assert len(made) / 100 == pytest.approx(2750, abs=75)
    assert statistics.mean(kept) == pytest.approx(0.5, abs=0.02)  # "half of them at the first steps"
    kept.clear()
    for doc in docs[900:1000]:
        microgpt.forward(tokenizer.encode(doc), prompt["w"], config)
    assert statistics.mean(kept) == pytest.approx(0.1, abs=0.02)  # "nine in ten at the last 250"
    lengths = [min(config.block_size, len(doc) + 1) for doc in docs[:1000]]
    work = 3 * statistics.mean(benchmark.multiply_adds(config, 27, length) for length in lengths)
    assert work == pytest.approx(80_000, rel=0.03)
    for text in ("some 2,750 nodes", "80,000 multiply-adds", "half of them at the first steps", "nine in ten at the"):
        assert text in README


# Numbers for other ports


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
    shown = re.search(r"losses at steps 1, 10, 100 and 1000 are ([\d.,\sand]+?)\.\s", chapter("Check your port"))[1]
    assert re.findall(r"[\d.]+", shown) == [losses[i] for i in (0, 9, 99, 999)]
