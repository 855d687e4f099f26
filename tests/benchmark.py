"""How fast it is: python tests/benchmark.py [INPUT] [--against COMMAND]... [--rounds N]

Runs microgpt.py and each COMMAND in turn, in a folder where INPUT is input.txt, for several rounds:

    python tests/benchmark.py names.txt --against "node PATH/microgpt.js"

No time is believed before the outputs agree, line ends apart. Times are medians over the rounds,
ratios are formed within a round, and the smallest and largest stand behind them. Then: memory over
many steps, and the time of a step as the model grows.
"""

import argparse
import gc
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import microgpt  # noqa: E402


def run_program(command, cwd):
    """stdout, wall and CPU seconds, seconds to the first step line, and peak memory in MiB."""
    start, first, chunks = time.perf_counter(), None, []
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE)
    for chunk in iter(lambda: os.read(process.stdout.fileno(), 1 << 16), b""):
        chunks.append(chunk)
        if first is None and b"step" in chunk:
            first = time.perf_counter() - start
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"benchmark: {shlex.join(command)} ended with status {process.returncode}")
    return {
        "stdout": b"".join(chunks),
        "wall": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        "first": first or seconds,
        "memory": usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10),
    }


def lines_of(stdout):
    """What was printed, whatever ends a line."""
    return re.sub(rb"[\r\n]+", b"\n", stdout).strip()


def time_steps(path, steps, settings):
    """Prints the seconds of each of some training steps, in this process."""
    if sys.implementation.name == "cpython":
        gc.disable()  # as the command does
    config = microgpt.Config(**settings)
    microgpt.random.seed(config.seed)
    docs = microgpt.load_docs(path)
    microgpt.random.shuffle(docs)
    tokenizer = microgpt.Tokenizer(docs)
    state_dict = microgpt.init_state_dict(config, tokenizer.vocab_size)
    training = microgpt.train(docs, tokenizer, state_dict, config)
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        next(training)
        times.append(time.perf_counter() - start)
    print(json.dumps(times))


def ms_a_step(path, steps, **settings):
    """The mean over some steps, in a process of their own."""
    command = [sys.executable, __file__, "--steps", str(path), str(steps), json.dumps(settings)]
    times = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return statistics.mean(times) * 1e3


def spread(numbers):
    """The median, and the smallest and largest behind it."""
    middle, low, high = (f"{f(numbers):.2f}" for f in (statistics.median, min, max))
    return f"{middle} ({low} to {high})"


def print_table(*rows):
    """Prints a Markdown table; the first row is its head."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    print()
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        print(f"| {' | '.join(cells)} |", flush=True)


def compare_programs(commands, path, rounds):
    """Runs the commands in turn, and prints their times and memory."""
    runs = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, pathlib.Path(folder, "input.txt"))
        for _ in range(rounds):
            for name, command in commands.items():
                runs[name].append(run_program(command, folder))
                ours, theirs = runs["microgpt.py"][0], runs[name][-1]
                if lines_of(theirs["stdout"]) != lines_of(ours["stdout"]):
                    sys.exit(f"benchmark: {name} prints something else")
    rows = [("program", "wall, s", "ratio", "CPU, s", "ratio", "first step, s", "memory, MiB")]
    for name, results in runs.items():
        row = [name]
        for key in ("wall", "cpu"):
            seconds = [run[key] for run in results]
            ratios = [run[key] / our[key] for run, our in zip(results, runs["microgpt.py"])]
            row += [spread(seconds), spread(ratios)]
        row += [spread([run[key] for run in results]) for key in ("first", "memory")]
        rows.append(row)
    print_table(*rows)


def measure_memory(path):
    """Prints the peak memory of 100 and of 5000 steps of a small model."""
    rows = [("steps, n_embd 8", "peak memory, MiB")]
    with tempfile.TemporaryDirectory() as folder:
        for steps in (100, 5000):
            program = [sys.executable, str(ROOT / "microgpt.py"), str(path)]
            run = run_program([*program, "--n-embd=8", f"--num-steps={steps}"], folder)
            rows.append((steps, f"{run['memory']:.1f}"))
    print_table(*rows)


def measure_growth(path):
    """Prints the time of a step as the model grows."""
    rows = [("n_embd", "n_layer", "ms a step")]
    for n_embd, n_layer in ((8, 1), (16, 1), (32, 1), (64, 1), (16, 2), (16, 4), (16, 8)):
        rows.append(
            (n_embd, n_layer, f"{ms_a_step(path, 100, n_embd=n_embd, n_layer=n_layer):.1f}")
        )
    print_table(*rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", nargs="?", default=str(ROOT / "input.txt"), help="the documents")
    parser.add_argument("--against", metavar="COMMAND", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each program (default: 5)")
    arguments = parser.parse_args()
    path = pathlib.Path(arguments.input).resolve()
    commands = {"microgpt.py": [sys.executable, str(ROOT / "microgpt.py")]}
    for command in arguments.against:  # its paths are relative to where the benchmark was started
        words = shlex.split(command)
        commands[command] = [
            str(pathlib.Path(word).resolve()) if os.path.isfile(word) else word for word in words
        ]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{python}, {path.name}, {arguments.rounds} rounds", flush=True)
    compare_programs(commands, path, arguments.rounds)
    measure_memory(path)
    measure_growth(path)


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it quietly
    if sys.argv[1:2] == ["--steps"]:
        time_steps(sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))
    else:
        main()
