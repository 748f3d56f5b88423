"""A wheel carries the R package, and can install it."""

from __future__ import annotations

import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

from statsmodels_synth.r.locate import RInstallation, clean_environment

ROOT = Path(__file__).parents[2]
INSIDE = "statsmodels_synth/r/r_bridge/"
pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="needs a checkout"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy of the checkout in which R's tools have left things."""
    place = tmp_path_factory.mktemp("wheel")
    checkout = place / "checkout"
    checkout.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    for name in ("statsmodels_synth", "r_bridge"):
        shutil.copytree(ROOT / name, checkout / name)
    for name in ("x.Rcheck/00check.log", "x.tar.gz", "R/.Rhistory", "inst/python.txt"):
        path = checkout / "r_bridge" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left behind")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*command, "--wheel-dir", place, checkout], check=True)
    (built,) = place.glob("*.whl")
    return built


@pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(),
    reason="git knows which files belong to the R package",
)
def test_wheel_has_the_r_package_and_nothing_else(wheel: Path) -> None:
    ours = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT / "r_bridge",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    names = zipfile.ZipFile(wheel).namelist()
    carried = {name.removeprefix(INSIDE) for name in names if name.startswith(INSIDE)}
    assert carried == set(filter(None, ours))


def test_description_has_nothing_that_is_in_the_repository_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    assert "Description-Content-Type: text/markdown" in lines
    text = "\n".join(lines[lines.index("") :])
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert all(link.startswith("https://") for link in links), links
    # Nothing else is lost.
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```.*?```", readme, re.DOTALL):
        assert block in text
    assert "Which estimator should I use?" in text


def test_wheel_has_the_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    ours = {path.name for path in (ROOT / "statsmodels_synth/datasets").glob("*.csv")}
    folder = "statsmodels_synth/datasets/"
    assert ours
    assert {folder + name for name in ours} <= set(names)


def test_install_from_a_wheel(
    wheel: Path, r_installation: RInstallation, tmp_path: Path
) -> None:
    python = environment_with(wheel, tmp_path / "environment")
    library = tmp_path / "library"
    command = [python, "-m", "statsmodels_synth.r", "install", "--library", library]
    environment = clean_environment()
    environment.pop("PYTHONPATH", None)
    done = run(command, environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left behind" not in done.stdout
    recorded = 'cat(readLines(system.file("python.txt", package = "statsmodelssynth")))'
    done = run(
        [r_installation.rscript, "-e", f"library(statsmodelssynth); {recorded}"],
        environment | {"R_LIBS": str(library)},
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, str(python)), done.stderr


def environment_with(wheel: Path, place: Path) -> Path:
    """A new environment with the wheel; the rest is that of this one."""
    command = [sys.executable, "-m", "venv", "--without-pip", place]
    subprocess.run(command, check=True)
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run([python, "-c", code], clean_environment(), place).stdout.strip())
    zipfile.ZipFile(wheel).extractall(site)
    (site / "rest.pth").write_text(sysconfig.get_path("purelib"))
    return python


def run(
    command: list[str | Path], environment: dict[str, str], place: Path
) -> subprocess.CompletedProcess[str]:
    """Run a program and keep its output."""
    return subprocess.run(
        command, env=environment, cwd=place, capture_output=True, text=True, check=False
    )
