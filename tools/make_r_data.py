"""
Write the example data of the R package, from the survey of the demo.

``python tools/make_r_data.py`` needs R; the same survey gives the same files.
"""

from __future__ import annotations

from pathlib import Path
import subprocess
import tempfile

from statsmodels_synth.demo import make_study
from statsmodels_synth.r.locate import clean_environment, find_r

DATA = Path(__file__).resolve().parents[1] / "r_bridge" / "data"
SCRIPT = """
whole <- c("PID", "selfLR", "age", "educ", "income", "dole", "dole_guess", "dole_all")
read <- function(name) {
  frame <- utils::read.csv(name, colClasses = c(id = "character"))
  own <- intersect(whole, names(frame))
  frame[own] <- lapply(frame[own], as.integer)
  frame
}
anes96 <- read("anes96.csv")
anes96_draws <- read("anes96_draws.csv")
for (name in c("anes96", "anes96_draws")) {
  save(list = name, file = file.path(DATA, paste0(name, ".rda")), version = 2,
    compress = "xz")
}
"""


def main() -> None:
    """Write both data sets."""
    study = make_study()
    units = study.respondents[["PID", "selfLR", "age", "educ", "income"]].copy()
    units["dole"] = study.labelled["dole"]
    units["dole_guess"] = study.proxy["dole"]
    units["dole_all"] = study.respondents["dole"]
    draws = study.synthetic[["age", "educ", "income", "dole"]]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        units.to_csv(folder / "anes96.csv", index_label="id")
        draws.to_csv(folder / "anes96_draws.csv", index_label="id")
        script = folder / "script.R"
        script.write_text(f"DATA <- {str(DATA)!r}\n{SCRIPT}", encoding="utf-8")
        subprocess.run(
            [find_r().rscript, "--vanilla", script],
            check=True,
            cwd=folder,
            env=clean_environment(),
        )


if __name__ == "__main__":
    main()
