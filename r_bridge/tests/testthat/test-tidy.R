test_that("tidy gives the coefficients", {
  fit <- example_fit("binomial")
  table <- tidy(fit)
  expect_named(table, c("term", "estimate", "std.error", "statistic", "p.value"))
  expect_identical(table$term, names(coef(fit)))
  expect_equal(
    unname(as.matrix(table[-1])), unname(summary(fit)$coefficients)
  )
})

test_that("tidy adds intervals and exponentiates estimates and intervals alone", {
  fit <- example_fit("binomial")
  plain <- tidy(fit, conf.int = TRUE, conf.level = 0.9)
  expect_equal(plain$conf.low, unname(confint(fit, level = 0.9)[, 1]))
  expect_equal(plain$conf.high, unname(confint(fit, level = 0.9)[, 2]))
  ratio <- tidy(fit, conf.int = TRUE, conf.level = 0.9, exponentiate = TRUE)
  expect_equal(ratio$estimate, exp(plain$estimate))
  expect_equal(ratio$conf.low, exp(plain$conf.low))
  expect_equal(ratio$std.error, plain$std.error)
})

test_that("glance is one row", {
  fit <- example_fit()
  row <- glance(fit)
  expect_identical(nrow(row), 1L)
  expect_identical(row$nobs, 40L)
  expect_identical(row$n_units, 120L)
  expect_identical(row$n_sources, 2L)
  expect_identical(row$j.p.value, fit$jtest[["p.value"]])
  expect_true(row$converged)
  expect_true(is.na(glance(labels_only(fit))$j.statistic))
  expect_named(glance(labels_only(fit)), names(row))
})

test_that("augment adds fitted values, residuals and standard errors", {
  fit <- example_fit("binomial")
  rows <- augment(fit)
  predicted <- predict(fit, type = "response", se.fit = TRUE)
  expect_named(rows, c(".rownames", "y", "x", "group", ".fitted", ".resid", ".se.fit"))
  expect_identical(rows$.rownames, names(fit$y))
  expect_equal(rows$.fitted, unname(predicted$fit))
  expect_equal(rows$.se.fit, unname(predicted$se.fit))
  expect_equal(rows$.resid, unname(residuals(fit)))
  link <- augment(fit, type.predict = "link")
  expect_equal(link$.fitted, unname(predict(fit)))
  units <- fit_units("binomial")
  labelled <- units[!is.na(units$y), ]
  expect_identical(augment(fit, data = labelled)$village, labelled$village)
  expect_error(augment(fit, data = units), "40 labelled units", class = "DataError")
})

test_that("augment takes new rows", {
  fit <- example_fit()
  new <- data.frame(x = c(1, NA), group = c("a", "b"))
  rows <- augment(fit, newdata = new)
  expect_named(rows, c("x", "group", ".fitted", ".se.fit"))
  expect_equal(rows$.fitted, unname(predict(fit, new)))
})

test_that("transformed variables survive in augment", {
  fit <- example_fit(formula = y ~ poly(x, 2) + log(size))
  rows <- augment(fit)
  expect_identical(nrow(rows), 40L)
  expect_identical(dim(rows[["poly(x, 2)"]]), c(40L, 2L))
})

test_that("tidiers give tibbles where tibble is installed", {
  skip_if_not_installed("tibble")
  expect_s3_class(tidy(example_fit()), "tbl_df")
  expect_s3_class(glance(example_fit()), "tbl_df")
  expect_s3_class(augment(example_fit()), "tbl_df")
})

test_that("broom finds the methods", {
  skip_if_not_installed("broom")
  expect_identical(broom::tidy(example_fit()), tidy(example_fit()))
  expect_identical(broom::glance(example_fit()), glance(example_fit()))
})
