target_units <- function() {
  set.seed(4)
  units <- data.frame(x = rnorm(500), z = rnorm(500), g = rep(letters[1:10], 50))
  units$d <- units$z + rnorm(500)
  truth <- 0.5 * units$x + units$d + rnorm(500)
  units$guess <- truth + rnorm(500, sd = 0.5)
  labelled <- seq_len(500) <= 200
  units$y <- ifelse(labelled, truth, NA)
  levels <- c("low", "mid", "high")
  units$level_guess <- as.character(cut(units$guess, c(-Inf, -0.5, 1, Inf), levels))
  level <- as.character(cut(truth, c(-Inf, -0.5, 1, Inf), levels))
  units$level <- factor(ifelse(labelled, level, NA), levels)
  units
}

test_that("targets are constructed, and refuse what makes no sense", {
  expect_output(print(quantile_score(0.9)), "quantile 0.9")
  expect_error(quantile_score(2), "no quantile", class = "OptionError")
  expect_error(huber("a"), "not a number", class = "OptionError")
  expect_error(ordered_logit("a"), "two or more", class = "OptionError")
  expect_error(treatment_effect(), "in quotes", class = "OptionError")
})

test_that("bars are read as fixest reads them", {
  parts <- formula_parts(y ~ x + w | firm + year)
  expect_identical(parts$fixed, c("firm", "year"))
  expect_identical(parts$formula, y ~ x + w)
  parts <- formula_parts(y ~ x | d ~ z1 + z2)
  expect_identical(deparse1(parts$formula), "y ~ x + d + (z1 + z2)")
  expect_identical(parts$bar, "d ~ z1 + z2")
  expect_identical(formula_parts(y ~ x)$fixed, NULL)
  both <- formula_parts(y ~ x | g + h | d ~ z)
  expect_identical(both$fixed, c("g", "h"))
  expect_identical(deparse1(both$formula), "y ~ x + d + z")
  expect_error(formula_parts(y ~ x | a | b), "too many bars")
  expect_error(formula_parts(y ~ d ~ z), "no bar")
  expect_error(formula_parts(y ~ x | d ~ z | w), "cannot be read")
  expect_error(formula_parts(y ~ x | x + z), "as in fixest")
  expect_error(formula_parts(y ~ x | a^b), "no name of a column")
  expect_error(formula_parts(y ~ x | a + a), "twice")
})

test_that("options that do not go with a target are refused", {
  units <- target_units()
  fit <- function(...) augmented_gmm(data = units, ...)
  expect_error(fit(y ~ x, score = "median"), "target_scores", class = "OptionError")
  expect_error(
    fit(y ~ x, score = huber(), family = gaussian()), "Give one of them",
    class = "OptionError"
  )
  expect_error(fit(y ~ x | g, family = poisson), "only a linear model")
  expect_error(fit(y ~ x | g, score = huber()), "only a linear model")
  expect_error(fit(y ~ x | d ~ z, family = binomial), "names instruments")
  expect_error(fit(y ~ x + offset(z) | g), "Subtract it")
  expect_error(fit(y ~ x | g, auxiliary = ~z), "auxiliary is not available")
  expect_error(fit(y ~ x | x ~ z), "an exogenous and an endogenous")
  expect_error(fit(y ~ x | d ~ x), "exogenous regressor and an instrument")
  expect_error(fit(y ~ x | gg), "Did you mean|not a column")
  expect_error(
    fit(level ~ x, score = ordered_logit(c("low", "mid", "high", "top"))), "No label is"
  )
  expect_error(fit(level_guess ~ x, score = ordered_logit()), "have no order")
})

test_that("outcomes with levels are predicted by level", {
  skip_without_python()
  units <- target_units()
  fit <- augmented_gmm(
    level ~ x + d, units, proxy = c(level = "level_guess"), score = ordered_logit()
  )
  expect_identical(names(coef(fit)), c("x", "d", "low/mid", "mid/high"))
  chances <- predict(fit, units[1:5, ])
  expect_equal(unname(rowSums(chances)), rep(1, 5L))
  expect_equal(chances, predict(fit)[1:5, ], ignore_attr = TRUE)
  expect_identical(levels(predict(fit, units[1:5, ], "class")), levels(units$level))
  expect_error(predict(fit, se.fit = TRUE), "no mean", class = "OptionError")
  expect_error(residuals(fit), "no mean", class = "OptionError")
  expect_error(augment(fit), "no mean", class = "OptionError")
  expect_identical(dim(tidy(labels_only(fit))), c(4L, 5L))
  units$level_guess[3] <- "top"
  expect_error(
    augmented_gmm(
      level ~ x, units, proxy = c(level = "level_guess"), score = ordered_logit()
    ), "top"
  )
})

test_that("instruments and fixed effects have what belongs to them, and no more", {
  skip_without_python()
  units <- target_units()
  iv <- augmented_gmm(y ~ x | d ~ z, units, proxy = c(y = "guess"))
  expect_identical(names(coef(iv)), c("(Intercept)", "x", "d"))
  expect_identical(first_stage(iv)$term, "d")
  expect_error(overidentification(iv), "no more instruments", class = "OptionError")
  expect_identical(deparse1(formula(iv)), "y ~ x | d ~ z")
  expect_equal(
    unname(predict(iv, data.frame(x = 1, d = 2))), sum(coef(iv) * c(1, 1, 2))
  )
  expect_equal(unname(residuals(iv)), units$y[1:200] - unname(fitted(iv)))
  expect_output(print(summary(iv)), "Instruments: z")
  fe <- suppressWarnings(augmented_gmm(y ~ x + d | g, units, proxy = c(y = "guess")))
  expect_identical(names(coef(fe)), c("x", "d"))
  expect_output(print(summary(fe)), "Absorbed: g")
  expect_error(predict(fe), "absorbed, not estimated", class = "OptionError")
  expect_error(agreement(fe), "fixed effects", class = "OptionError")
  expect_error(first_stage(fe), "no instruments", class = "OptionError")
  expect_error(update(fe, . ~ . + z), "bar after all", class = "FormulaError")
  expect_identical(nrow(compare(fe, c("labels only", "GMM-Synth"))$table), 4L)
  both <- suppressWarnings(augmented_gmm(y ~ x | g | d ~ z, units, c(y = "guess")))
  expect_identical(names(coef(both)), c("x", "d"))
  expect_identical(deparse1(formula(both)), "y ~ x | g | d ~ z")
  expect_output(print(summary(both)), "Instruments: z")
  expect_output(print(summary(both)), "Absorbed: g")
  expect_identical(first_stage(both)$term, "d")
  expect_error(predict(both), "absorbed, not estimated", class = "OptionError")
  expect_error(augmented_gmm(y ~ x | g | x | d ~ z, units), "too many bars",
    class = "FormulaError")
  expect_error(augmented_gmm(y ~ x | z | d ~ z, units), "fixed effect", class = "FormulaError")
})

test_that("intervals of quantiles from score tests are of the kind that quantreg has", {
  skip_without_python()
  units <- target_units()
  fit <- suppressWarnings(
    augmented_gmm(y ~ x, units, proxy = c(y = "guess"), score = quantile_score(0.8))
  )
  ends <- score_confint(fit)
  expect_identical(dimnames(ends), dimnames(confint(fit)))
  expect_true(all(ends[, 1L] < coef(fit) & coef(fit) < ends[, 2L]))
  expect_identical(score_confint(fit, "x"), ends["x", , drop = FALSE])
  expect_gt(diff(ends[2L, ]), diff(score_confint(fit, 2, level = 0.8)[1L, ]))
  expect_error(score_confint(fit, "z"), "no coefficient 'z'", class = "OptionError")
  expect_error(score_confint(fit, level = 95), "between 0 and 1", class = "OptionError")
  expect_error(
    score_confint(augmented_gmm(y ~ x, units)), "of quantile regressions",
    class = "OptionError"
  )
  expect_error(score_confint(1), "A fit by augmented_gmm", class = "OptionError")
  skip_if_not_installed("quantreg")
  # Both jump from label to label. There densities are equal, and quantiles normal.
  other <- suppressWarnings(summary(
    quantreg::rq(y ~ x, tau = 0.8, data = units), se = "rank", alpha = 0.05, iid = FALSE
  ))$coefficients[, 2:3]
  own <- score_confint(labels_only(fit))
  width <- own[, 2L] - own[, 1L]
  expect_true(all(abs(own - other) < 0.15 * width))
})

test_that("the test of Anderson and Rubin holds with weak instruments", {
  skip_without_python()
  units <- target_units()
  fit <- function(formula) {
    suppressWarnings(augmented_gmm(formula, units, proxy = c(y = "guess")))
  }
  iv <- fit(y ~ x | d ~ z)
  found <- anderson_rubin(iv)
  expect_identical(found$kind, "bounded")
  # A value at the border is neither rejected nor accepted. The border is searched for as
  # an angle, to 1e-7.
  at <- anderson_rubin(iv, null = found$set[[1L, "conf.high"]], level = NULL)
  expect_equal(at$p.value, 0.05, tolerance = 1e-4)
  expect_identical(nrow(at$set), 0L)
  expect_identical(tidy(at)$kind, "not asked for")
  expect_identical(glance(at)$df, 1L)
  expect_output(print(found), "95% confidence set: [-0-9.]+ to ")
  expect_false(any(grepl("set", capture.output(print(at)))))
  table <- tidy(anderson_rubin(iv, level = 0.9))
  expect_identical(table$conf.level, 0.9)
  expect_gt(table$conf.low, found$set[[1L, "conf.low"]])
  units$nothing <- sin(100 * units$z)
  weak <- fit(y ~ x | d ~ nothing)
  expect_output(print(summary(weak)), "holds with weak")
  expect_true(any(is.infinite(anderson_rubin(weak)$set)))
  expect_output(print(anderson_rubin(weak)), "too weak")
  expect_error(anderson_rubin(fit(y ~ x)), "no instruments", class = "OptionError")
  expect_error(anderson_rubin(iv, level = 2), "between 0 and 1", class = "OptionError")
  expect_error(anderson_rubin(iv, null = "a"), "null = \"a\"", class = "OptionError")
  expect_error(anderson_rubin(iv, null = Inf), "no finite", class = "OptionError")
  expect_error(anderson_rubin(fit(y ~ 1 | d + x ~ z + nothing)), "2 endogenous",
    class = "OptionError")
  expect_error(anderson_rubin(fit(y ~ x | d ~ I(2 * d))), "Use confint\\(\\), or level",
    class = "OptionError")
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  saveRDS(iv, path)
  iv <- readRDS(path)
  iv$again$token <- "another"
  expect_equal(anderson_rubin(iv)$set, found$set, tolerance = 1e-12)
})

test_that("a source may give a probability of each level", {
  skip_without_python()
  units <- target_units()
  levels <- sort(unique(units$level[!is.na(units$level)]))
  for (level in levels) {
    units[[paste0("p_", level)]] <- 0.1 + (units$level_guess == level)
  }
  total <- rowSums(units[paste0("p_", levels)])
  units[paste0("p_", levels)] <- units[paste0("p_", levels)] / total
  columns <- stats::setNames(paste0("p_", levels), levels)
  call <- function(columns, formula = level ~ x, data = units, ...) {
    augmented_gmm(formula, data, list(llm = list(level = columns)), ...)
  }
  fit <- call(columns, score = multinomial_logit())
  again <- call(rev(columns), score = multinomial_logit())
  expect_identical(coef(fit), coef(again))
  fit$again$token <- "another"
  expect_identical(
    compare(fit, "GMM-Synth")$table$estimate, unname(coef(fit))
  )
  all <- units[c("level", "x", columns)]
  expect_identical(
    coef(call(columns, level ~ ., all, score = multinomial_logit())), coef(fit)
  )
  if (requireNamespace("data.table", quietly = TRUE)) {
    table <- data.table::as.data.table(all)
    expect_identical(
      coef(call(columns, level ~ ., table, score = multinomial_logit())), coef(fit)
    )
  }
  part <- call(columns, score = multinomial_logit(), subset = x > -1)
  own <- call(columns, data = units[units$x > -1, ], score = multinomial_logit())
  expect_identical(coef(part), coef(own))
  expect_error(call(columns[-1L], score = multinomial_logit()), "for each level")
  expect_error(
    call(replace(columns, 1L, "nobody"), score = multinomial_logit()),
    "Source '[^']*': data has no column 'nobody'"
  )
  expect_error(call(columns), "has no levels")
  units[[columns[[1L]]]][5] <- 2
  expect_error(call(columns, score = multinomial_logit()), "sum to 1.*unit 5")
  columns[[1L]] <- "nowhere"
  expect_error(call(columns, score = multinomial_logit()), "no column 'nowhere'")
})
