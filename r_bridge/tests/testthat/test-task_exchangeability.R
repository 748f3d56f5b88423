near <- function(object, expected, tolerance = 1e-10) {
  expect_equal(c(object), expected, tolerance = tolerance, ignore_attr = TRUE)
}

test_that("the finite-sample interval is made of two order statistics", {
  skip_without_python()
  surveys <- simulate_surveys()
  fit <- task_exchangeability(surveys, current = 2025, algorithm = "finite")
  gaps <- sort(mean_gaps(surveys))
  k <- floor(40 * 0.1 / 2 + 1e-9)
  now <- mean(surveys$value[surveys$task == 2025])
  near(fit$interval, now + unname(gaps[c(k, 40 - k)]))
  near(coef(fit), now)
  near(fit$gaps$gap, unname(mean_gaps(surveys)))
  expect_identical(fit$gaps$task, as.numeric(1986:2024))
  expect_identical(fit$tasks, as.numeric(1986:2024))
})

test_that("algorithms 1 and 2 are Welch's intervals, a band and a t interval", {
  skip_without_python()
  surveys <- simulate_surveys()
  parts <- split(surveys$value, surveys[c("source", "task")])
  welch <- function(level) {
    vapply(1986:2024, function(year) {
      test <- t.test(
        parts[[paste0("real.", year)]], parts[[paste0("synthetic.", year)]],
        conf.level = level
      )
      test$conf.int
    }, c(0, 0))
  }
  fit <- task_exchangeability(surveys, 2025)
  ends <- welch(1 - fit$allocation[["alpha2"]])
  near(fit$gaps$lower, ends[1, ])
  near(fit$gaps$upper, ends[2, ])
  near(fit$gap_band, c(
    sort(ends[1, ])[fit$ranks[["lower"]]], sort(ends[2, ])[fit$ranks[["upper"]]]
  ))
  now <- t.test(parts$synthetic.2025, conf.level = 1 - fit$allocation[["alpha1"]])
  near(fit$interval, c(now$conf.int) + c(fit$gap_band))
  near(
    fit$synthetic_only, c(t.test(parts$synthetic.2025, conf.level = 0.9)$conf.int)
  )
  expect_equal(sum(fit$allocation), 0.1)
  expect_equal(fit$widths[, "total"], diff(c(fit$interval)))
})

test_that("normal intervals have normal quantiles, and alpha is the sum of its parts", {
  skip_without_python()
  surveys <- simulate_surveys()
  parts <- split(surveys$value, surveys[c("source", "task")])
  variance <- vapply(parts, function(x) stats::var(x) / length(x), 0)
  fit <- task_exchangeability(
    surveys, 2025, interval = "normal", alphas = c(0.02, 0.04, 0.14)
  )
  expect_equal(fit$alpha, 0.2)
  years <- 1986:2024
  se <- sqrt(variance[paste0("real.", years)] + variance[paste0("synthetic.", years)])
  near(fit$gaps$upper - fit$gaps$gap, unname(qnorm(0.98) * se))
  near(
    diff(c(fit$synthetic_only)),
    unname(2 * qnorm(0.9) * sqrt(variance["synthetic.2025"]))
  )
})

test_that("samples give what Python gives", {
  skip_without_python()
  surveys <- simulate_surveys()
  surveys$other[1:3] <- NA
  same <- function(r, python) {
    near(t(r), python_numbers(surveys, c(
      "make = lambda **k: TaskExchangeability.from_frame(frame, current=2025, **k)",
      sprintf("out = %s.conf_int()", python)
    )))
  }
  same(task_exchangeability(surveys, 2025)$interval, "make().fit()")
  same(
    task_exchangeability(surveys, 2025, algorithm = 2, alpha = 0.2)$interval,
    "make().fit(2, .2)"
  )
  same(
    task_exchangeability(surveys, 2025, unit = "unit", weight = "weight")$interval,
    "make(unit='unit', weight='weight').fit()"
  )
  same(
    task_exchangeability(
      surveys, 2025,
      covariates = "task", weights = "gaussian", bandwidth = 2
    )$interval,
    "make(covariates='task').fit(weights='gaussian', bandwidth=2)"
  )
  same(
    suppressWarnings(task_exchangeability(
      surveys, 2025,
      value = c("value", "other"), missing = "drop", alpha = 0.2
    ))$interval,
    "make(value=['value', 'other'], missing='drop').fit(alpha=.2)"
  )
  same(
    task_exchangeability(surveys, 2025, statistic = 0.4, alpha = 0.3)$interval,
    "make(statistic=.4).fit(alpha=.3)"
  )
  same(
    task_exchangeability(
      surveys, 2025,
      interval = "percentile", n_boot = 1999, seed = 3, alpha = 0.2
    )$interval,
    "make().fit(interval='percentile', n_boot=1999, seed=3, alpha=.2)"
  )
  same(
    task_exchangeability(
      surveys, 2025,
      interval = "hoeffding", bounds = c(-9, 9), alphas = c(0.05, 0.05, 0.1),
      alpha = 0.2
    )$interval,
    "make().fit(interval='hoeffding', bounds=(-9, 9), alphas=(.05, .05, .1), alpha=.2)"
  )
})

test_that("estimates give what Python and what R's own numbers give", {
  skip_without_python()
  polls <- simulate_polls()
  fit <- task_exchangeability_estimates(polls, "now", covariates = "year", alpha = 0.2)
  past <- polls[-41, ]
  se <- sqrt(past$real_se^2 + past$synthetic_se^2)
  half <- qnorm(1 - fit$allocation[["alpha2"]] / 2) * se
  near(fit$gaps$upper, past$real - past$synthetic + half)
  expect_identical(fit$gaps$task, row.names(past))
  python <- paste(
    "TaskExchangeability.from_estimates(frame, current=2025, task='year',",
    "covariates='year', real_n='real_n', synthetic_n='synthetic_n')"
  )
  by_year <- task_exchangeability_estimates(
    polls, 2025,
    task = "year", covariates = "year", real_n = "real_n", synthetic_n = "synthetic_n"
  )
  near(t(by_year$interval), python_numbers(
    polls, sprintf("out = %s.fit().conf_int()", python)
  ))
  near(t(confint(by_year, level = 0.7)), python_numbers(
    polls, sprintf("out = %s.fit().conf_int(.3)", python)
  ))
  trend <- trend_test(by_year, "year", n_permutations = 499, seed = 4)
  near(c(trend$statistic, trend$p.value), python_numbers(polls, c(
    sprintf("found = %s.fit().trend_test('year', 499, 4)", python),
    "out = [found.table['spearman'].iloc[0], found.pvalue]"
  )))
  gaps <- (past$real - past$synthetic)
  near(trend$statistic, cor(gaps, past$year, method = "spearman"))
  late <- temporal_split(by_year, "year", share = 0.6)
  near(c(late$coverage, late$p.value, late$n_late), python_numbers(polls, c(
    sprintf("found = %s.fit().temporal_split('year', .6)", python),
    "out = [found.coverage, found.pvalue, found.n_late]"
  )))
  expect_identical(late$table$task, as.numeric(2009:2024))
  out <- leave_one_out(by_year)
  near(
    as.matrix(out$table[c("real", "lower", "upper", "covered")]),
    c(matrix(python_numbers(polls, sprintf(
      "out = %s.fit().loo().table[['real', 'lower', 'upper', 'covered']].astype(float)",
      python
    )), ncol = 4, byrow = TRUE))
  )
  expect_equal(mean(out$table$covered), out$coverage)
})

test_that("correlations and coordinates of estimates are used", {
  skip_without_python()
  polls <- simulate_polls(20)
  polls$poll <- row.names(polls)
  polls$r <- ifelse(is.na(polls$real), NA, 0.5)
  both <- rbind(
    transform(polls, what = "share"),
    transform(polls, what = "other", synthetic = synthetic + 1)
  )
  fit <- task_exchangeability_estimates(
    both, "now",
    task = "poll", coordinate = "what", correlation = "r", alpha = 0.3
  )
  expect_identical(rownames(confint(fit)), c("share", "other"))
  expect_equal(coef(fit)[["other"]] - coef(fit)[["share"]], 1)
  expect_equal(c(confint(fit)["other", ]), c(confint(fit)["share", ]))
  expect_identical(dim(confint(fit, 2)), c(1L, 2L))
  first <- subset(fit$gaps, coordinate == "share")
  past <- polls[-21, ]
  variance <- past$real_se^2 + past$synthetic_se^2 - past$real_se * past$synthetic_se
  half <- qnorm(1 - fit$allocation[["alpha2"]] / 4) * sqrt(variance)
  near(first$upper - first$gap, half)
  near(t(fit$interval), python_numbers(both, paste(
    "out = TaskExchangeability.from_estimates(frame, current='now', task='poll',",
    "coordinate='what', correlation='r').fit(alpha=.3).conf_int()"
  )))
})

test_that("fits go through coef(), vcov() and their degrees of freedom", {
  skip_without_python()
  set.seed(3)
  frame <- function(slope) {
    x <- rnorm(30)
    data.frame(x = x, y = slope * x + rnorm(30), z = rbinom(30, 1, plogis(x)))
  }
  slopes <- rnorm(21, 1, 0.3)
  data <- list(real = lapply(slopes, frame), made = lapply(slopes + 0.2, frame))
  ols <- lapply(data, lapply, function(d) lm(y ~ x, d))
  fit <- task_exchangeability_fits(
    ols$real[1:20], ols$made[1:20], ols$made[[21]],
    params = "x", alpha = 0.3
  )
  one <- function(fits) {
    vapply(fits, function(f) summary(f)$coefficients["x", 1:2], c(0, 0))
  }
  table <- data.frame(
    task = c(1:20, 99), real = one(ols$real)[1, ], real_se = one(ols$real)[2, ],
    real_n = 29, synthetic = one(ols$made)[1, ], synthetic_se = one(ols$made)[2, ],
    synthetic_n = 29
  )
  table[21, c("real", "real_se", "real_n")] <- NA
  same <- task_exchangeability_estimates(
    table, 99,
    task = "task", real_n = "real_n", synthetic_n = "synthetic_n", alpha = 0.3
  )
  near(fit$interval, c(same$interval))
  expect_identical(rownames(fit$interval), "x")

  named <- setNames(ols$made[1:20], paste("t", 1:20))
  shuffled <- task_exchangeability_fits(
    setNames(ols$real[1:20], paste("t", 1:20)), named[sample(20)], ols$made[[21]],
    params = "x", alpha = 0.3
  )
  near(shuffled$interval, c(fit$interval))
  expect_identical(shuffled$tasks, paste("t", 1:20))

  logit <- lapply(data, lapply, function(d) glm(z ~ x, binomial, d))
  z <- task_exchangeability_fits(
    logit$real[1:20], logit$made[1:20], logit$made[[21]],
    params = "x", alpha = 0.3
  )
  se <- sqrt(diag(vcov(logit$made[[21]])))[["x"]]
  near(z$synthetic_only, coef(logit$made[[21]])[["x"]] + qnorm(c(0.15, 0.85)) * se)
  doubled <- task_exchangeability_fits(
    ols$real[1:20], ols$made[1:20], ols$made[[21]],
    params = "x", alpha = 0.3, vcov = function(f) 4 * vcov(f), df = Inf
  )
  ends <- coef(ols$made[[21]])[["x"]] + qnorm(c(0.15, 0.85)) * 2 *
    summary(ols$made[[21]])$coefficients["x", 2]
  near(doubled$synthetic_only, ends)
  covariates <- data.frame(year = 1:21, row.names = c(paste("t", 20:1), "current"))
  weighted <- task_exchangeability_fits(
    setNames(ols$real[1:20], paste("t", 1:20)), named, ols$made[[21]],
    params = "x", alpha = 0.3, covariates = covariates
  )
  expect_identical(unname(weighted$covariates[, "year"]), as.numeric(c(20:1, 21)))

  expect_error(
    task_exchangeability_fits(
      setNames(ols$real[1:2], c("a", "b")), setNames(ols$made[1:2], c("a", "c")),
      ols$made[[3]]
    ),
    "real lacks 1 task of synthetic ('c')",
    fixed = TRUE, class = "AlignmentError"
  )
  expect_error(
    task_exchangeability_fits(ols$real[1], ols$made[1], ols$made[[2]], params = "w"),
    "real fit of task '1' has no parameter 'w'",
    class = "AlignmentError"
  )
  expect_error(
    task_exchangeability_fits(ols$real[[1]], ols$made[[1]], ols$made[[2]]),
    class = "OptionError"
  )
  aliased <- lapply(data$real[1:3], function(d) lm(y ~ x + I(2 * x), d))
  expect_error(
    task_exchangeability_fits(aliased[1], aliased[2], aliased[[3]]),
    "parameters or variances that are missing",
    fixed = TRUE, class = "DataError"
  )
  expect_error(
    task_exchangeability_fits(aliased[1], ols$made[1], ols$made[[2]], params = NULL),
    class = "DataError"
  )
})

test_that("votes give what Python gives, for players with names or numbers", {
  skip_without_python()
  set.seed(4)
  strength <- rnorm(15, sd = 0.7)
  votes <- data.frame(a = sample(15, 1500, TRUE), b = sample(15, 1500, TRUE))
  votes <- votes[votes$a != votes$b, ]
  chance <- plogis(strength[votes$a] - strength[votes$b])
  votes$human <- rbinom(nrow(votes), 1, chance)
  votes$judge <- rbinom(nrow(votes), 1, 0.1 + 0.8 * chance)
  votes$human[votes$a == 15 | votes$b == 15] <- NA
  fit <- task_exchangeability_votes(
    votes, 15,
    first = "a", second = "b", n_boot = 1999, seed = 5, alpha = 0.4, reference = 3
  )
  near(t(fit$interval), python_numbers(votes, paste(
    "out = TaskExchangeability.from_votes(frame, current=15, first='a', second='b',",
    "n_boot=1999, seed=5, reference=3).fit(alpha=.4).conf_int()"
  )))
  expect_identical(fit$tasks, as.numeric(setdiff(1:14, 3)))
  named <- votes
  named[c("a", "b")] <- lapply(votes[c("a", "b")], function(x) factor(letters[x]))
  by_name <- task_exchangeability_votes(
    named, "o",
    first = "a", second = "b", n_boot = 1999, seed = 5, alpha = 0.4, reference = "c"
  )
  expect_identical(by_name$interval, fit$interval)
  named$b <- as.integer(named$b)
  expect_error(
    task_exchangeability_votes(named, "o", first = "a", second = "b"),
    "both by numbers",
    class = "DataError"
  )
})

test_that("tasks may be numbers, text, factors or dates", {
  skip_without_python()
  surveys <- simulate_surveys(n_tasks = 12, n = 8)
  reference <- task_exchangeability(surveys, 2025L, alpha = 0.4)
  as_is <- function(convert, current) {
    changed <- surveys
    changed$task <- convert(surveys$task)
    fit <- task_exchangeability(changed, current, alpha = 0.4)
    expect_identical(fit$interval, reference$interval)
    fit
  }
  expect_identical(as_is(as.integer, 2025)$tasks, as.numeric(2014:2024))
  expect_identical(as_is(as.character, "2025")$tasks, as.character(2014:2024))
  expect_identical(as_is(factor, 2025)$tasks, as.character(2014:2024))
  day <- function(year) as.Date(sprintf("%d-01-01", year))
  expect_identical(as_is(day, day(2025))$current, "2025-01-01")
  named <- function(year) paste("Umfrage f\u00fcr", year)
  expect_identical(as_is(named, named(2025))$current, named(2025))
  expect_error(
    as_is(function(x) x > 2020, 2025), "current task 2025 has no row in column 'task'",
    class = "DataError"
  )
  expect_error(
    as_is(function(x) structure(as.double(x), class = "integer64"), 2025),
    "integer64. Convert it with as.numeric()",
    fixed = TRUE, class = "DataError"
  )
  latin <- surveys
  latin$task <- iconv(named(surveys$task), "UTF-8", "latin1")
  expect_identical(
    task_exchangeability(latin, named(2025), alpha = 0.4)$interval, reference$interval
  )
  bytes <- surveys
  bytes$task <- named(surveys$task)
  Encoding(bytes$task) <- "bytes"
  expect_error(
    task_exchangeability(bytes, bytes$task[nrow(bytes)]), "iconv\\(\\)",
    class = "DataError"
  )
})

test_that("missing values are refused, or dropped with a count", {
  skip_without_python()
  surveys <- simulate_surveys(n_tasks = 12, n = 8)
  clean <- task_exchangeability(surveys[-c(1, 20, 30), ], 2025, alpha = 0.4)
  holes <- surveys
  holes$value[1] <- NA
  holes$task[20] <- NA
  holes$source[30] <- NA
  expect_error(
    task_exchangeability(holes, 2025),
    "3 rows \\(such as rows 1, 20, 30",
    class = "DataError"
  )
  expect_warning(
    fit <- task_exchangeability(holes, 2025, alpha = 0.4, missing = "drop"),
    "3 rows",
    class = "DroppedTaskWarning"
  )
  near(fit$interval, c(clean$interval), tolerance = 1e-14)
  half <- surveys[!(surveys$task == 2016 & surveys$source == "real"), ]
  expect_error(task_exchangeability(half, 2025), "2016", class = "DataError")
  expect_warning(
    fit <- task_exchangeability(half, 2025, missing = "drop", alpha = 0.4),
    class = "DroppedTaskWarning"
  )
  expect_false(2016 %in% fit$tasks)
  expect_identical(temporal_split(fit)$table$task, as.numeric(2020:2024))
  holes <- surveys
  holes$value[5] <- Inf
  expect_error(task_exchangeability(holes, 2025), "rows 5", class = "DataError")
})

test_that("an infinite interval is a warning with a class, and says what would do", {
  skip_without_python()
  surveys <- simulate_surveys(n_tasks = 12, n = 8)
  expect_warning(
    fit <- task_exchangeability(surveys, 2025, alpha = 0.1),
    "11 historical tasks are too few.*20 would do",
    class = "InfiniteIntervalWarning"
  )
  expect_identical(c(fit$interval), c(-Inf, Inf))
  expect_false(glance(fit)$finite)
  expect_output(print(fit), "THE INTERVAL IS INFINITE")
  expect_no_warning(trend_test(fit))
  expect_no_warning(narrow <- confint(fit, level = 0.5))
  expect_true(all(is.finite(narrow)))
  expect_warning(confint(fit, level = 0.95), class = "InfiniteIntervalWarning")
})

test_that("weights go with the names of tasks, or their order", {
  skip_without_python()
  surveys <- simulate_surveys()
  weights <- setNames(seq(0.5, 1, length.out = 39), 1986:2024)
  by_name <- task_exchangeability(surveys, 2025, weights = rev(weights))
  by_order <- task_exchangeability(surveys, 2025, weights = unname(weights))
  expect_identical(by_name$interval, by_order$interval)
  expect_identical(by_name$gaps$weight, unname(weights))
  expect_equal(by_name$effective_tasks, sum(weights)^2 / sum(weights^2))
  expect_error(
    task_exchangeability(surveys, 2025, weights = weights[-1]), "1986",
    class = "AlignmentError"
  )
  expect_error(
    task_exchangeability(surveys, 2025, weights = c(weights, "1900" = 1)),
    "'1900', which is no task",
    class = "AlignmentError"
  )
  expect_error(
    task_exchangeability(surveys, 2025, weights = unname(weights)[-1]),
    "38 values; there are 39 historical tasks",
    class = "AlignmentError"
  )
  expect_error(
    task_exchangeability(surveys, 2025, weights = 2 * weights), "between 0 and 1",
    class = "OptionError"
  )
  gap <- python_numbers(surveys, c(
    "w = np.linspace(.5, 1, 39)",
    "fit = TaskExchangeability.from_frame(frame, current=2025).fit(weights=w)",
    "out = [fit.coverage_gap(.03), fit.coverage_gap(np.linspace(0, .1, 39))]"
  ))
  distance <- setNames(seq(0, 0.1, length.out = 39), 1986:2024)
  near(c(coverage_gap(by_name, 0.03), coverage_gap(by_name, rev(distance))), gap)
})

test_that("what is odd is refused with a class and a hint", {
  skip_without_python()
  surveys <- simulate_surveys(n_tasks = 12, n = 8)
  refused <- function(..., class = "OptionError", says) {
    expect_error(
      task_exchangeability(surveys, 2025, ...), says,
      fixed = TRUE, class = class
    )
  }
  refused(alhpa = 0.1, says = "Did you mean 'alpha'?")
  refused(algorithm = 3, says = "algorithm = 3 does not exist")
  refused(algorithm = 1.5, says = "algorithm = 1.5 does not exist")
  refused(alpha = 2, says = "not between 0 and 1")
  refused(alpha = NA, says = "not a number")
  refused(interval = "wlech", says = "Did you mean 'welch'")
  refused(interval = "hoeffding", says = "bounds = c(0, 1)")
  refused(statistic = mean, says = "task_exchangeability_estimates()")
  refused(n_boot = 9.5, says = "not a whole number")
  refused(missing = "omit", says = "missing = \"omit\" does not exist")
  refused(value = c("value", "value"), says = "twice")
  refused(task = "tsak", class = "DataError", says = "Did you mean 'task'?")
  refused(value = "source", class = "DataError", says = "is not numeric (such as 'real')")
  expect_error(
    task_exchangeability(surveys, 2026), "current task 2026 has no row",
    class = "DataError"
  )
  expect_error(task_exchangeability(as.list(surveys), 2025), class = "DataError")
  expect_error(
    task_exchangeability_estimates(simulate_polls(5), "new"),
    "current task 'new' is not among the row names",
    class = "DataError"
  )
  surveys$source[1] <- "human"
  refused(class = "DataError", says = "'human'")
})

test_that("checks take covariates, names and order, and nothing else", {
  skip_without_python()
  polls <- simulate_polls(20)
  fit <- task_exchangeability_estimates(polls, "now", covariates = "year", alpha = 0.2)
  past <- polls$year[1:20]
  reference <- trend_test(fit, "year")
  for (by in list(NULL, past, rev(setNames(past, row.names(polls)[1:20])))) {
    expect_equal(trend_test(fit, by)$p.value, reference$p.value)
  }
  expect_s3_class(reference, "htest")
  expect_error(trend_test(fit, "yaer"), "Did you mean 'year'", class = "OptionError")
  expect_error(trend_test(fit, 1:3), "3 values", class = "AlignmentError")
  expect_error(trend_test(fit, c(NA, past[-1])), "missing", class = "DataError")
  expect_error(temporal_split(fit, share = 1), class = "OptionError")
  expect_error(coverage_gap(fit, 2), "between 0 and 1", class = "OptionError")
  expect_error(typicality(lm(real ~ year, polls)), class = "OptionError")
  below <- mean(polls$synthetic <= polls["now", "synthetic"])
  above <- mean(polls$synthetic >= polls["now", "synthetic"])
  expect_equal(unname(typicality(fit)), min(1, 2 * below, 2 * above))
  few <- suppressWarnings(task_exchangeability_estimates(polls[c(1, 21), ], "now"))
  expect_error(leave_one_out(few), "two historical tasks", class = "DataError")
  expect_true(is.na(glance(few)$loo.coverage))
})

test_that("a fit is R's own, survives saving, and tidies", {
  skip_without_python()
  fit <- task_exchangeability_estimates(
    simulate_polls(), "now",
    covariates = "year", alpha = 0.2
  )
  file <- tempfile()
  on.exit(unlink(file))
  saveRDS(fit, file)
  back <- readRDS(file)
  expect_identical(back, fit)
  expect_identical(confint(back, level = 0.7), confint(fit, level = 0.7))
  expect_identical(confint(fit), fit$interval)
  expect_identical(confint(fit, "theta"), fit$interval)
  expect_error(confint(fit, "beta"), "'theta'", class = "OptionError")
  expect_error(confint(fit, level = 95), class = "OptionError")
  row <- tidy(fit)
  expect_identical(row$term, "theta")
  expect_equal(c(row$conf.low, row$conf.high), c(confint(fit)), ignore_attr = TRUE)
  expect_equal(
    tidy(fit, conf.level = 0.7)$conf.low, confint(fit, level = 0.7)[[1]]
  )
  expect_named(tidy(fit, conf.int = FALSE), c(
    "term", "estimate", "synthetic.low", "synthetic.high"
  ))
  expect_identical(nrow(glance(fit)), 1L)
  expect_identical(glance(fit)$n_tasks, 40L)
})

test_that("tibbles and data.tables are data frames", {
  skip_without_python()
  polls <- transform(simulate_polls(), poll = c(paste("poll", 1:40), "now"))
  reference <- task_exchangeability_estimates(polls, "now", alpha = 0.2)
  check <- function(frame) {
    fit <- task_exchangeability_estimates(frame, "now", task = "poll", alpha = 0.2)
    expect_identical(fit$interval, reference$interval)
    # Rows without names are numbered.
    fit <- task_exchangeability_estimates(frame, 41, alpha = 0.2)
    expect_identical(fit$interval, reference$interval)
  }
  row.names(polls) <- NULL
  check(polls)
  if (requireNamespace("tibble", quietly = TRUE)) check(tibble::as_tibble(polls))
  if (requireNamespace("data.table", quietly = TRUE)) {
    check(data.table::as.data.table(polls))
  }
})

test_that("the summary says what Python's says", {
  skip_without_python()
  fit <- task_exchangeability_estimates(
    simulate_polls(), "now",
    covariates = "year", alpha = 0.2
  )
  local_reproducible_output(width = 80)
  text <- capture.output(print(summary(fit)))
  expect_true(all(nchar(text) <= 80))
  together <- paste(text, collapse = " ")
  expect_match(together, "Valid interval (level 0.8)", fixed = TRUE)
  expect_match(together, "0.2 = 0.02 (synthetic) + 0.04 (gaps) + 0.14", fixed = TRUE)
  expect_match(together, "Verdict: No sign against exchangeability", fixed = TRUE)
  expect_match(together, "Leave-one-out", fixed = TRUE)
  expect_identical(
    unname(summary(fit)$gap_summary["theta", "median"]), median(fit$gaps$gap)
  )
  tiny <- simulate_polls()
  columns <- c("real", "real_se", "synthetic", "synthetic_se")
  tiny[columns] <- tiny[columns] * 1e-5
  small <- task_exchangeability_estimates(tiny, "now", alpha = 0.2)
  near(small$interval / 1e-5, c(fit$interval))
  expect_false(any(grepl("theta +-?0.0000 ", capture.output(print(small)))))
})

test_that("printed output does not change unnoticed", {
  skip_without_python()
  local_reproducible_output(width = 80)
  fit <- task_exchangeability_estimates(
    simulate_polls(), "now",
    covariates = "year", alpha = 0.2
  )
  expect_snapshot({
    print(fit)
    print(summary(fit))
    print(leave_one_out(fit))
    print(temporal_split(fit, "year"))
    print(trend_test(fit, "year"))
  })
})

test_that("plots draw every kind of fit and return the gaps", {
  skip_without_python()
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  on.exit({
    grDevices::dev.off()
    unlink(file)
  })
  before <- graphics::par("mar")
  polls <- simulate_polls()
  fit <- task_exchangeability_estimates(polls, "now", covariates = "year", alpha = 0.2)
  expect_identical(plot(fit), fit$gaps)
  expect_identical(plot(fit, by = "year", ylim = c(-2, 2)), fit$gaps)
  expect_identical(graphics::par("mar"), before)
  infinite <- suppressWarnings(
    task_exchangeability_estimates(polls[c(1:3, 41), ], "now")
  )
  expect_silent(plot(infinite))
  expect_silent(plot(infinite, by = 1:3))
  surveys <- simulate_surveys(n_tasks = 60, n = 5)
  two <- task_exchangeability(surveys, 2025, value = c("value", "other"), alpha = 0.3)
  expect_silent(plot(two))
  expect_identical(unique(plot(two, coordinate = "other")$coordinate), "other")
  expect_error(plot(two, coordinate = "toher"), "'other'", class = "OptionError")
})
