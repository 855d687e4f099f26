"""Times whole runs: python tests/benchmark.py [INPUT] [--against COMMAND]... [--rounds N]

Runs microgpt.py and each COMMAND in turn, in a folder where INPUT is input.txt, for several rounds:

    python tests/benchmark.py names.txt --against "node PATH/microgpt.js"

The outputs must agree, apart from line endings. Times are medians over the rounds. Ratios are
formed within a round, and their median is followed by the smallest and the largest.
"""

import argparse
import os
import pathlib
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def timed(command, cwd):
    """What the command printed, its wall and CPU seconds, and its peak memory in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE)
    stdout = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"benchmark: {shlex.join(command)} ended with status {process.returncode}")
    return {
        "lines": re.sub(rb"[\r\n]+", b"\n", stdout).strip(),
        "wall": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10),
    }


def spread(numbers):
    """The median, and the smallest and largest behind it."""
    middle, low, high = (f"{f(numbers):.2f}" for f in (statistics.median, min, max))
    return f"{middle} ({low} to {high})"


def row_of(name, runs, our_runs):
    """A program's row of the Markdown table."""
    cells = [name]
    for key in ("wall", "cpu"):
        cells.append(f"{statistics.median(run[key] for run in runs):.2f}")
        cells.append(spread([run[key] / our_run[key] for run, our_run in zip(runs, our_runs)]))
    cells.append(f"{statistics.median(run['memory'] for run in runs):.0f}")
    return f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", nargs="?", default=str(ROOT / "input.txt"), help="the documents")
    parser.add_argument("--against", metavar="COMMAND", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each program (default: 5)")
    arguments = parser.parse_args()

    ours = "microgpt.py"
    commands = {ours: [sys.executable, str(ROOT / "microgpt.py")]}
    for command in arguments.against:  # its paths are relative to where the benchmark was started
        commands[command] = [
            str(pathlib.Path(word).resolve()) if os.path.isfile(word) else word
            for word in shlex.split(command)
        ]
    runs = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(arguments.input, pathlib.Path(folder, "input.txt"))
        for _ in range(arguments.rounds):
            for name, command in commands.items():
                runs[name].append(timed(command, folder))
                if runs[name][-1]["lines"] != runs[ours][0]["lines"]:
                    sys.exit(f"benchmark: {name} prints something else")

    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{python}, {pathlib.Path(arguments.input).name}, {arguments.rounds} rounds\n")
    print("| program | wall, s | ratio | CPU, s | ratio | memory, MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in commands:
        print(row_of(name, runs[name], runs[ours]))


if __name__ == "__main__":
    main()
