"""`python -m statsmodels_synth.r`: install, doctor, script.R."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import pytest

import statsmodels_synth
from statsmodels_synth.r import doctor, install, locate
from statsmodels_synth.r.install import package_source, source_version
from statsmodels_synth.r.locate import RFacts, RInstallation, RPackage, SetUpError

Command = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")


def facts(**changes: object) -> RFacts:
    """An R that has everything."""
    packages = {
        "reticulate": RPackage(Path("/r/reticulate"), "1.28"),
        "generics": RPackage(Path("/r/generics"), "0.1.3"),
        "statsmodelssynth": RPackage(
            Path("/r/statsmodelssynth"), source_version(package_source())
        ),
    }
    values: dict[str, object] = {
        "version": "4.2.2",
        "libraries": {Path("/r"): False},
        "user_library": None,
        "packages": packages,
        "recorded_python": sys.executable,
    }
    return RFacts(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def no_r(tmp_path: Path) -> dict[str, str]:
    """An environment without R."""
    return locate.clean_environment() | {"PATH": str(tmp_path)}


def files_in(directory: Path) -> dict[Path, float]:
    """Files of a directory and when they were changed."""
    return {
        path: path.stat().st_mtime for path in directory.rglob("*") if path.is_file()
    }


# What is typed


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_usage(command: Command, arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.returncode == 0
    for part in ("install [--library DIR]", "doctor", "script.R [args...]"):
        assert part in done.stdout


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("instal", "no command and no file 'instal'. Did you mean 'install'?"),
        ("docter", "Did you mean 'doctor'?"),
        ("what", "There are: 'install', 'doctor'."),
        ("analysis.R", "no file 'analysis.R'. Did you mean 'analyses.R'?"),
        ("some/where.R", "no file 'some/where.R'."),
        (".", "'.' is a directory"),
        ("--libary", "no option '--libary'"),
    ],
)
def test_misunderstood(
    command: Command, tmp_path: Path, typed: str, answer: str
) -> None:
    (tmp_path / "analyses.R").touch()
    done = command(typed)
    assert done.returncode == 2
    assert answer in done.stderr
    assert "Traceback" not in done.stderr


def test_options_are_not_abbreviated(command: Command) -> None:
    assert command("install", "--lib", "x").returncode == 2
    assert command("doctor", "now").returncode == 2


# No R


@pytest.mark.parametrize("what", ["install", "script.R"])
def test_no_r(
    command: Command, no_r: dict[str, str], tmp_path: Path, what: str
) -> None:
    (tmp_path / "script.R").write_text("1")
    done = command(what, env=no_r)
    assert done.returncode == 1
    assert "R is not on PATH" in done.stderr
    assert "r-base-core" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_without_r(command: Command, no_r: dict[str, str]) -> None:
    done = command("doctor", env=no_r)
    assert done.returncode == 1
    assert done.stdout.startswith("missing  R is not on PATH")
    assert done.stderr == ""


def test_wrong_r_home(command: Command, no_r: dict[str, str], tmp_path: Path) -> None:
    done = command("install", env=no_r | {"R_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "R_HOME" in done.stderr
    assert "there is no R" in done.stderr


def test_r_that_does_not_start(tmp_path: Path) -> None:
    home = tmp_path / "R"
    (home / "bin").mkdir(parents=True)
    with pytest.raises(SetUpError, match="cannot be started"):
        locate.ask_r(RInstallation(home))


# What is missing


@pytest.mark.parametrize(
    ("rpy2", "r_version", "problem"),
    [
        ("3.6.0", "4.2.2", None),
        ("3.6.5", "4.5.1", None),
        ("3.5.17", "4.2.2", "rpy2-rinterface 3.5.17 is installed"),
        ("3.6.6", "4.4.3", "3.6.6 and later run on R 4.5 and later only"),
        ("3.6.7", None, "3.6.6 and later run on R 4.5 and later only"),
        ("3.6.7", "4.5.0", None),
    ],
)
def test_rpy2_version(
    monkeypatch: pytest.MonkeyPatch,
    rpy2: str,
    r_version: str | None,
    problem: str | None,
) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: rpy2)
    monkeypatch.setattr(locate.util, "find_spec", lambda _: object())
    said = locate.rpy2_problem(r_version)
    assert said is None if problem is None else problem in (said or "")


def test_rpy2_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    said = locate.rpy2_problem(None) or ""
    # The package is on no index: a checkout or a wheel has it.
    assert 'pip install ".[r]"' in said
    assert "statsmodels-synth[r]" not in said


def test_every_problem_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_r", lambda: RInstallation(Path("/r")))
    monkeypatch.setattr(install, "ask_r", lambda _: facts(version="3.6.3", packages={}))
    with pytest.raises(SetUpError) as caught:
        install.install()
    said = str(caught.value)
    for part in (
        "R 3.6.3 is too old: R 4.1 or later",
        "install.packages('reticulate')",
        "r-cran-reticulate on Debian",
        "install.packages('generics')",
    ):
        assert part in said


# Where to install


def test_first_writable_library(tmp_path: Path) -> None:
    libraries = {Path("/a"): False, tmp_path: True, Path("/b"): True}
    assert install.choose_library(facts(libraries=libraries), None) == tmp_path


def test_user_library_is_made(tmp_path: Path) -> None:
    user = tmp_path / "R" / "4.2"
    chosen = install.choose_library(facts(user_library=user), None)
    assert chosen == user
    assert user.is_dir()
    assert install.known(chosen, facts(user_library=user))
    assert not install.known(tmp_path, facts(user_library=user))


def test_no_library_at_all(tmp_path: Path) -> None:
    with pytest.raises(SetUpError, match="--library DIR"):
        install.choose_library(facts(), None)
    (tmp_path / "file").touch()
    with pytest.raises(SetUpError, match="cannot be made: "):
        install.choose_library(facts(), tmp_path / "file" / "library")


def test_library_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(install.os, "access", lambda *_: False)
    with pytest.raises(SetUpError, match="cannot be written"):
        install.choose_library(facts(), tmp_path)


# Installing


def test_install(
    command: Command, r_installation: RInstallation, tmp_path: Path
) -> None:
    before = files_in(package_source())
    library = tmp_path / "new" / "a library"
    done = command("install", "--library", library)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    place = library.as_posix()
    assert last == f'Next, in R: library(statsmodelssynth, lib.loc = "{place}")'
    recorded = library / "statsmodelssynth" / "python.txt"
    assert recorded.read_text() == f"{sys.executable}\n"
    assert files_in(package_source()) == before


def test_install_without_a_library_named(
    command: Command, r_installation: RInstallation, tmp_path: Path
) -> None:
    library = tmp_path / "first"
    library.mkdir()
    done = command("install", env=locate.clean_environment() | {"R_LIBS": str(library)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Next, in R: library(statsmodelssynth)"
    assert (library / "statsmodelssynth" / "DESCRIPTION").is_file()


def test_r_refuses(
    monkeypatch: pytest.MonkeyPatch, r_installation: RInstallation, tmp_path: Path
) -> None:
    source = tmp_path / "broken"
    install.copy_source(package_source(), source)
    (source / "R" / "broken.R").write_text("f <- function( {")
    monkeypatch.setattr(install, "package_source", lambda: source)
    with pytest.raises(SetUpError, match=r"unexpected '\{'(.|\n)*CMD INSTALL"):
        install.install_source(r_installation, tmp_path)


def test_leftovers_stay_behind(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("R/a.R", "x.Rcheck/00check.log", "x_1.tar.gz", "R/.Rhistory"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    install.copy_source(source, tmp_path / "copy")
    found = {
        path.relative_to(tmp_path / "copy") for path in files_in(tmp_path / "copy")
    }
    assert found == {Path("R/a.R")}


# Doctor


def test_doctor_finds_all_well(command: Command, r_environment: dict[str, str]) -> None:
    done = command("doctor", env=r_environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "A call from R reached Python and came back" in done.stdout
    assert "missing" not in done.stdout
    assert (
        done.stdout.splitlines()[-1] == "All is well. In R: library(statsmodelssynth)"
    )


def test_doctor_started_by_r(run_r: Command) -> None:
    done = run_r(
        """
        python <- Sys.getenv("STATSMODELSSYNTH_PYTHON")
        Sys.unsetenv("LD_LIBRARY_PATH")
        status <- system2(python, c("-m", "statsmodels_synth.r", "doctor"))
        quit(status = status)
        """
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_doctor_when_another_python_is_named(
    command: Command, r_environment: dict[str, str], tmp_path: Path
) -> None:
    other = str(tmp_path / "python")
    done = command("doctor", env=r_environment | {"STATSMODELSSYNTH_PYTHON": other})
    assert done.returncode == 1
    assert f"makes R start {other}. Unset it" in done.stdout
    # What R itself says of it.
    assert f"There is no Python at {other}" in done.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"packages": {}},
            "R package statsmodelssynth is not installed. Run `python -m",
        ),
        ({"recorded_python": None}, "knows of no Python. To use"),
        (
            {"recorded_python": "/other/bin/python"},
            "was installed for /other/bin/python",
        ),
    ],
)
def test_doctor_on_the_installed_package(changes: dict[str, object], said: str) -> None:
    last = doctor.check_bridge_package(facts(**changes))[-1]
    assert last.state == "missing"
    assert said in last.text


def test_doctor_on_another_version() -> None:
    packages = {"statsmodelssynth": RPackage(Path("/r/statsmodelssynth"), "0.0.1")}
    (only,) = doctor.check_bridge_package(facts(packages=packages))
    assert only.state == "missing"
    assert "0.0.1 in /r does not belong" in only.text
    assert "install --library '/r'" in only.text


def test_doctor_without_shared_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "library_directories", list)
    (only,) = doctor.check_shared_library()
    assert only.state == "missing"
    assert "PYTHON_CONFIGURE_OPTS=--enable-shared" in only.text


def test_doctor_never_shows_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down() -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(doctor, "find_r", break_down)
    checks = doctor.examine()
    assert checks[0].text == "A check failed: ZeroDivisionError: by zero"
    assert len(checks) > 3


def test_doctor_says_which_systems_were_not_tried(
    monkeypatch: pytest.MonkeyPatch, no_r: dict[str, str]
) -> None:
    monkeypatch.setenv("PATH", no_r["PATH"])
    monkeypatch.delenv("R_HOME", raising=False)
    monkeypatch.setattr(doctor.platform, "system", lambda: "Darwin")
    assert doctor.examine()[-1].text.endswith("not on Darwin.")


def test_python_and_python3_are_the_same(tmp_path: Path) -> None:
    for environment in ("one", "other"):
        directory = tmp_path / environment / "bin"
        directory.mkdir(parents=True)
        for name in ("python", "python3"):
            (directory / name).symlink_to(sys.executable)
    one, other = str(tmp_path / "one/bin/python"), str(tmp_path / "other/bin/python")
    assert doctor.same_python(one, f"{one}3")
    assert not doctor.same_python(one, other)


# Scripts


SCRIPT = """
cat(commandArgs(trailingOnly = TRUE), sep = "|")
cat("\\n", Sys.getenv("STATSMODELSSYNTH_PYTHON"), "\\n", sep = "")
message("to stderr")
quit(status = 7)
"""


def test_script(
    command: Command, r_installation: RInstallation, tmp_path: Path
) -> None:
    (tmp_path / "a script.R").write_text(SCRIPT)
    done = command("a script.R", "one", "two words", "--three=3", "")
    assert done.returncode == 7
    # Rscript hands an empty argument over as well.
    assert done.stdout == f"one|two words|--three=3|\n{sys.executable}\n"
    assert done.stderr == "to stderr\n"


def test_script_reaches_python(
    command: Command, r_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "script.R").write_text(
        "stopifnot(statsmodelssynth::synth_available())\n"
        "cat(normalizePath(dirname(reticulate::py_config()$python)))\n"
    )
    # Whatever is set, this Python was asked for.
    wrong = dict.fromkeys(
        ("STATSMODELSSYNTH_PYTHON", "RETICULATE_PYTHON"), "/no/python"
    )
    done = command("script.R", env=r_environment | wrong)
    assert done.returncode == 0, done.stderr
    assert done.stdout == str(Path(sys.executable).parent.resolve())


def test_error_in_a_script(
    command: Command, r_installation: RInstallation, tmp_path: Path
) -> None:
    (tmp_path / "script.R").write_text("stop('it broke')")
    done = command("script.R")
    assert done.returncode == 1
    assert "it broke" in done.stderr


@posix_only
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_a_script(
    r_installation: RInstallation, tmp_path: Path, sent: signal.Signals
) -> None:
    path = tmp_path / "script.R"
    path.write_text("cat('ready\\n'); Sys.sleep(60)")

    def returncode(program: list[str | Path]) -> int:
        process = subprocess.Popen(
            [*program, path],
            env=locate.clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.2)
            process.send_signal(sent)
            return process.wait(30)

    ours = returncode([sys.executable, "-m", "statsmodels_synth.r"])
    assert ours == returncode([r_installation.rscript])


@posix_only
def test_script_ends_when_nobody_reads(
    r_installation: RInstallation, tmp_path: Path
) -> None:
    path = tmp_path / "script.R"
    path.write_text("repeat cat('more\\n')")
    process = subprocess.Popen(
        [sys.executable, "-m", "statsmodels_synth.r", path],
        env=locate.clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(60) != 0


# What must agree


def test_versions_agree() -> None:
    ours = locate.numbers(statsmodels_synth.__version__)
    version = source_version(package_source())
    assert re.fullmatch(r"\d+([.-]\d+)+", version)  # what R takes for a version
    assert locate.numbers(version) == ours


def test_requirements_agree() -> None:
    described = (ROOT / "r_bridge" / "DESCRIPTION").read_text()
    assert f"R (>= {'.'.join(map(str, locate.R_MINIMUM))})" in described
    imports = described.partition("Imports:")[2].partition("Suggests:")[0]
    names = set(re.findall(r"^\s+(\w+)", imports, flags=re.MULTILINE))
    with_r = {"graphics", "grDevices", "methods", "stats", "tools", "utils"}
    assert names - with_r == set(locate.R_PACKAGES)
    low, high = (".".join(map(str, v)) for v in (locate.RPY2_FROM, locate.RPY2_BELOW))
    project = (ROOT / "pyproject.toml").read_text()
    assert f'r = ["rpy2-rinterface>={low},<{high}"]' in project


# The environment of R


def test_what_r_sets_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R_HOME", "/usr/lib/R")
    monkeypatch.setenv("R_SESSION_INITIALIZED", "PID=1")
    monkeypatch.setenv("R_LIBS", "/mine")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/lib/R/lib:/usr/lib")
    environment = locate.clean_environment()
    assert environment["R_LIBS"] == "/mine"
    assert not {"R_HOME", "R_SESSION_INITIALIZED", "LD_LIBRARY_PATH"} & set(environment)


def test_a_library_path_of_the_user_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("R_HOME", "/usr/lib/R")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/mine")
    assert locate.clean_environment()["LD_LIBRARY_PATH"] == "/mine"
