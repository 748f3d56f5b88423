coded_units <- function() {
  set.seed(6)
  units <- data.frame(id = sprintf("u%03d", 1:300), x = rnorm(300))
  truth <- 1 + 0.5 * units$x + rnorm(300)
  units$guess <- truth + rnorm(300, sd = 0.5)
  units$day <- as.Date("2024-01-01") + 1:300
  rows <- units[rep(1:300, ifelse(1:300 <= 100, 3, 1)), ]
  row.names(rows) <- NULL
  rows$coder <- ave(seq_len(nrow(rows)), rows$id, FUN = seq_along)
  unit <- match(rows$id, units$id)
  coded <- unit <= 100
  rows$y <- ifelse(coded, truth[unit] + rnorm(nrow(rows), sd = 0.4), NA)
  rows$high <- factor(ifelse(rows$y > 1, "yes", "no"))
  rows$high_guess <- factor(ifelse(rows$guess > 1, "yes", "no"))
  rows$sure <- ifelse(coded, rows$coder %% 2 == 0, NA)
  rows
}

test_that("codes become labels: means, or what most say", {
  skip_without_python()
  rows <- coded_units()
  fit <- augmented_gmm(y ~ x, rows, c(y = "guess"), on = "id", coder = "coder")
  first <- !duplicated(rows$id)
  by_hand <- rows[first, ]
  by_hand$y <- as.vector(tapply(rows$y, rows$id, mean)[by_hand$id])
  own <- augmented_gmm(y ~ x, by_hand, c(y = "guess"), on = "id")
  # Sums of three in another order.
  expect_equal(coef(fit), coef(own), tolerance = 1e-12)
  expect_identical(coder_agreement(fit)$label, "mean")
  expect_match(fit$notes, "Several coders", all = FALSE)
  votes <- augmented_gmm(
    high ~ x, rows, c(high = "high_guess"), family = binomial, on = "id", coder = "coder"
  )
  most <- tapply(rows$high == "yes", rows$id, mean)[by_hand$id] > 0.5
  by_hand$high <- factor(ifelse(most, "yes", "no"))
  own <- augmented_gmm(
    high ~ x, by_hand, c(high = "high_guess"), family = binomial, on = "id"
  )
  expect_identical(coef(votes), coef(own))
  expect_identical(coder_agreement(votes)$several, 100L)
  # As from a file, by a session that has not fitted it.
  fit$again$token <- "another"
  expect_identical(
    compare(fit, "labels only")$table$estimate, unname(fit$labels_only$coefficients)
  )
})

test_that("what coders cannot differ on, and what is missing, is said", {
  skip_without_python()
  rows <- coded_units()
  call <- function(..., data = rows, on = "id", coder = "coder") {
    augmented_gmm(y ~ x, data, c(y = "guess"), ..., on = on, coder = coder)
  }
  expect_error(call(on = NULL), "coder needs ids")
  expect_error(call(coder = "codr"), "Did you mean 'coder'")
  expect_error(call(coding = "median"), "median", class = "OptionError")
  expect_error(call(coding = 1), "c\\(y = \"majority\"\\)", class = "OptionError")
  expect_error(call(coder = NULL, coding = "mean"), "coding says", class = "OptionError")
  rows$x <- rows$x + rows$coder
  expect_error(call(), "coding = c\\(x = \"majority\"\\)", class = "OptionError")
  rows <- coded_units()
  expect_error(call(strata = sure), "strata.*names 'sure'")
  expect_error(
    coder_agreement(augmented_gmm(y ~ x, rows[!duplicated(rows$id), ])), "one row of data",
    class = "OptionError"
  )
  rows <- coded_units()
  twice <- rbind(rows[1:3, ], rows[3, ], rows[-(1:3), ])
  # Rows are numbered as R numbers them.
  expect_error(call(data = twice), "several rows of one unit and coder.* \\(4\\)")
  expect_error(
    call(weights = seq_len(nrow(rows))), "weights has a value for each row of data"
  )
})
