test_that("insight finds statistic, degrees of freedom and covariance", {
  skip_if_not_installed("insight")
  fit <- example_fit("binomial")
  statistic <- insight::get_statistic(fit)
  expect_identical(attr(statistic, "statistic"), "t-statistic")
  expect_equal(statistic$Statistic, unname(summary(fit)$coefficients[, 3]))
  normal <- insight::get_statistic(example_fit(use_t = FALSE))
  expect_identical(attr(normal, "statistic"), "z-statistic")
  expect_identical(insight::get_df(fit), fit$df.residual)
  expect_identical(insight::get_df(fit, "normal"), Inf)
  expect_equal(insight::get_varcov(fit), vcov(fit))
})

test_that("insight finds formula, variables, data, family and link", {
  skip_if_not_installed("insight")
  fit <- example_fit("binomial")
  expect_identical(insight::find_response(fit), "y")
  expect_identical(insight::find_predictors(fit)$conditional, c("x", "group"))
  expect_identical(insight::n_obs(fit), 40L)
  expect_identical(insight::get_data(fit), fit$model[c("y", "x", "group")])
  expect_equal(insight::get_response(fit), unname(fit$y))
  expect_identical(insight::link_inverse(fit)(0.3), plogis(0.3))
  expect_identical(insight::link_function(fit)(0.3), qlogis(0.3))
  info <- insight::model_info(fit)
  expect_true(info$is_binomial && info$is_logit && info$is_bernoulli)
  expect_true(insight::model_info(example_fit("poisson"))$is_count)
  expect_true(insight::model_info(example_fit())$is_linear)
})

test_that("data behind a transformation are those of the labelled rows", {
  units <- fit_units()
  formula <- y ~ poly(x, 2) + log(size)
  fit <- example_fit(formula = formula, units = units)
  labelled <- units[!is.na(units$y), ]
  expect_identical(labelled_data(fit), labelled[c("y", "x", "size")])
})

test_that("data that changed since the fit are refused", {
  units <- fit_units()
  fit <- example_fit(formula = y ~ poly(x, 2), units = units)
  units$x <- rev(units$x)
  expect_snapshot(error = TRUE, labelled_data(fit))
  rm(units)
  expect_error(labelled_data(fit), "no longer has the data", class = "DataError")
})

test_that("parameters::model_parameters is the summary", {
  skip_if_not_installed("parameters")
  skip_if_not_installed("bayestestR")
  for (use_t in c(TRUE, FALSE)) {
    fit <- example_fit("binomial", use_t = use_t)
    table <- parameters::model_parameters(fit, ci = 0.9)
    expect_equal(table$Coefficient, unname(coef(fit)))
    expect_equal(table$SE, unname(sqrt(diag(vcov(fit)))))
    expect_equal(table$p, unname(summary(fit)$coefficients[, 4]))
    expect_equal(table$CI_low, unname(confint(fit, level = 0.9)[, 1]))
    expect_equal(table[[if (use_t) "t" else "z"]], unname(summary(fit)$coefficients[, 3]))
  }
  ratio <- parameters::model_parameters(fit, exponentiate = TRUE)
  expect_equal(ratio$Coefficient, unname(exp(coef(fit))))
})

test_that("insight::get_predicted are the fitted means, with intervals", {
  skip_if_not_installed("insight")
  fit <- example_fit("binomial")
  expect_equal(as.numeric(insight::get_predicted(fit)), unname(fitted(fit)))
  table <- as.data.frame(insight::get_predicted(fit, ci = 0.9))
  interval <- predict(fit, type = "response", interval = "confidence", level = 0.9)
  expect_equal(table$CI_low, unname(interval[, "lwr"]))
  expect_equal(table$CI_high, unname(interval[, "upr"]))
  new <- fit_units("binomial")[1:3, ]
  expect_equal(
    as.numeric(insight::get_predicted(fit, data = new, predict = "link")),
    unname(predict(fit, new))
  )
  expect_error(
    insight::get_predicted(fit, predict = "prediction"), "does not exist",
    class = "OptionError"
  )
  expect_error(insight::get_deviance(fit), "no likelihood", class = "OptionError")
})

test_that("performance::r2 is that of lm() for labels alone, and else weighted", {
  skip_if_not_installed("performance")
  alone <- labels_only(example_fit())
  base <- lm(formula(alone), alone$model)
  expect_equal(unname(performance::r2(alone)$R2), summary(base)$r.squared)
  expect_output(print(performance::r2(alone)), "labelled units: 0[.]")
  # Each label stands for as many units as its weight says.
  alone$weights <- rep(c(1, 3), length.out = 40)
  copies <- rep(1:40, alone$weights)
  y <- alone$y[copies]
  expect_equal(
    unname(performance::r2(alone)$R2),
    1 - sum(residuals(alone)[copies]^2) / sum((y - mean(y))^2)
  )
})

test_that("R2 says what it is, and others are refused by name", {
  skip_if_not_installed("performance")
  fit <- example_fit("binomial")
  r2 <- performance::r2(fit)
  expect_output(print(r2), "Variance explained among the labelled units")
  expect_equal(r2$R2[[1]], 1 - sum(fit$residuals^2) / sum((fit$y - mean(fit$y))^2))
  for (name in c("r2_tjur", "r2_mcfadden", "r2_nagelkerke", "r2_coxsnell")) {
    measure <- getExportedValue("performance", name)
    expect_error(measure(fit), sprintf("There is no %s() of this fit", name),
      fixed = TRUE, class = "OptionError")
  }
  expect_error(predict(fit, re.form = NULL), "no argument 're.form'", fixed = TRUE)
})
