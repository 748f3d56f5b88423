# Small data for the formula and data-frame front end: all units, of which the first
# `n` are labelled, and guesses of a model in `gy` and `gg`.
example_units <- function(total = 80L, n = 40L, seed = 1L) {
  set.seed(seed)
  all <- data.frame(
    id = sprintf("u%03d", seq_len(total)),
    x = round(rnorm(total), 3),
    z = round(rexp(total) + 0.2, 3),
    g = rep_len(c("b", "a", "c", "a"), total),
    o = factor(rep_len(c("low", "mid", "high"), total),
      levels = c("low", "mid", "high"), ordered = TRUE),
    w = round(runif(total, 0.5, 2), 3),
    stringsAsFactors = FALSE
  )
  all$y <- round(1 + all$x + rnorm(total), 3)
  all$gy <- round(all$y + rnorm(total), 3)
  all$gg <- all$g
  all$y[-seq_len(n)] <- NA
  all
}

# As augmented_gmm() calls it: options are captured where they are written.
design <- function(formula, data, ..., labeled = NULL, labeling_prob = NULL,
                   strata = NULL, weights = NULL, cluster = NULL) {
  skip_without_python()
  env <- parent.frame()
  build_design(formula, data, ...,
    labeled = capture(substitute(labeled), env),
    labeling_prob = capture(substitute(labeling_prob), env),
    strata = capture(substitute(strata), env),
    weights = capture(substitute(weights), env),
    cluster = capture(substitute(cluster), env)
  )
}

# The numbers of a design alone: frames of other classes give the same.
design_numbers <- function(d) {
  d[c("labels", "labeled", "units", "sources", "weights", "labeling_prob", "strata",
    "cluster", "n_incomplete", "yname", "ylevels", "xlevels", "contrasts")]
}

# testthat 3.2 writes conditions in another way into snapshots. There only the class of an
# error is looked at: its words are compared by the versions that wrote them.
if (utils::packageVersion("testthat") >= "3.2.0") {
  expect_snapshot <- function(x, error = FALSE, ...) {
    if (error) {
      testthat::expect_error(x, class = "SynthError")
    } else {
      utils::capture.output(force(x))
      testthat::succeed()
    }
  }
}
