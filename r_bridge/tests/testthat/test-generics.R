# What packages have for glm and lm works on a fit, or is refused by name: never an
# answer from components that it does not have.

with_arguments <- list(
  linearHypothesis = list("x = 0"),
  deltaMethod = list("x^2")
)
# They take other arguments than a fit, and are tested where these are at hand.
tested_elsewhere <- c(
  "emm_basis", "recover_data", "waldtest", "as.data.frame", "simulate", "print"
)
answers <- list(
  stats = c(
    "anova", "case.names", "confint", "family", "formula", "labels", "model.frame",
    "model.matrix", "nobs", "plot", "predict", "residuals", "sigma", "summary",
    "variable.names", "vcov", "weights"
  ),
  broom = c("augment", "glance", "tidy"),
  insight = c(
    "find_algorithm", "get_call", "get_predicted", "link_function", "link_inverse",
    "n_obs"
  ),
  sandwich = c("bread", "estfun"),
  car = c(
    "Anova", "brief", "confidenceEllipse", "Confint", "deltaMethod",
    "linearHypothesis", "Predict", "sigmaHat", "vif"
  ),
  lmtest = c("coefci", "coeftest"),
  performance = "r2",
  parameters = c("ci", "equivalence_test", "model_parameters", "p_value"),
  bayestestR = c("ci", "equivalence_test", "sexit_thresholds")
)

for (package in names(answers)) {
  test_that(sprintf("generics of %s answer, or are refused by name", package), {
    skip_if_not_installed(package)
    suppressMessages(loadNamespace(package))
    grDevices::pdf(NULL)
    on.exit(grDevices::dev.off())
    fit <- example_fit()
    known <- setdiff(generics_of_glm(package), tested_elsewhere)
    for (name in known) {
      more <- with_arguments[[name]]
      utils::capture.output(
        said <- do.call(answer_of, c(list(package, name, fit), more))
      )
      if (said == "no function") {
        next # of a class such as summary.lm, or of a package that is not there
      }
      expected <- if (name %in% answers[[package]]) "value" else "refused"
      expect_identical(said, expected, info = paste0(package, "::", name, "()"))
    }
  })
}

test_that("anova() has Wald tests of terms, and of nested fits", {
  fit <- example_fit()
  table <- anova(fit)
  expect_identical(row.names(table), c("x", "group"))
  beta <- coef(fit)[3:4]
  chisq <- drop(beta %*% solve(vcov(fit)[3:4, 3:4], beta))
  expect_equal(table["group", "F"], chisq / 2)
  expect_equal(
    table["group", "Pr(>F)"],
    pf(chisq / 2, 2, df.residual(fit), lower.tail = FALSE)
  )
  expect_equal(anova(fit, test = "Chisq")["group", "Chisq"], chisq)
  smaller <- example_fit(formula = y ~ x)
  pair <- anova(smaller, fit)
  expect_equal(pair[2, "F"], chisq / 2)
  expect_equal(anova(fit, smaller)[2, "F"], chisq / 2)
  expect_output(print(pair), "Model 1: y ~ x")
  expect_error(anova(fit, fit), "not nested", class = "OptionError")
  other <- example_fit("binomial", formula = y ~ x)
  expect_error(anova(other, fit), "same labels", class = "DataError")
  expect_error(anova(fit, tst = "F"), "no argument 'tst'", class = "OptionError")
})

test_that("figures of ggplot2 draw what plot() draws", {
  skip_if_not_installed("ggplot2")
  figure <- ggplot2::autoplot(example_fit())
  expect_s3_class(figure, "ggplot")
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_silent(print(figure))
  expect_error(ggplot2::autoplot(example_fit(), lvl = 1), class = "OptionError")
})

test_that("subset leaves units out of data and of sources, as if they never were", {
  units <- example_units()
  units$gy[5] <- NA
  guesses <- data.frame(id = rep(units$id, 2), y = rnorm(160))
  kept <- units$x > -1
  for (on in list(NULL, "id")) {
    proxy <- if (is.null(on)) units["gy"] else guesses
    names(proxy)[names(proxy) == "gy"] <- "y"
    less <- if (is.null(on)) proxy[kept, , drop = FALSE] else proxy[rep(kept, 2), ]
    row.names(less) <- NULL
    whole <- units
    alone <- units[kept, ]
    row.names(alone) <- NULL
    one <- build_design(
      y ~ x + g, whole, proxy, on = on, weights = capture(quote(w), environment()),
      subset = capture(quote(x > -1), environment())
    )
    other <- build_design(
      y ~ x + g, alone, less, on = on, weights = capture(quote(w), environment())
    )
    same <- setdiff(names(design_numbers(one)), "units")
    expect_equal(design_numbers(one)[same], design_numbers(other)[same])
    if (!is.null(on)) expect_identical(one$units, other$units)
  }
  expect_error(augmented_gmm(y ~ x, units, subset = 1:3 / 2), "subset is")
  expect_error(augmented_gmm(y ~ x, units, subset = x > 99), "choose rows")
  expect_error(augmented_gmm(y ~ x, units, subset = xx > 1), "neither a column")
})

test_that("na.action means what it means to glm()", {
  expect_identical(as_missing("drop", stats::na.omit), "drop")
  expect_identical(as_missing("drop", "na.exclude"), "drop")
  expect_identical(as_missing("drop", na.fail), "raise")
  expect_identical(as_missing(c("drop", "raise"), NULL), "drop")
  expect_error(as_missing("drop", stats::na.pass), "na.action", class = "OptionError")
})
