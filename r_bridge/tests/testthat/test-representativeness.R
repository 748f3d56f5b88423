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

test_that("with clusters the test names Hotelling's T-squared and both df", {
  fit <- example_fit(cluster = TRUE)
  # J with a variance of 19 degrees of freedom on 8 restrictions: Hotelling (1931).
  f <- 3.813 / 19 * (19 - 8 + 1) / 8
  fit$jtest[["p.value"]] <- pf(f, 8, 12, lower.tail = FALSE)
  test <- jtest(fit)
  expect_equal(test$statistic, c(F = f))
  expect_equal(test$parameter, c("num df" = 8, "denom df" = 12))
  expect_equal(test$estimate, c("Hansen's J" = 3.813))
  expect_snapshot({
    print(test)
    cat(j_line(fit, 4))
    print(representativeness(fit))
  })
  table <- representativeness(fit)
  expect_equal(table$f, table$statistic / 19 * (20 - table$df) / table$df)
  expect_equal(table$df2, 20 - table$df)
  row <- glance(fit)
  expect_equal(pf(row$j.f, row$j.df, row$j.df2, lower.tail = FALSE), row$j.p.value)
  row <- glance(example_fit())
  expect_identical(row$j.df2, Inf)
  expect_equal(pf(row$j.f, row$j.df, row$j.df2, lower.tail = FALSE), row$j.p.value)
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

test_that("what a source adds has its reference too", {
  table <- representativeness(example_fit())
  added <- table[-1, ]
  expect_equal(added$c.p.value,
    pf(added$c.f, added$c.df, added$c.df2, lower.tail = FALSE))
  expect_true(all(is.na(unlist(table[1, c("c.f", "c.df", "c.df2")]))))
  fit <- example_fit(cluster = TRUE)
  fit$c_reference <- data.frame(
    c.f = c(NaN, 0.4, 0.3), c.df = c(NaN, 4, 4), c.df2 = c(NaN, 12, 12)
  )
  expect_identical(representativeness(fit)$c.f, c(NaN, 0.4, 0.3))
})
