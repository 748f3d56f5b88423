test_that("confint is Student's t with the residual degrees of freedom", {
  fit <- example_fit()
  error <- sqrt(diag(vcov(fit)))
  q <- qt(0.95, fit$df.residual)
  interval <- confint(fit, level = 0.9)
  expect_identical(dimnames(interval), list(names(coef(fit)), c("5 %", "95 %")))
  expect_equal(interval[, 1], coef(fit) - q * error)
  expect_equal(interval[, 2], coef(fit) + q * error)
  normal <- confint(example_fit(use_t = FALSE))
  expect_equal(unname(normal[2, 2] - normal[2, 1]), 2 * qnorm(0.975) * error[["x"]])
})

test_that("confint takes names or numbers, and refuses what does not exist", {
  fit <- example_fit()
  expect_identical(confint(fit, "x"), confint(fit, 2))
  expect_identical(confint(fit, c("groupc", "x")), confint(fit)[c(4, 2), ])
  expect_identical(dimnames(confint(fit)), dimnames(confint(lm(y ~ x + group, fit$model))))
  expect_snapshot(error = TRUE, {
    confint(fit, "groupd")
    confint(fit, 7)
    confint(fit, level = 95)
  })
})

test_that("accessors give what they give for a glm", {
  for (family in c("gaussian", "binomial", "poisson")) {
    fit <- example_fit(family, offset = family == "poisson")
    base <- example_glm(family, offset = family == "poisson")
    expect_identical(nobs(fit), 40L)
    expect_equal(formula(fit), formula(base))
    expect_identical(family(fit)$family, family)
    expect_equal(model.matrix(fit), model.matrix(base))
    expect_equal(model.frame(fit), model.frame(base))
    expect_identical(terms(fit), terms(base))
    expect_identical(df.residual(fit), 40 - 4 - 4.3)
    expect_identical(case.names(fit), case.names(base))
    expect_identical(variable.names(fit), variable.names(base))
    expect_identical(dim(vcov(fit)), c(4L, 4L))
  }
})

test_that("residuals are those of a glm with the same coefficients", {
  for (family in c("gaussian", "binomial", "poisson")) {
    fit <- example_fit(family)
    twin <- glm_twin(fit)
    expect_equal(residuals(fit), twin$y - fitted(twin))
    for (type in c("response", "pearson", "working")) {
      expect_equal(residuals(fit, type), residuals(twin, type))
    }
    expect_equal(fitted(fit), fitted(twin))
  }
})

test_that("Pearson residuals count the weights", {
  fit <- example_fit("poisson", weights = TRUE)
  expected <- (fit$y - fitted(fit)) * sqrt(weights(fit)) / sqrt(fitted(fit))
  expect_equal(residuals(fit, "pearson"), expected)
})

test_that("model.matrix builds new rows with levels and contrasts of the fit", {
  fit <- example_fit(contrasts = list(group = "contr.sum"))
  base <- example_glm(contrasts = list(group = "contr.sum"))
  expect_equal(model.matrix(fit), model.matrix(base))
  new <- data.frame(x = c(1, 2), group = c("c", "a"))
  expect_equal(unname(model.matrix(fit, data = new)[1, ]), c(1, 1, -1, -1))
})

test_that("update evaluates the call anew", {
  augmented_gmm <- function(formula, data, ...) example_fit(formula = formula)
  units <- NULL
  fit <- example_fit()
  smaller <- update(fit, . ~ . - group)
  expect_identical(names(coef(smaller)), c("(Intercept)", "x"))
  expect_equal(
    update(fit, evaluate = FALSE)$formula, y ~ x + group, ignore_formula_env = TRUE
  )
  expect_identical(update(fit, cluster = z, evaluate = FALSE)$cluster, quote(z))
})

test_that("there is no likelihood", {
  fit <- example_fit()
  expect_snapshot(error = TRUE, deviance(fit))
  for (nothing in list(logLik, deviance, AIC, BIC, step, drop1, extractAIC)) {
    expect_error(nothing(fit), "maximises no likelihood", class = "OptionError")
  }
})

test_that("sigma is that of lm() where all labels count alike, and else weighted", {
  fit <- example_fit()
  alone <- labels_only(fit)
  base <- lm(formula(fit), fit$model)
  expect_equal(sigma(alone), sigma(base))
  # Each label stands for as many units as its weight says.
  alone$design_weights <- rep(c(0.5, 1.5), length.out = 40)
  copies <- rep(1:40, rep(c(1, 3), length.out = 40))
  expect_equal(
    sigma(alone)^2 * (40 - 4) / 40, mean(residuals(alone)[copies]^2)
  )
  expect_error(sigma(example_fit("binomial")), "no residual", class = "OptionError")
})

test_that("labels_only is the same regression without sources", {
  for (family in c("gaussian", "binomial")) {
    fit <- example_fit(family)
    base <- example_glm(family)
    alone <- labels_only(fit)
    expect_s3_class(alone, "augmented_gmm")
    expect_equal(coef(alone), coef(base))
    expect_equal(vcov(alone), fit$labels_only$vcov)
    expect_identical(df.residual(alone), 36L)
    expect_equal(fitted(alone), fitted(base))
    expect_equal(alone$linear.predictors, base$linear.predictors)
    expect_equal(residuals(alone), residuals(base, "response"))
    expect_identical(nrow(alone$sources), 0L)
    expect_null(summary(alone)$gains)
    expect_identical(unname(alone$effective_nobs), rep(40, 4))
    expect_null(alone$call$proxy)
    expect_false(any(grepl("source|Hansen", alone$notes)))
    expect_identical(labels_only(alone), alone)
  }
})

test_that("labels_only keeps what the notes say of the labels alone", {
  notes <- c(
    paste(
      "Standard errors are asymptotic, and robust to misspecification of the model.",
      "With 40 labels for 4 coefficients and 2 sources they are likely too small, and",
      "the variance reduction too large."
    ),
    "2 units with an outcome (or declared labelled) lack another variable and count as unlabelled.",
    "Source 'draws': 3 rows with missing values are left out."
  )
  expect_identical(
    notes_on_labels(notes),
    c("Standard errors are asymptotic, and robust to misspecification of the model.", notes[2])
  )
})

test_that("labels_only takes a fit only", {
  expect_snapshot(error = TRUE, labels_only(lm(mpg ~ wt, mtcars)))
})

test_that("add1 and drop1 are refused by name", {
  fit <- example_fit()
  expect_error(add1(fit, ~ . + size), "which add1() needs", fixed = TRUE,
    class = "OptionError")
  expect_error(drop1(fit), "which drop1() needs", fixed = TRUE, class = "OptionError")
})
