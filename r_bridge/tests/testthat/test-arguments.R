# Methods that R users call, by generic: each refuses an argument that it does not have.
# Methods for the generics of other packages are not among them: those pass on what they
# like.
called_by_users <- function() {
  table <- getNamespaceInfo("statsmodelssynth", "S3methods")
  own <- c(
    "augmented_gmm", "summary.augmented_gmm", "representativeness",
    "task_exchangeability", "summary.task_exchangeability", "task_coverage"
  )
  table <- table[table[, 2L] %in% own, 1:2]
  elsewhere <- c(
    "ci", "Anova", "linearHypothesis", "vcovCR", "vcovBS", "emm_basis", "recover_data",
    "get_data", "get_deviance", "get_df", "get_predicted", "get_statistic",
    "link_function", "link_inverse", "model_info", "waldtest", "get_coef", "get_vcov",
    "get_predict", "set_coef", "modelparm", "degrees_of_freedom", "r2", "bread",
    "estfun", "find_algorithm", "get_loglikelihood"
  )
  # These pass arguments on to the methods of the plan.
  elsewhere <- c(elsewhere, "expect", "labels_needed", "cheapest", "designs")
  table <- table[!(sub("^.*::", "", table[, 1L]) %in% elsewhere), , drop = FALSE]
  # Others refuse whatever they are given.
  table[!apply(table, 1L, refuses_all), , drop = FALSE]
}

refuses_all <- function(row) {
  first <- deparse(body(method_for(row)))
  any(grepl("^ *stop_(not_there|no_likelihood|no_r2)", utils::head(first, 2L)))
}

method_for <- function(row) {
  getFromNamespace(
    paste(sub("^.*::", "", row[[1L]]), row[[2L]], sep = "."), "statsmodelssynth"
  )
}

example_of <- function(class) {
  fit <- example_fit()
  switch(class,
    augmented_gmm = fit, summary.augmented_gmm = summary(fit),
    representativeness = representativeness(fit),
    # Arguments are refused before the object is looked at.
    structure(list(alpha = 0.1, coordinates = "mean"), class = class)
  )
}

test_that("no method ignores an argument that it does not have", {
  methods <- called_by_users()
  expect_gt(nrow(methods), 30)
  for (k in seq_len(nrow(methods))) {
    object <- example_of(methods[k, 2L])
    name <- paste(methods[k, ], collapse = " of ")
    expect_error(
      method_for(methods[k, ])(object, no_such_argument = 1),
      "no argument 'no_such_argument'",
      class = "OptionError", info = name
    )
  }
})

test_that("what exists is named, and typing errors are seen", {
  fit <- example_fit()
  expect_snapshot(error = TRUE, {
    confint(fit, lvl = 0.9)
    tidy(fit, conf_int = TRUE)
    plot(fit, col = 2)
    predict(fit, offset = 1)
    vcov(fit, type = "HC1")
    family(fit, 1)
    summary(fit, 3)
  })
})

test_that("what methods pass on is accepted", {
  fit <- example_fit()
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_silent(plot(fit, xlim = c(-3, 3), lab = c(3, 3, 7)))
  expect_output(print(summary(fit), signif.legend = FALSE, digits = 3), "Coefficients")
  expect_identical(nobs(fit, use.fallback = TRUE), nobs(fit))
  expect_error(tidy(fit, conf.int = NULL), "TRUE or FALSE", class = "OptionError")
  expect_error(tidy(fit, exponentiate = "no"), "TRUE or FALSE", class = "OptionError")
  expect_error(predict(fit, se.fit = 3), "TRUE or FALSE", class = "OptionError")
})

test_that("arguments of glm() that have another name here are known", {
  data <- fit_units()
  expect_snapshot(error = TRUE, {
    augmented_gmm(y ~ x, data, na.action = na.pass)
    augmented_gmm(y ~ x, data, offset = size)
    augmented_gmm(y ~ x, data, clusters = village)
    task_exchangeability(data, clusters = 1)
  })
})

test_that("names without quotes are asked for in quotes", {
  expect_error(treatment_effect(nobody), "treatment = \"nobody\"", class = "OptionError")
  expect_error(treatment_effect(~nobody), "treatment = \"nobody\"", class = "OptionError")
  chosen <- "treated"
  expect_identical(treatment_effect(chosen), treatment_effect("treated"))
})

test_that("what is needed is asked for", {
  expect_error(augmented_gmm(y ~ x), "formula and data are needed", class = "OptionError")
  expect_error(augmented_gmm(data = mtcars), "formula and data", class = "OptionError")
  expect_error(draw_labels(mtcars), "units and n are needed", class = "OptionError")
})

test_that("what differs in case only is what was meant", {
  expect_match(suggest("ppi", c("PPI", "PPI++", "RePPI")), "Did you mean 'PPI'?",
    fixed = TRUE)
})

test_that("words of Python are those of R", {
  expect_identical(
    in_r_words("Give True, or names; NaN where it is not known. use_t=False"),
    "Give TRUE, or names; NA where it is not known. use_t = FALSE"
  )
  expect_identical(
    in_r_words("belong to these units (on=): scipy.stats.binomtest(0, 30).proportion_ci()"),
    "belong to these units (on): binom.test(0, 30)$conf.int"
  )
  expect_identical(
    drawing_words("for_: there is no 'xx' (column 'strata'). pilot=result",
      c(strata = "site")),
    "terms: there is no 'xx' (column 'site'). pilot = fit"
  )
})

test_that("one value that is no number is called one", {
  expect_error(some_numbers("a", "n"), "n = \"a\" is not a number.", fixed = TRUE)
  expect_error(some_numbers(c(1, NA), "n"), "are not all numbers", class = "OptionError")
})
