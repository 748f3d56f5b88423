test_that("jtest is a test as R prints them", {
  fit <- example_fit()
  test <- jtest(fit)
  expect_s3_class(test, "htest")
  expect_identical(unname(test$statistic), fit$jtest[["statistic"]])
  expect_equal(test$p.value, pchisq(3.813, 8, lower.tail = FALSE))
  expect_snapshot(print(test))
  expect_true(is.nan(jtest(labels_only(fit))$p.value))
  expect_error(capture.output(print(jtest(labels_only(fit)))), NA)
  expect_error(jtest(1), "augmented_gmm", class = "OptionError")
})

test_that("representativeness prints a table, and is a data frame", {
  fit <- example_fit()
  table <- representativeness(fit)
  expect_s3_class(table, "data.frame")
  expect_identical(row.names(table), c("all sources", "guess", "draws"))
  expect_identical(table["guess", "p.value"], fit$representativeness["guess", "p.value"])
  expect_snapshot(print(table))
  expect_snapshot(print(representativeness(labels_only(fit))))
  expect_error(capture.output(print(table["statistic"])), NA)
  table$p.value[2] <- 1e-9
  expect_true(any(grepl("<1e-04", capture.output(print(table)))))
})
