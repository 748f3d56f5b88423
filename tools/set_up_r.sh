#!/usr/bin/env bash
# Set R up for the tests: R and the R packages that they use, from the system's package
# manager where that is permitted; then the R package of this project, in
# <venv>/r-library.
#
#   tools/set_up_r.sh .venv
#
# Where something necessary is missing and may not be installed it says so and leaves it
# at that, since the R tests then skip themselves; with CI=true it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/as_root.sh
venv=${1:-.venv}

# Without these there is no bridge; with the others more of it is tested.
necessary=(reticulate generics testthat)
useful=(
    bayestestR bit64 broom car clubSandwich data.table emmeans gmm insight knitr lmtest
    MASS multcomp parameters performance rmarkdown sandwich survey survival tibble
)

give_up() {
    echo "R tests: $1"
    [[ ${CI:-} != true ]] || exit 1
    exit 0
}

# Which of the R packages named are not installed.
missing() {
    if ! command -v R > /dev/null; then
        printf '%s\n' "$@"
        return
    fi
    R --no-echo --vanilla -e '
        wanted <- commandArgs(TRUE)
        writeLines(wanted[!nzchar(vapply(wanted, function(name)
          system.file(package = name), ""))])' --args "$@"
}

# Install R packages, and R, quietly; what was printed is shown if it fails. Packages
# that the system does not have are left out.
install() {
    local log name
    local -a wanted=(r-base-core)
    log=$(mktemp)
    echo "R tests: installing R and ${#} of its packages with apt-get"
    "${as_root[@]}" apt-get update -qq > "$log" 2>&1 || true
    for name in "$@"; do
        name=r-cran-$(tr '[:upper:]' '[:lower:]' <<< "$name")
        if apt-cache show "$name" > /dev/null 2>&1; then
            wanted+=("$name")
        fi
    done
    if ! "${as_root[@]}" apt-get install -y -qq --no-install-recommends \
        "${wanted[@]}" >> "$log" 2>&1; then
        cat "$log"
        rm "$log"
        give_up "skipped, because apt-get could not install R (see above)"
    fi
    rm "$log"
}

mapfile -t lacking < <(missing "${necessary[@]}" "${useful[@]}")
if ((${#lacking[@]})) && may_install; then
    install "${lacking[@]}"
fi
command -v R > /dev/null ||
    give_up "skipped, because R is not installed and may not be installed here"
mapfile -t lacking < <(missing "${necessary[@]}")
if ((${#lacking[@]})); then
    give_up "skipped, because R packages are missing: ${lacking[*]}"
fi
mapfile -t lacking < <(missing "${useful[@]}")
if ((${#lacking[@]})); then
    echo "R tests: those that need ${lacking[*]} will be skipped"
fi
"$venv/bin/python" -m statsmodels_synth.r install --library "$venv/r-library"
