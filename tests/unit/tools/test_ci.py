"""Checks that run at the same time: if one fails, the run fails, steps that it ended are marked, and the table shows
each step."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.ci import STAGES, Ran, Step, checked, table
from tools.local.emulator import ROOT

Making = Callable[[str], list[str]]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def making(tmp_path: Path) -> Making:
    """A make with these rules instead of the repository's."""

    def command(rules: str) -> list[str]:
        (tmp_path / "Makefile").write_text(rules, encoding="utf-8")
        return ["make", "-f", str(tmp_path / "Makefile")]

    return command


def test_steps_of_all_lanes_pass(logs: Path, making: Making, capfd: pytest.CaptureFixture[str]) -> None:
    command = making("one two three four:\n\t@echo made $@\n")
    assert checked([[[Step("one"), Step("two")], [Step("three")]], [[Step("four")]]], command, logs) == 0
    lines = capfd.readouterr().out.splitlines()
    assert {"made one", "made two", "made three", "made four"} <= set(lines)
    assert lines.index("made one") < lines.index("made two") < lines.index("made four")
    assert lines.index("made three") < lines.index("made four")


def test_a_failure_ends_the_other_lane_and_what_would_follow(logs: Path, making: Making, tmp_path: Path) -> None:
    begun, late = tmp_path / "begun", tmp_path / "late"
    os.mkfifo(begun)
    bad = f"bad:\n\t@read line <{begun}; echo it is bad; exit 3\n"
    long = f"long:\n\t@echo >{begun}; exec sleep 600\n"
    command = making(f"{bad}{long}late:\n\t@touch {late}\n")
    script = f"""
import sys
import tools.ci as ci
late = ci.Step("late")
ci.STAGES, made = [[[ci.Step("bad"), late], [ci.Step("long"), late]], [[late]]], ci.checked
ci.checked = lambda stages, command, logs: made(stages, {command!r}, ci.Path({str(logs)!r}))
sys.exit(ci.main())
"""
    # A background job of a shell ignores SIGINT, and so would every step.
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.executable, sys.argv[1:])"
    )
    line = [sys.executable, "-c", ignoring, sys.executable, "-c", script]
    run = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    assert re.search(r"== bad .*FAILED with 2", run.stdout)
    assert "it is bad" in run.stdout
    assert re.search(r"== long .*ended: another step failed", run.stdout)
    assert not late.exists()


def test_a_lane_that_breaks_off_is_no_success(logs: Path, making: Making) -> None:
    with pytest.raises(FileNotFoundError):  # no log can have such a name
        checked([[[Step("no/folder")]]], making("x:\n\t@true\n"), logs)


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_what_a_machine_lacks_is_said_and_is_an_error_in_ci(
    ci: str, status: int, logs: Path, making: Making, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", ci)
    steps = [Step("lacking", ("no-such-command",), "a thing: nothing was judged by it"), Step("right")]
    assert checked([[steps]], making("right:\n\t@true\n"), logs) == status
    assert "NOT CHECKED, this machine lacks a thing" in capfd.readouterr().out


def test_the_table_has_a_line_a_step_in_their_order() -> None:
    lines = table([Ran("b", 7.0, 2.0, 1.5, 0), Ran("a", 0.0, 7.0, 12.0, 2)]).splitlines()
    assert [line.split() for line in lines[1:]] == [["a", "0", "7", "12", "FAILED"], ["b", "7", "2", "2"]]


def test_every_step_is_a_target_of_make() -> None:
    for step in (step for stage in STAGES for lane in stage for step in lane):
        run = subprocess.run(["make", "-n", step.target], cwd=ROOT, capture_output=True, check=False)
        assert run.returncode == 0, step
