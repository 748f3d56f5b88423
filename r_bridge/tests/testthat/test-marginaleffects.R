# The package itself is not among those that Debian has; its generics call these.

test_that("the four functions that marginaleffects calls agree with each other", {
  fit <- example_fit("binomial", offset = TRUE)
  new <- fit_units("binomial")[c(2, 5), ]
  expect_identical(get_coef.augmented_gmm(fit), coef(fit))
  expect_identical(get_vcov.augmented_gmm(fit), vcov(fit))
  expect_identical(get_vcov.augmented_gmm(fit, TRUE), vcov(fit))
  expect_null(get_vcov.augmented_gmm(fit, FALSE))
  expect_identical(get_vcov.augmented_gmm(fit, 2 * vcov(fit)), 2 * vcov(fit))
  expect_identical(get_vcov.augmented_gmm(fit, function(x) 3 * vcov(x)), 3 * vcov(fit))
  expect_error(get_vcov.augmented_gmm(fit, "HC3"), "robust already", class = "OptionError")
  got <- get_predict.augmented_gmm(fit, new, type = "response")
  expect_named(got, c("rowid", "estimate"))
  expect_identical(got$rowid, 1:2)
  expect_equal(got$estimate, unname(predict(fit, new, "response")))
  new$rowid <- c(7L, 9L)
  expect_identical(get_predict.augmented_gmm(fit, new, type = "link")$rowid, c(7L, 9L))
})

test_that("a changed coefficient changes predictions and nothing else of the fit", {
  fit <- example_fit("binomial")
  other <- set_coef.augmented_gmm(fit, coef(fit) + c(0, 0.1, 0, 0))
  expect_equal(predict(other) - predict(fit), 0.1 * setNames(fit$model$x, names(fit$y)))
  expect_identical(vcov(other), vcov(fit))
  expect_identical(names(coef(other)), names(coef(fit)))
})

test_that("a slope by differences is that of the delta method", {
  # What avg_slopes() does, by hand.
  fit <- example_fit("binomial")
  data <- labelled_data(fit)
  slope <- function(coefs) {
    model <- set_coef.augmented_gmm(fit, coefs)
    high <- get_predict.augmented_gmm(model, transform(data, x = x + 1e-4))
    low <- get_predict.augmented_gmm(model, transform(data, x = x - 1e-4))
    mean(high$estimate - low$estimate) / 2e-4
  }
  expected <- mean(dlogis(predict(fit))) * coef(fit)[["x"]]
  expect_equal(slope(get_coef.augmented_gmm(fit)), expected, tolerance = 1e-6)
})

test_that("marginaleffects works where it is installed", {
  skip_if_not_installed("marginaleffects")
  old <- options(marginaleffects_model_classes = "augmented_gmm")
  on.exit(options(old))
  # It has columns named group of its own, and refuses models with such a variable.
  units <- fit_units("binomial")
  names(units)[names(units) == "group"] <- "arm"
  fit <- example_fit("binomial", formula = y ~ x + arm, units = units)
  slopes <- marginaleffects::avg_slopes(fit, variables = "x")
  expect_equal(slopes$estimate, mean(dlogis(predict(fit))) * coef(fit)[["x"]],
    tolerance = 1e-4)
  exog <- model.matrix(fit)
  slope <- function(coefs) mean(dlogis(drop(exog %*% coefs))) * coefs[["x"]]
  by_hand <- vapply(seq_along(coef(fit)), function(j) {
    step <- 1e-6 * (seq_along(coef(fit)) == j)
    (slope(coef(fit) + step) - slope(coef(fit) - step)) / 2e-6
  }, 0)
  expect_equal(
    slopes$std.error, sqrt(drop(by_hand %*% vcov(fit) %*% by_hand)), tolerance = 1e-3
  )
  arms <- marginaleffects::avg_predictions(fit, by = "arm")
  expect_equal(
    arms$estimate, as.vector(tapply(fitted(fit), fit$model$arm, mean))[
      match(arms$arm, levels(units$arm))
    ]
  )
  expect_error(marginaleffects::avg_slopes(fit, vcov = "HC3"), "robust already")
})
