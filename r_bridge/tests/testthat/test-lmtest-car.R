test_that("lmtest::coeftest and coefci are the summary and the intervals", {
  skip_if_not_installed("lmtest")
  for (use_t in c(TRUE, FALSE)) {
    fit <- example_fit("binomial", use_t = use_t)
    table <- lmtest::coeftest(fit)
    expect_equal(
      unclass(table), summary(fit)$coefficients, ignore_attr = c("method", "df", "nobs")
    )
    expect_equal(lmtest::coefci(fit), confint(fit))
  }
})

# Inference by the normal distribution.
normal <- function(fit) {
  fit$df.residual <- Inf
  fit
}

test_that("lmtest::waldtest compares nested fits", {
  skip_if_not_installed("lmtest")
  augmented_gmm <- function(formula, data, ...) example_fit(formula = formula)
  units <- NULL
  fit <- example_fit()
  smaller <- update(fit, . ~ . - group)
  b <- coef(fit)[3:4]
  chisq <- drop(b %*% solve(vcov(fit)[3:4, 3:4]) %*% b)
  test <- lmtest::waldtest(fit, smaller)
  expect_equal(test$F[2], chisq / 2)
  expect_equal(
    test[2, "Pr(>F)"], pf(chisq / 2, 2, fit$df.residual, lower.tail = FALSE)
  )
  expect_equal(lmtest::waldtest(smaller, fit)$F[2], chisq / 2)
  fit$df.inference <- setNames(c(30, 8, 20, 12), names(coef(fit)))
  for (test in list(lmtest::waldtest(fit, smaller), lmtest::waldtest(smaller, fit))) {
    expect_equal(test$Res.Df[2], 12)
    expect_equal(test[2, "Pr(>F)"], pf(chisq / 2, 2, 12, lower.tail = FALSE))
  }
  expect_equal(lmtest::waldtest(fit, "group")$F[2], chisq / 2)
  expect_equal(lmtest::waldtest(smaller, fit, test = "Chisq")$Chisq[2], chisq)
  expect_equal(lmtest::waldtest(normal(fit), normal(smaller))$Chisq[2], chisq)
})

test_that("car::linearHypothesis and deltaMethod use coefficients and covariance", {
  skip_if_not_installed("car")
  fit <- example_fit()
  l <- rbind(c(0, 0, 1, -1), c(0, 1, 0, 0))
  value <- l %*% coef(fit)
  chisq <- drop(t(value) %*% solve(l %*% vcov(fit) %*% t(l)) %*% value)
  hypothesis <- c("groupb = groupc", "x = 0")
  test <- car::linearHypothesis(fit, hypothesis, test = "Chisq")
  expect_equal(test$Chisq[2], chisq)
  expect_equal(car::linearHypothesis(normal(fit), hypothesis)$Chisq[2], chisq)
  expect_equal(car::linearHypothesis(fit, l, c(0, 0))$F[2], chisq / 2)
  test <- car::linearHypothesis(fit, hypothesis)
  expect_equal(test[2, "Pr(>F)"], pf(chisq / 2, 2, fit$df.residual, lower.tail = FALSE))
  b <- coef(fit)
  ratio <- car::deltaMethod(fit, "x / groupb")
  gradient <- c(1 / b[["groupb"]], -b[["x"]] / b[["groupb"]]^2)
  expect_equal(ratio$Estimate, b[["x"]] / b[["groupb"]])
  expect_equal(
    ratio$SE, sqrt(drop(gradient %*% vcov(fit)[2:3, 2:3] %*% gradient))
  )
})

test_that("car::Anova tests terms, by type 2 and 3", {
  skip_if_not_installed("car")
  fit <- example_fit("binomial")
  b <- coef(fit)[3:4]
  chisq <- drop(b %*% solve(vcov(fit)[3:4, 3:4]) %*% b)
  for (type in 2:3) {
    table <- car::Anova(fit, type = type)
    expect_equal(table["group", "F"], chisq / 2)
    expect_identical(table["group", "Df"], 2)
    expect_equal(
      table["group", "Pr(>F)"], pf(chisq / 2, 2, fit$df.residual, lower.tail = FALSE)
    )
    table <- car::Anova(fit, type = type, test.statistic = "Chisq")
    expect_equal(table["group", "Chisq"], chisq)
    expect_equal(car::Anova(normal(fit), type = type)["group", "Chisq"], chisq)
  }
})

test_that("the table of car::Anova has the degrees of freedom of its p-values", {
  skip_if_not_installed("car")
  fit <- example_fit()
  fit$df.inference <- setNames(c(30, 8, 20, 12), names(coef(fit)))
  for (type in 2:3) {
    table <- car::Anova(fit, type = type)
    expect_false("Residuals" %in% rownames(table))
    expect_identical(table[c("x", "group"), "Df.res"], c(8, 12))
    expect_equal(
      table[["Pr(>F)"]], pf(table$F, table$Df, table$Df.res, lower.tail = FALSE)
    )
  }
  expect_identical(
    car::linearHypothesis(fit, c("x = 0", "groupb = 0"))$Res.Df[2], 8
  )
})

test_that("multcomp::glht has Student's t, of whole degrees of freedom", {
  skip_if_not_installed("multcomp")
  fit <- example_fit()
  test <- summary(multcomp::glht(fit, "x = 0"))
  expect_identical(test$df, floor(fit$df.residual))
  t <- coef(fit)[["x"]] / sqrt(vcov(fit)["x", "x"])
  expect_equal(
    as.vector(test$test$pvalues), 2 * pt(-abs(t), floor(fit$df.residual)),
    tolerance = 1e-6
  )
  expect_identical(multcomp::glht(normal(fit), "x = 0")$df, 0)
})

test_that("tests that refit by least squares are refused by name", {
  skip_if_not_installed("lmtest")
  fit <- example_fit("binomial")
  for (name in c("bptest", "dwtest", "resettest", "bgtest", "gqtest", "harvtest")) {
    test <- getExportedValue("lmtest", name)
    expect_error(test(fit), sprintf("lmtest::%s() would refit", name), fixed = TRUE,
      class = "OptionError")
  }
  expect_error(model.frame(fit), NA)
  expect_error(lmtest::coeftest(fit), NA)
})
