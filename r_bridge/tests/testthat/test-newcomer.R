# What somebody new may type: it works, or a sentence in R's words says what is wrong.

# Words and shapes of Python, and of R's own bare errors.
foreign <- paste(
  "\\bNone\\b(?! of)|\\bTrue\\b|\\bFalse\\b|\\bnan\\b|DataFrame|Traceback|ndarray|dtype",
  "np\\.|\\w=['\\[(\"0-9-]|[{}]|\\bdicts?\\b|\\bSeries\\b|(Key|Type|Value|Index)Error",
  "subscript out of|with no default|no applicable method|non-numeric|not found",
  sep = "|"
)

newcomer_units <- function() {
  set.seed(1)
  units <- data.frame(
    id = sprintf("u%03d", 1:200), x = rnorm(200), region = rep(c("north", "south"), 100)
  )
  truth <- 1 + 0.5 * units$x + rnorm(200)
  units$guess <- truth + rnorm(200, sd = 0.5)
  units$y <- ifelse(1:200 <= 60, truth, NA)
  units
}

# Each call is refused by a SynthError in words of R.
refused_in_words <- function(calls, env = parent.frame()) {
  for (call in calls) {
    error <- tryCatch(
      suppressWarnings({
        eval(call, env)
        NULL
      }),
      error = identity
    )
    shown <- paste(deparse(call), collapse = " ")
    expect_s3_class(error, "SynthError")
    expect_false(inherits(error, "PythonError"), info = shown)
    expect_false(
      grepl(foreign, conditionMessage(error), perl = TRUE),
      info = paste(shown, "->", conditionMessage(error))
    )
  }
}

test_that("what is asked of a fit, asked of something else, is refused by name", {
  fit <- stats::lm(mpg ~ wt, mtcars)
  for (ask in list(
    agreement, cheapest, coder_agreement, compare, designs, diagnostics, dsl, expect,
    first_stage, jtest, labels_needed, labels_only, many_fits, naive_pooled,
    naive_proxy, naive_synthetic, overidentification, plan, ppi, ppi_synth,
    predict_then_debias, reppi, representativeness
  )) {
    expect_error(ask(fit), "fit by augmented_gmm\\(\\)", class = "OptionError")
  }
  for (ask in list(
    exchangeability_verdict, leave_one_out, temporal_split, trend_test, typicality
  )) {
    expect_error(ask(fit), "fit by task_exchangeability\\(\\)", class = "OptionError")
  }
  expect_error(compare(), "fit by augmented_gmm\\(\\)", class = "OptionError")
  expect_error(many_fits(), "needs object", class = "OptionError")
  expect_error(task_exchangeability(mtcars), "needs data, current", class = "OptionError")
  expect_error(run_study(), "needs path", class = "OptionError")
})

test_that("slips about units are refused in words of R", {
  skip_without_python()
  units <- newcomer_units()
  long <- transform(units, y = guess)
  fit <- function(data = units, ...) augmented_gmm(y ~ x, data, ...)
  proxy <- c(y = "guess")
  refused_in_words(expression(
    fit(as.list(units)), fit(units[0, ]), fit(NULL), fit(units$x),
    fit(transform(units, y = NA)), fit(transform(units, y = NA_character_)),
    fit(transform(units, y = as.character(y))), fit(transform(units, x = NA_integer_), proxy),
    fit(stats::setNames(units, c("id", "x", "x", "guess", "y"))),
    fit(stats::setNames(units, NULL)), fit(transform(units, y = as.Date("2024-01-01") + y)),
    fit(proxy = "guess"), fit(proxy = c(y = "gues")), fit(proxy = c(yy = "guess")),
    fit(proxy = 3), fit(proxy = list(units)), fit(proxy = units),
    fit(proxy = long[0, ]), fit(proxy = transform(long, id = NA), on = "id"),
    fit(proxy = transform(long, id = 1:200), on = "id"), fit(proxy = long, on = id),
    fit(proxy = long, on = "ID"), fit(proxy = long, on = NA), fit(proxy = long, on = units$id),
    fit(weights = "w"), fit(weights = w), fit(weights = region), fit(weights = -x),
    fit(labeled = FALSE), fit(labeling_prob = 2), fit(strata = id), fit(subset = x > 99),
    fit(missing = "omit"), fit(maxiter = "two"), fit(use_t = 2), fit(family = "normal"),
    fit(score = "huber"), fit(auxiliary = "x"), fit(coder = "id"),
    fit(coder = c("id", "x"), on = "id"), fit(coder = "x", on = "id", coding = "median"),
    draw_labels(units, 10, on = "region"), draw_labels(units, 1000), draw_labels(units, -1),
    draw_labels(units, 5, "influence", formula = "y ~ x", proxy = proxy),
    draw_labels(units, 5, auxiliary = ~x)
  ))
  error <- tryCatch(fit(missing = "omit"), error = conditionMessage)
  expect_identical(error, "missing = \"omit\" does not exist. There are: 'drop', 'raise'.")
})

test_that("slips about what is asked of a fit are refused in words of R", {
  skip_without_python()
  units <- newcomer_units()
  fit <- augmented_gmm(y ~ x, units, c(y = "guess"))
  sets <- function(...) many_fits(fit, ...)
  refused_in_words(expression(
    compare(fit, "PPi"), compare(fit, 3), compare(fit, level = 95),
    compare(fit, seed = "a"), diagnostics(fit, by = area), diagnostics(fit, by = "area"),
    diagnostics(fit, by = 1:3), diagnostics(fit, by = list(1)), diagnostics(fit, by = id),
    diagnostics(fit, n_influential = -1), diagnostics(fit, blind = "b"),
    expect(fit, n = -5), expect(fit, n = 1e9), expect(fit, n = 99, terms = "z"),
    labels_needed(fit), labels_needed(fit, power = 2), cheapest(fit, "x"), designs(fit),
    cheapest(fit, x, price_label = 1, width = 0.2), ppi(fit, "b"), ppi_synth(fit, "b"),
    naive_synthetic(fit), agreement(fit, level = 0), tidy(diagnostics(fit), table = units),
    sets(3), sets(list()), sets(list(units$y)), sets(list(a = "b")),
    sets(data.frame(a = units$y)[0, , drop = FALSE]), sets(list(a = units$y[1:9])),
    sets(list(a = stats::setNames(units$y, units$id))), sets(list(a = rep(NA, 200))),
    sets(list(a = units$y), data = 3), many_fits(y ~ x), many_fits(y ~ x, 3),
    many_fits(y ~ x, units, by = area), many_fits(list(1), units)
  ))
})

test_that("slips about tasks are refused in words of R", {
  skip_without_python()
  surveys <- simulate_surveys(n_tasks = 12, n = 6)
  fit <- function(current = 2025, data = surveys, ...) {
    task_exchangeability(data, current, alpha = 0.4, ...)
  }
  changed <- function(...) transform(surveys, ...)
  held <- fit(covariates = "task")
  refused_in_words(expression(
    fit(2026), fit(NULL), fit(NA), fit(1:2), fit(list(1)), fit(data = 3),
    fit(data = surveys[0, ]), fit(task = task), fit(task = NULL), fit(task = 3),
    fit(task = c("task", "unit")), fit(value = "source"), fit(value = character()),
    fit(value = c("value", "value")), fit(weight = "w"), fit(covariates = "value"),
    fit(weights = 1:3), fit(weights = c(a = 1)), fit(weights = NA), fit(statistic = mean),
    fit(weights = rep(NA_real_, 11)), fit(weights = c("2014" = 1)), fit(statistic = 3),
    fit(algorithm = 3), fit(algorithm = NA), fit(alphas = c(0.1, 0.2)), fit(bounds = 1),
    fit(interval = c("welch", "normal")), fit(n_boot = 0), fit(seed = -1),
    fit(data = changed(value = as.Date("2024-01-01") + unit)),
    fit(data = changed(value = factor(value))), fit(data = changed(value = I(as.list(value)))),
    fit(data = changed(value = replace(value, 1, Inf))),
    fit(data = changed(task = replace(task, 1, NA))), fit(data = changed(source = unit > 1)),
    trend_test(held, "year"), trend_test(held, year), trend_test(held, 1:3),
    trend_test(held, TRUE), trend_test(held, n_permutations = 0),
    temporal_split(held, share = 2), coverage_gap(held), coverage_gap(held, "a"),
    coverage_gap(held, c("2014" = 0.1)), confint(held, level = 2), plot(held, by = "year")
  ))
  fits <- lapply(1:7, function(k) stats::lm(mpg ~ wt, mtcars[-k, ]))
  by_fit <- function(real = fits[1:3], synthetic = fits[4:6], ...) {
    task_exchangeability_fits(real, synthetic, fits[[7]], ..., alpha = 0.5)
  }
  letter <- function(fits, names) stats::setNames(fits, strsplit(names, "")[[1]])
  refused_in_words(expression(
    by_fit(3), by_fit(fits[[1]]), by_fit(list(), list()), by_fit(fits[1:2]),
    by_fit(letter(fits[1:3], "abc")), by_fit(letter(fits[1:3], "aab"), letter(fits[4:6], "abc")),
    by_fit(letter(fits[1:3], "abd"), letter(fits[4:6], "abc")), by_fit(params = "w"),
    by_fit(params = 3), by_fit(name = "1"), by_fit(df = -1), by_fit(vcov = 3),
    by_fit(covariates = 3), by_fit(covariates = data.frame(a = 1:3)),
    by_fit(covariates = data.frame(a = 1:4, row.names = letters[1:4]))
  ))
})

test_that("frames and columns of other kinds are read, or refused", {
  skip_without_python()
  units <- newcomer_units()
  fit <- function(data) augmented_gmm(y ~ x, data, c(y = "guess"))
  own <- coef(fit(units))
  umlaut <- stats::setNames(units, c("id", "gr\u00f6\u00dfe", "region", "guess", "y"))
  named <- augmented_gmm(
    stats::as.formula("y ~ gr\u00f6\u00dfe"), umlaut, c(y = "guess")
  )
  expect_identical(unname(coef(named)), unname(own))
  if (requireNamespace("tibble", quietly = TRUE)) {
    expect_identical(coef(fit(tibble::as_tibble(units))), own)
    surveys <- simulate_surveys(n_tasks = 12, n = 6)
    expect_identical(
      task_exchangeability(tibble::as_tibble(surveys), 2025, alpha = 0.4)$interval,
      task_exchangeability(surveys, 2025, alpha = 0.4)$interval
    )
  }
  if (requireNamespace("dplyr", quietly = TRUE)) {
    expect_identical(coef(fit(dplyr::group_by(units, region))), own)
  }
  if (requireNamespace("data.table", quietly = TRUE)) {
    expect_identical(coef(fit(data.table::as.data.table(units))), own)
  }
  if (requireNamespace("bit64", quietly = TRUE)) {
    units$number <- bit64::as.integer64(seq_len(200))
    expect_identical(coef(fit(units)), own)
    expect_error(
      augmented_gmm(y ~ x, units, c(y = "guess"), on = "number"),
      "'number' is of type integer64. Convert it", class = "DataError"
    )
  }
})

test_that("ids that are times or TRUE are the same in whatever company", {
  expect_identical(shown_ids(c(TRUE, FALSE)), c("TRUE", "FALSE"))
  times <- as.POSIXct("2024-01-01", tz = "UTC") + c(0, 36000)
  expect_identical(shown_ids(times)[1], shown_ids(times[1]))
  attr(times, "tzone") <- "America/New_York"
  expect_identical(shown_ids(times)[2], "2024-01-01 10:00:00")
  expect_identical(shown_ids(times + 0.25)[1], "2024-01-01 00:00:00.250000")
})
