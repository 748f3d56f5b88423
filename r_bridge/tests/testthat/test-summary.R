test_that("the table of coefficients is that of estimates, errors and Student's t", {
  fit <- example_fit()
  table <- summary(fit)$coefficients
  error <- sqrt(diag(fit$vcov))
  expect_identical(
    colnames(table), c("Estimate", "Std. Error", "t value", "Pr(>|t|)")
  )
  expect_identical(rownames(table), names(coef(fit)))
  expect_equal(table[, 1], coef(fit))
  expect_equal(table[, 2], error)
  expect_equal(table[, 3], coef(fit) / error)
  expect_equal(table[, 4], 2 * pt(-abs(coef(fit) / error), fit$df.residual))
})

test_that("without Student's t the normal distribution is used and named", {
  fit <- example_fit(use_t = FALSE)
  table <- summary(fit)$coefficients
  z <- coef(fit) / sqrt(diag(vcov(fit)))
  expect_identical(
    colnames(table), c("Estimate", "Std. Error", "z value", "Pr(>|z|)")
  )
  expect_equal(table[, 4], 2 * pnorm(-abs(z)))
  expect_match(
    paste(capture.output(summary(fit)), collapse = "\n"), "Normal distribution"
  )
})

test_that("degrees of freedom by coefficient are printed, from the fewest to the most", {
  fit <- example_fit()
  fit$df.residual <- 80
  fit$df.inference <- setNames(c(79, 19.3, 80, 75), names(coef(fit)))
  shown <- function(fit) paste(capture.output(summary(fit)), collapse = " ")
  expect_match(shown(fit), "Student's t with 19.3 to 80.0 degrees", fixed = TRUE)
  fit$df.inference[] <- 79
  expect_match(shown(fit), "Student's t with 80.0 degrees", fixed = TRUE)
})

test_that("the gains are those of the object", {
  fit <- example_fit("poisson")
  gains <- summary(fit)$gains
  expect_identical(dim(gains), c(4L, 4L))
  expect_equal(gains[, 1], fit$labels_only$coefficients)
  expect_equal(gains[, 2], sqrt(diag(fit$labels_only$vcov)))
  expect_equal(gains[, 3], 1 - diag(vcov(fit)) / diag(fit$labels_only$vcov))
  expect_equal(gains[, 4], nobs(fit) / (1 - gains[, 3]))
})

test_that("the printed summary shows coefficients, gains, sources, J and notes", {
  expect_snapshot(print(summary(example_fit("binomial"))))
  expect_snapshot(print(summary(example_fit("gaussian", sources = FALSE))))
  expect_snapshot(print(summary(example_fit("poisson", offset = TRUE, use_t = FALSE))))
  expect_snapshot(print(summary(example_fit(cluster = TRUE)), signif.stars = FALSE))
})

test_that("without sources the tables about them are absent", {
  output <- capture.output(print(summary(example_fit(sources = FALSE))))
  expect_null(summary(example_fit(sources = FALSE))$gains)
  expect_false(any(grepl("Sources|bought|Hansen", output)))
})

test_that("nothing is wider than 80 columns, nor than a narrow window", {
  fit <- example_fit("binomial")
  expect_lte(max(nchar(capture.output(print(summary(fit))))), 80)
  withr_width <- options(width = 60)
  on.exit(options(withr_width))
  notes <- capture.output(print_notes(fit$notes))
  expect_lte(max(nchar(notes)), 60)
})

test_that("numbers that are not there do not stop the printing", {
  fit <- example_fit()
  fit$converged <- FALSE
  fit$vcov[] <- NaN
  fit$jtest[] <- c(NaN, NaN, 0)
  fit$variance_reduction[] <- fit$effective_nobs[] <- NaN
  expect_silent(output <- capture.output(print(summary(fit))))
  expect_match(paste(output, collapse = "\n"), "NaN")
})
