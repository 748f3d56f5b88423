# Numbers that Python's own interface gives for a data frame: `code` uses `frame`,
# `pd`, `np` and TaskExchangeability, and puts numbers into `out`.
python_numbers <- function(frame, code) {
  input <- tempfile(fileext = ".csv")
  output <- tempfile(fileext = ".txt")
  on.exit(unlink(c(input, output)))
  frame[] <- lapply(frame, function(x) {
    if (is.double(x)) ifelse(is.na(x), NA, sprintf("%.17g", x)) else x
  })
  utils::write.csv(frame, input, row.names = FALSE, na = "")
  reticulate::py_run_string(paste(c(
    "import warnings",
    "import numpy as np",
    "import pandas as pd",
    "from statsmodels_synth import TaskExchangeability",
    sprintf("frame = pd.read_csv(%s)", shQuote(input)),
    "with warnings.catch_warnings():",
    "    warnings.simplefilter('ignore')",
    paste0("    ", code),
    sprintf("with open(%s, 'w') as handle:", shQuote(output)),
    "    handle.write(' '.join(repr(float(x)) for x in np.ravel(out)))"
  ), collapse = "\n"), convert = FALSE)
  as.numeric(scan(output, "", quiet = TRUE))
}

# Observations of past years and of the current one, 2025, which has no real ones.
simulate_surveys <- function(n_tasks = 40, n = 30, seed = 1) {
  set.seed(seed)
  rows <- lapply(seq(2026 - n_tasks, 2025), function(year) {
    theta <- rnorm(1)
    units <- seq_len(n)
    real <- data.frame(
      task = year, source = "real", unit = units, value = rnorm(n, theta),
      other = rnorm(n, -theta), weight = runif(n, 0.5, 2)
    )
    made <- transform(
      real,
      source = "synthetic", value = value + rnorm(1, 0.3, 0.2) + rnorm(n, sd = 0.5),
      other = other + rnorm(n)
    )
    rbind(if (year < 2025) real, made)
  })
  do.call(rbind, rows)
}

# Estimates of past polls and of the current one, "now", as row names.
simulate_polls <- function(n_tasks = 40, seed = 2) {
  set.seed(seed)
  theta <- rnorm(n_tasks + 1)
  polls <- data.frame(
    real = theta + rnorm(n_tasks + 1, sd = 0.1),
    real_se = runif(n_tasks + 1, 0.08, 0.12),
    real_n = 50,
    synthetic = theta - 0.3 + rnorm(n_tasks + 1, sd = 0.3),
    synthetic_se = runif(n_tasks + 1, 0.04, 0.06),
    synthetic_n = 200,
    year = 2025 - n_tasks:0,
    row.names = c(paste("poll", seq_len(n_tasks)), "now")
  )
  polls["now", c("real", "real_se", "real_n")] <- NA
  polls
}

mean_gaps <- function(surveys, column = "value") {
  means <- tapply(surveys[[column]], surveys[c("task", "source")], mean)
  gaps <- means[, "real"] - means[, "synthetic"]
  gaps[!is.na(gaps)]
}
