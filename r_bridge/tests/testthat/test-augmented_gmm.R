# The estimator against R's own: glm() with sandwich, and the package gmm.

simulated <- function(total = 600L, n = 120L) {
  set.seed(7)
  units <- data.frame(x = rnorm(total), g = factor(rep_len(c("a", "b", "c"), total)))
  eta <- 0.3 + 0.6 * units$x - 0.4 * (units$g == "c")
  units$y <- eta + rnorm(total)
  units$y_llm <- units$y + 0.2 + rnorm(total, sd = 0.5)
  units$b <- rbinom(total, 1, plogis(eta))
  units$b_llm <- ifelse(runif(total) < 0.15, 1 - units$b, units$b)
  units$k <- rpois(total, exp(eta))
  units$k_llm <- units$k + rpois(total, 0.3)
  units$size <- runif(total, 1, 3)
  labelled <- sample(total, n)
  units[-labelled, c("y", "b", "k")] <- NA
  units
}

test_that("labels alone are glm() with HC3, and HC0 without correction", {
  skip_without_python()
  skip_if_not_installed("sandwich")
  units <- simulated()
  for (family in list(gaussian(), binomial(), binomial("probit"), poisson())) {
    formula <- switch(family$family,
      gaussian = y ~ x + g, binomial = b ~ x * g, poisson = k ~ x + g + offset(log(size))
    )
    twin <- glm(formula, family, units, control = list(epsilon = 1e-14, maxit = 100))
    fit <- augmented_gmm(formula, units, family = family)
    # glm() stops at a relative change of the deviance; the rest is rounding.
    expect_equal(coef(fit), coef(twin), tolerance = 1e-8)
    paper <- augmented_gmm(formula, units, family = family, use_correction = FALSE)
    if (family$link != "probit") {
      # For links that are not canonical, sandwich takes expected derivatives.
      expect_equal(vcov(fit), sandwich::vcovHC(twin, "HC3"), tolerance = 1e-7)
      expect_equal(vcov(paper), sandwich::vcovHC(twin, "HC0"), tolerance = 1e-7)
    }
    expect_equal(fitted(fit), fitted(twin), tolerance = 1e-8)
    expect_equal(
      model.matrix(fit), model.matrix(twin),
      ignore_attr = TRUE
    )
    expect_identical(nobs(fit), nobs(twin))
  }
})

test_that("two steps are those of the package gmm", {
  skip_without_python()
  skip_if_not_installed("gmm")
  units <- simulated()
  x <- cbind(1, units$x)
  labelled <- !is.na(units$y)
  y <- ifelse(labelled, units$y, 0)
  moments <- function(parameters, data) {
    real <- labelled * drop(y - x %*% parameters[1:2]) * x
    guessed <- drop(units$y_llm - x %*% parameters[3:4]) * x
    cbind(real, labelled * guessed, guessed)
  }
  share <- crossprod(x * labelled) / nrow(x)
  slope <- function(parameters, data) {
    zero <- matrix(0, 2, 2)
    -rbind(
      cbind(share, zero), cbind(zero, share), cbind(zero, crossprod(x) / nrow(x))
    )
  }
  theirs <- gmm::gmm(
    moments, x,
    t0 = c(0, 0, 0, 0), gradv = slope, type = "twoStep", vcov = "MDS",
    centeredVcov = FALSE, method = "BFGS", control = list(reltol = 1e-20, maxit = 1000)
  )
  ours <- augmented_gmm(
    y ~ x, units,
    proxy = c(y = "y_llm"), use_correction = FALSE, use_t = FALSE
  )
  expect_equal(unname(coef(ours)), unname(coef(theirs)[1:2]), tolerance = 1e-6)
  expect_equal(unname(ours$auxiliary[1, ]), unname(coef(theirs)[3:4]), tolerance = 1e-6)
  # gmm takes the covariance at the weight of the first step; this is the paper's.
  last <- c(coef(ours), ours$auxiliary[1, ])
  omega <- crossprod(moments(last, x)) / nrow(x)
  bread <- crossprod(slope(last, x), solve(omega, slope(last, x)))
  expect_equal(
    unname(vcov(ours)), unname(solve(bread)[1:2, 1:2]) / nrow(x),
    tolerance = 1e-6
  )
})

test_that("formulas that only R has are those of glm(), and carried to the sources", {
  skip_without_python()
  units <- simulated()
  units$o <- factor(rep_len(c("low", "mid", "high"), 600), c("low", "mid", "high"),
    ordered = TRUE)
  units$code <- rep_len(1:4, 600)
  units[["a b"]] <- units$x^2
  units$été <- units$x + 1
  formulas <- list(
    y ~ x + I(x^2), y ~ factor(code) + x, y ~ splines::ns(x, 3), y ~ o * x,
    y ~ poly(x, 2) + C(g, contr.sum), y ~ scale(x) + `a b`, y ~ été + offset(size),
    y ~ 0 + g + splines::bs(x, df = 5), log(y + 10) ~ x
  )
  for (formula in formulas) {
    twin <- glm(formula, data = units[!is.na(units$y), ])
    alone <- augmented_gmm(formula, units)
    expect_equal(coef(alone), coef(twin), tolerance = 1e-8)
    # A source with other rows, in another order: the basis is that of the labels.
    frame <- transform(units, y = units$y_llm, check.names = FALSE)[600:1, ]
    names(frame) <- names(units)
    frame$id <- 600:1
    beyond <- grepl("bs(", deparse1(formula), fixed = TRUE)
    said <- if (beyond) "'llm'.*beyond boundary knots" else NA
    expect_warning(
      fit <- augmented_gmm(
        formula, cbind(units, id = 1:600),
        proxy = list(llm = frame), on = "id"
      ),
      said
    )
    expect_warning(
      same <- augmented_gmm(formula, units, proxy = list(llm = c(y = "y_llm"))), said
    )
    expect_equal(coef(fit), coef(same), tolerance = 1e-10)
    expect_equal(vcov(fit), vcov(same), tolerance = 1e-10)
    # What is predicted for new rows uses it as well.
    right <- delete.response(terms(twin))
    rows <- suppressWarnings( # "contrasts dropped": they are given below
      model.frame(right, units[1:9, ], xlev = twin$xlevels)
    )
    x <- model.matrix(right, rows, contrasts.arg = twin$contrasts)
    offset <- if (is.null(twin$offset)) 0 else units$size[1:9]
    expect_equal(
      unname(predict(fit, units[1:9, ])), unname(drop(x %*% coef(fit)) + offset),
      tolerance = 1e-10
    )
  }
})

test_that("a fit can be saved, loaded and updated", {
  skip_without_python()
  units <- simulated()
  fit <- augmented_gmm(y ~ x, units, proxy = c(y = "y_llm"))
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  saveRDS(fit, path)
  again <- readRDS(path)
  expect_equal(summary(again)$coefficients, summary(fit)$coefficients)
  more <- update(fit, . ~ . + g)
  expect_identical(names(coef(more)), c("(Intercept)", "x", "gb", "gc"))
})

test_that("errors and warnings of Python are R's", {
  skip_without_python()
  units <- simulated()
  units$twice <- 2 * units$x
  expect_error(augmented_gmm(y ~ x + twice, units), class = "CollinearityError")
  units$sure <- ifelse(is.na(units$b), NA, units$x > 0)
  expect_error(
    augmented_gmm(sure ~ x, units, family = binomial), class = "SeparationError"
  )
  units$copy <- ifelse(is.na(units$b), units$b_llm, units$b)
  expect_warning(
    augmented_gmm(b ~ x, units, proxy = c(b = "copy"), family = binomial),
    class = "LabelAgreementWarning"
  )
  expect_snapshot(error = TRUE, {
    augmented_gmm(y ~ x, units, proxi = c(y = "y_llm"))
    augmented_gmm(y ~ x, units, offset = size)
    augmented_gmm(y ~ x, units, maxiter = 0)
    augmented_gmm(y ~ x, units, use_t = "yes")
    augmented_gmm(y ~ x, units, maxiter = "cue", use_correction = TRUE)
    augmented_gmm(k ~ x, transform(units, k = -k), family = poisson)
    augmented_gmm(y ~ x + twice, units)
    augmented_gmm(y ~ x, units[0, ])
    augmented_gmm(y ~ x, units, start = 1:3)
    augmented_gmm(y ~ x, units, labeling_prob = 1.5)
  })
})

test_that("summary of a fit", {
  skip_without_python()
  local_reproducible_output(width = 80)
  units <- simulated()
  fit <- augmented_gmm(
    b ~ x + g, units,
    proxy = list(llm = c(b = "b_llm")), family = binomial
  )
  expect_snapshot(print(summary(fit), digits = 3, signif.stars = FALSE))
})
