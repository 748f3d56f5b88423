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

test_that("print and summary say which estimator it is", {
  said <- function(fit) {
    lines <- list(capture.output(print(fit)), capture.output(print(summary(fit))))
    vapply(lines, function(x) {
      text <- gsub(" +", " ", paste(x, collapse = " "))
      sub("^.*Method: (.*?)(Coefficients.*)?$", "\\1", text, perl = TRUE)
    }, "")
  }
  fit <- example_fit()
  default <- "^GMM-Synth, few-label default.*\\(use_correction = FALSE gives .* Byun et al"
  expect_match(said(fit), default)
  expect_match(said(example_fit(cluster = TRUE)), default)
  fit$steps <- 1L
  fit$method <- "GMM-Synth, one-step"
  expect_match(said(fit), "^GMM-Synth, one-step.*estimate of the labels only")
  expect_false(any(grepl("Byun", said(fit))))
  fit$steps <- 2L
  fit$method <- "GMM-Synth, Byun et al. (2025)"
  fit$use_correction <- FALSE
  expect_match(said(fit), "^GMM-Synth, Byun et al. \\(2025\\)")
  expect_false(any(grepl("use_correction", said(fit))))
  fit$steps <- "cue"
  fit$method <- "GMM-Synth, continuously updated"
  expect_match(said(fit), "continuously updated")
  expect_match(said(labels_only(fit))[2], "^Labels only")
})
