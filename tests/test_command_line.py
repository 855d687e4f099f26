"""The command takes settings and a file, and says in one line what is wrong with them."""

import dataclasses
import gc
import io
import math
import os
import signal
import sys

import pytest
from helpers import INPUT, ROOT, flags

import microgpt
from microgpt import Config

# Settings

NAN, INF = math.nan, math.inf
REFUSED = {
    "n_embd": [0, -4],
    "n_head": [0, -1, 3],
    "n_layer": [-1],
    "block_size": [0],
    "init_std": [-0.1, NAN, INF, 10**400],
    "learning_rate": [-1e-9, NAN, INF, -INF, 10**400],
    "beta1": [-0.1, 1.0, 1.5, NAN],
    "beta2": [-0.1, 1.0, 1.5, INF, NAN],
    "eps_adam": [0.0, -1e-8, NAN, INF],
    "num_steps": [-1],
    "temperature": [0.0, -0.5, NAN, 1e-310, INF],
    "num_samples": [-1],
    "prompt": ["a" * 16, "a" * 99],
}
ALLOWED = {
    "n_embd": [4, 400],
    "n_head": [1, 16],
    "n_layer": [0, 1],
    "block_size": [1],
    "init_std": [0.0, 1, 1e308],
    "learning_rate": [0.0, 1, 1e308],
    "beta1": [0, 0.999999],
    "beta2": [0.0],
    "eps_adam": [5e-324, 1e308],
    "num_steps": [0],
    "temperature": [1e-300, 1, 1e308],
    "num_samples": [0],
    "seed": [-1, 0, 10**400],
    "prompt": ["", "a" * 15],
}
WRONG_TYPE = {
    "n_embd": [16.0, "16"],
    "num_steps": [2.5, "3", None],
    "seed": [1.5, "x"],
    "beta1": ["0.5"],
    "prompt": [5],
}


def rows_of(table):
    """A case for each value of each setting."""
    return [
        pytest.param(name, value, id=f"{name}={value!r}"[:40])
        for name, values in table.items()
        for value in values
    ]


@pytest.mark.parametrize("name, value", rows_of(REFUSED))
def test_a_value_that_cannot_be_computed_with_is_refused(name, value):
    """Config raises a ValueError that names the setting and its value."""
    with pytest.raises(ValueError) as refused:
        Config(**{name: value})
    assert str(refused.value).startswith(f"{name} can't be {value!r}: ")


@pytest.mark.parametrize("name, value", rows_of(ALLOWED))
def test_a_value_at_the_edge_is_taken(name, value):
    """What can be computed is allowed."""
    assert getattr(Config(**{name: value}), name) == value


def test_a_token_may_be_one_number():
    """The smallest model has one head of one number."""
    assert Config(n_embd=1, n_head=1).n_embd == 1


@pytest.mark.parametrize("name, value", rows_of(WRONG_TYPE))
def test_a_value_of_another_type_does_not_get_far(name, value, capsys):
    """Python's own TypeError, from Config or from the run."""
    with pytest.raises(TypeError):
        microgpt.run(["anna"], Config(**{"num_steps": 1, "num_samples": 1, name: value}))


def test_a_setting_cannot_be_changed():
    """A Config is frozen: weights that were made for it still fit."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().n_embd = 32


SETTINGS = {
    "n_embd": 6,
    "n_head": 3,
    "n_layer": 2,
    "block_size": 5,
    "init_std": 0.5,
    "learning_rate": 0.25,
    "beta1": 0.5,
    "beta2": 0.75,
    "eps_adam": 0.125,
    "num_steps": 7,
    "temperature": 2.5,
    "num_samples": 3,
    "seed": -8,
    "prompt": "a",
}


def test_the_defaults_are_the_references_constants():
    """As they stand in microgpt.js, and no prompt."""
    constants = {
        "n_embd": 16,
        "n_head": 4,
        "n_layer": 1,
        "block_size": 16,
        "init_std": 0.08,
        "learning_rate": 0.01,
        "beta1": 0.85,
        "beta2": 0.99,
        "eps_adam": 1e-8,
        "num_steps": 1000,
        "temperature": 0.5,
        "num_samples": 20,
        "seed": 42,
        "prompt": "",
    }
    assert dataclasses.asdict(Config()) == constants


@pytest.fixture
def runs(monkeypatch):
    """What main() has called run() with."""
    seen = []
    monkeypatch.setattr(microgpt, "run", lambda docs, config: seen.append((docs, config)))
    return seen


def test_every_setting_is_a_flag_that_reaches_the_run(runs, docs_txt):
    """Each flag sets its own setting, and no setting is without a flag."""
    assert list(SETTINGS) == [f.name for f in dataclasses.fields(Config)]
    microgpt.main([str(docs_txt), *flags(SETTINGS)])
    assert runs == [(["anna", "bob", "cleo"], Config(**SETTINGS))]


def test_without_flags_the_settings_are_the_defaults(runs, docs_txt, monkeypatch):
    """main(None) takes its arguments from sys.argv."""
    monkeypatch.setattr(sys, "argv", ["microgpt.py", str(docs_txt)])
    microgpt.main()
    assert runs == [(["anna", "bob", "cleo"], Config())]


def test_the_input_is_input_txt_by_default(runs, monkeypatch):
    """In the working directory, as in the reference."""
    monkeypatch.chdir(ROOT)
    microgpt.main([])
    assert runs == [(microgpt.load_docs(INPUT), Config())]


def test_a_prompt_may_have_characters_of_any_document(runs, docs_txt):
    """a, b and c stand in three different documents."""
    microgpt.main([str(docs_txt), "--prompt=abc"])
    assert [config.prompt for _, config in runs] == ["abc"]


def test_help_explains_each_setting_and_shows_its_default(capsys, monkeypatch):
    """A line for each flag, and exit status 0."""
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stopped:
        microgpt.main(["--help"])
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for f in dataclasses.fields(Config):
        _, _, rest = text.partition(f"--{f.name.replace('_', '-')} X ")
        about, default, _ = rest.partition(f" (default: {f.default!r})")
        assert default, f.name
        assert len(about) > 10, f.name
        assert "--" not in about, f.name


def test_a_setting_that_a_reader_adds_is_a_flag_at_once(runs, docs_txt, monkeypatch):
    """A new line in Config is enough: the table of checks may say nothing of it."""

    @dataclasses.dataclass(frozen=True)
    class Extended(Config):
        dropout: float = 0.1

    monkeypatch.setattr(microgpt, "Config", Extended)
    microgpt.main([str(docs_txt), "--dropout=0.5"])
    assert [config.dropout for _, config in runs] == [0.5]


# run()


def test_run_leaves_its_documents_as_they_were(capsys):
    """A second run sees the same order, and prints the same."""
    docs, outputs = ["anna", "bob", "cleo", "dora"], []
    for _ in range(2):
        microgpt.run(docs, Config(num_steps=2, num_samples=1))
        outputs.append(capsys.readouterr().out)
    assert docs == ["anna", "bob", "cleo", "dora"]
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    "docs, prompt, error", [([], "", ValueError), (["anna"], "z", KeyError)], ids=["docs", "prompt"]
)
def test_run_refuses_what_it_cannot_use_before_it_starts(docs, prompt, error, capsys):
    """No documents, or a prompt with a character of none: nothing is printed or trained."""
    with pytest.raises(error):
        microgpt.run(docs, Config(prompt=prompt))
    assert capsys.readouterr().out == ""


# Errors of the user

USAGE = "usage: microgpt [-h] [input] [--n-layer 2] ... (--help lists all flags)\n"


def error_of(capsys, *arguments):
    """What main() says on stderr behind its usage. It exits with 2 and prints nothing else."""
    with pytest.raises(SystemExit) as stopped:
        microgpt.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert err.startswith(USAGE)
    return err[len(USAGE) :]


WRONG_SETTINGS = {
    "--n-embd=0": "n_embd can't be 0: embedding dimension, at least 1",
    "--n-head=3": "n_head can't be 3: number of attention heads; must divide n_embd (16)",
    "--n-embd=15": "n_head can't be 4: number of attention heads; must divide n_embd (15)",
    "--beta1=1": "beta1 can't be 1.0: Adam: share of the mean gradient kept, 0 to below 1",
    "--temperature=0": "temperature can't be 0.0: 1e-300 to 1e308; high: varied",
    "--learning-rate=-1": "learning_rate can't be -1.0: rate of the first step, 0 to 1e308",
    "--prompt=annaannaannaanna": (
        "prompt can't be 'annaannaannaanna': a start for samples, below 16 long"
    ),
    "--prompt=!": "prompt has '!', a character that is in no document",
    "--seed=x": "argument --seed: invalid int value: 'x'",
    "--init-std": "argument --init-std: expected one argument",
    "--frobnicate": "unrecognized arguments: --frobnicate",
}


@pytest.mark.parametrize("argument", WRONG_SETTINGS)
def test_a_wrong_setting_is_one_line(capsys, docs_txt, argument):
    """The line says what is wrong and shows the value."""
    line = f"microgpt: error: {WRONG_SETTINGS[argument]}\n"
    assert error_of(capsys, docs_txt, argument) == line


def test_settings_are_checked_before_the_input_is_read(capsys, tmp_path):
    """A wrong setting is reported at once, even where there is no input."""
    assert "n_layer can't be -1" in error_of(capsys, tmp_path / "none.txt", "--n-layer=-1")


def test_a_missing_input_is_one_line_that_says_what_to_type(capsys, tmp_path):
    """Where there is no input.txt, that is the first thing that a new user sees."""
    err = error_of(capsys, tmp_path / "none.txt")
    assert "No such file or directory" in err
    assert "none.txt" in err
    assert err.endswith("; name a text file, as in: python microgpt.py names.txt\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("content", [b"a\n\xeb\n", "anna\n".encode("utf-16")])
def test_an_input_in_another_encoding_is_one_line_that_says_what_to_do(capsys, docs_txt, content):
    """Latin-1 and UTF-16: the line names the file."""
    docs_txt.write_bytes(content)
    err = error_of(capsys, docs_txt)
    assert err.startswith(f"microgpt: error: cannot read {docs_txt}: 'utf-8' codec can't decode")
    assert err.endswith("; save it as UTF-8\n")
    assert err.count("\n") == 1


def test_an_input_without_documents_is_one_line_that_names_it(capsys, docs_txt):
    """Blank lines alone are nothing to learn from."""
    docs_txt.write_bytes(b"\n \n")
    line = f"{docs_txt} has no documents: write at least one, one per line"
    assert error_of(capsys, docs_txt, "--prompt=a") == f"microgpt: error: {line}\n"


# Errors of the program

BUGS = [
    ValueError("a"),
    OSError(2, "b"),
    KeyError("c"),
    UnicodeDecodeError("utf-8", b"", 0, 1, "d"),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
def test_a_bug_shows_its_traceback(monkeypatch, docs_txt, bug):
    """An error of the program's own is not reported as the user's."""

    def rmsnorm(x):
        raise bug

    monkeypatch.setattr(microgpt, "rmsnorm", rmsnorm)
    with pytest.raises(type(bug)) as shown:
        microgpt.main([str(docs_txt)])
    assert shown.value is bug


# main() as a guest, cli() as the owner of its process


def test_main_leaves_the_process_as_it_was(monkeypatch, docs_txt):
    """Signals, the collector, the environment, stdout and the folder belong to the caller."""

    def state():
        folder = sorted(os.listdir(docs_txt.parent))
        return signal.getsignal(signal.SIGINT), gc.isenabled(), dict(os.environ), folder

    before = state()
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\r\n")
    monkeypatch.setattr(sys, "stdout", stdout)
    microgpt.main([str(docs_txt), "--num-steps=2", "--num-samples=1"])
    assert state() == before
    assert stdout.encoding == "ascii"
    assert b"\r\n" in stdout.detach().getvalue()


@pytest.fixture
def cli(monkeypatch, docs_txt):
    """cli() in this process with signals and collector recorded, not set: (stdout, record)."""

    def call(*arguments):
        stdout, record = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\r\n"), {}
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "argv", ["microgpt.py", str(docs_txt), *arguments])
        monkeypatch.setattr(
            signal, "signal", lambda number, handler: record.update({number: handler})
        )
        monkeypatch.setattr(gc, "disable", lambda: record.update(collector="off"))
        microgpt.cli()
        return stdout.detach().getvalue(), record

    return call


def test_cli_writes_utf8_and_newlines_wherever_it_runs(cli, docs_txt):
    """On a stdout that is ASCII with CRLF, as on Windows."""
    docs_txt.write_bytes("é\n".encode())
    out, _ = cli("--num-steps=0", "--num-samples=1", "--prompt=é")
    assert b"sample  1: " + "é".encode() in out
    assert b"\r\n" not in out


def test_cli_runs_on_a_system_without_sigpipe(cli, monkeypatch):
    """Windows has none."""
    monkeypatch.delattr(signal, "SIGPIPE", raising=False)
    out, record = cli("--num-steps=0", "--num-samples=0")
    assert out.startswith(b"num docs: 3\n")
    assert set(record) <= {signal.SIGINT, "collector"}


def test_cli_leaves_an_ignored_ctrl_c_ignored(cli, monkeypatch):
    """A background job of a script ignores the Ctrl-C that is meant for others."""
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    _, record = cli("--num-steps=0", "--num-samples=0")
    assert signal.SIGINT not in record


def test_cli_turns_the_collector_off_on_cpython_alone(cli, monkeypatch):
    """CPython frees a graph without it; PyPy needs it."""
    for name, expected in (("cpython", "off"), ("pypy", None)):
        monkeypatch.setattr(sys.implementation, "name", name)
        _, record = cli("--num-steps=0", "--num-samples=0")
        assert record.get("collector") == expected
