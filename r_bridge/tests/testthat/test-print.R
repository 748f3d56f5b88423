test_that("print shows the call, the coefficients and the units", {
  expect_snapshot(print(example_fit("binomial")))
  expect_snapshot(print(example_fit(sources = FALSE)))
})

test_that("print returns its argument invisibly", {
  fit <- example_fit()
  output <- capture.output(value <- withVisible(print(fit)))
  expect_false(value$visible)
  expect_identical(value$value, fit)
  expect_true(any(nzchar(output)))
})

test_that("a fit that did not converge says so first", {
  fit <- example_fit()
  fit$converged <- FALSE
  lines <- capture.output(print(fit))
  expect_match(lines[nzchar(lines)][1], "^NOT CONVERGED")
  fit$notes <- c("NOT CONVERGED: do not use these numbers.", fit$notes)
  lines <- capture.output(print(summary(fit)))
  expect_match(lines[nzchar(lines)][1], "^NOT CONVERGED")
  expect_length(grep("NOT CONVERGED", lines), 1)
})

test_that("sources of one name in two kinds are told apart once", {
  fit <- example_fit()
  row.names(fit$sources) <- c("gpt (proxy)", "gpt (synthetic)")
  lines <- capture.output(print(fit))
  expect_true(any(grepl("sources: gpt (proxy), gpt (synthetic)", lines, fixed = TRUE)))
})
