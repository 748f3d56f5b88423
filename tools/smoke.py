"""
Install what would be published into a bare environment, and run the README there.

``python tools/smoke.py`` makes a source archive and a wheel from it, as an index would
have them. Then it installs the wheel with the extra ``plot`` into a new environment,
and runs every block of Python of the README outside of the checkout. ``--extras`` also
installs each extra by itself and imports the package. It needs an index of packages.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import subprocess
import sys
import tempfile
import venv
import zipfile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.docs.blocks import blocks  # noqa: E402

#: Extras that need what a bare environment has not, or that serve this project alone.
LEFT_OUT = ("r", "docs", "test", "bench", "llm-test")


def run(*command: object, cwd: Path) -> None:
    """Run a program; what it prints is shown if it fails."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def environment(place: Path) -> Path:
    """A new environment; its Python."""
    venv.create(place, with_pip=True)
    folder = "Scripts" if sys.platform == "win32" else "bin"
    return place / folder / "python"


def archives(place: Path) -> Path:
    """The wheel that is made from the source archive."""
    python = environment(place / "build")
    run(python, "-m", "pip", "install", "--quiet", "build", cwd=place)
    run(python, "-m", "build", "--outdir", place / "dist", ROOT, cwd=place)
    (wheel,) = (place / "dist").glob("*.whl")
    return wheel


def extras(wheel: Path) -> list[str]:
    """Extras that a wheel says that it has."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    key = "Provides-Extra: "
    return [line.removeprefix(key) for line in lines if line.startswith(key)]


def main() -> None:
    """Make, install, run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extras", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        wheel = archives(place)
        others = [e for e in extras(wheel) if e not in (*LEFT_OUT, "plot")]
        readme = [b for b in blocks(ROOT / "README.md") if b.language == "python"]
        script = "import matplotlib\nmatplotlib.use('agg')\n"
        script += "\n".join(block.code for block in readme)
        (place / "readme.py").write_text(script, encoding="utf-8")
        for extra in ["plot", *others * options.extras]:
            python = environment(place / extra)
            run(
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                f"{wheel}[{extra}]",
                cwd=place,
            )
            code = (
                ["readme.py"] if extra == "plot" else ["-c", "import statsmodels_synth"]
            )
            run(python, "-W", "error::DeprecationWarning:__main__", *code, cwd=place)
            print(f"{wheel.name}[{extra}]: installs and runs")


if __name__ == "__main__":
    main()
