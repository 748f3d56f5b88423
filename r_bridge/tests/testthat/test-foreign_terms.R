all <- example_units()

test_that("random effects are refused, with what there is", {
  expect_snapshot(error = TRUE, {
    design(y ~ x + (1 | g), all)
    design(y ~ (x | g) + z, all)
    design(y ~ x * (1 + x || g), all)
  })
})

test_that("a logical or within a term is R's", {
  d <- design(y ~ I(x > 0 | z > 1), all)
  expect_identical(d$labels$exog[, 2], as.numeric(all$x > 0 | all$z > 1)[1:40])
  d <- design(y ~ ifelse(x > 0 | z > 1, 2, 3), all)
  expect_identical(d$labels$exog[, 2], ifelse(all$x > 0 | all$z > 1, 2, 3)[1:40])
})

test_that("terms of other packages are refused before they mean something else", {
  cluster <- function(x) x # as in package survival
  expect_snapshot(error = TRUE, {
    design(y ~ x + cluster(g), all)
    design(y ~ s(x), all)
    design(y ~ x + lag(x), all)
    design(y ~ x:stats::lag(z, 2), all)
  })
})

test_that("a term that makes NA says why, and what to do", {
  expect_snapshot(error = TRUE, {
    design(y ~ cut(z, c(0.2, 1, 2)), all)
    design(y ~ factor(g, levels = c("a", "b")), all)
    design(y ~ sqrt(x), all[1:2, ])
  })
  covering <- design(y ~ cut(z, c(-Inf, 1, Inf)), all)
  expect_identical(covering$labels$exog[, 2], as.numeric(all$z > 1)[1:40])
})

test_that("`.` leaves out what another argument uses, also by its values", {
  data <- all[c("y", "x", "z", "w", "gy")]
  data$village <- rep_len(1:7, 80)
  expanded <- function(...) {
    colnames(design(y ~ ., data, c(y = "gy"), ...)$labels$exog)[-1L]
  }
  expect_identical(expanded(), c("x", "z", "w", "village"))
  copy <- data$w
  expect_identical(expanded(weights = w), c("x", "z", "village"))
  expect_identical(expanded(weights = copy), c("x", "z", "village"))
  expect_identical(expanded(weights = data[["w"]]), c("x", "z", "village"))
  expect_identical(expanded(weights = data[, 4]), c("x", "z", "village"))
  expect_identical(expanded(weights = 1 / w), c("x", "z", "village"))
  groups <- data$village
  expect_identical(expanded(cluster = groups), c("x", "z", "w"))
  expect_identical(expanded(cluster = data[["village"]]), c("x", "z", "w"))
  expect_identical(expanded(strata = data[[6]]), c("x", "z", "w"))
  expect_identical(expanded(labeling_prob = 0.5), c("x", "z", "w", "village"))
})
