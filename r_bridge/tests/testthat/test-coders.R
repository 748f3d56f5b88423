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

test_that("groups are columns of the units, also where coders made their labels", {
  skip_without_python()
  rows <- coded_units()
  rows$region <- ifelse(as.integer(factor(rows$id)) %% 2 == 0, "north", "south")
  rows$region[rows$coder == 1 & rows$id == "u001"] <- NA # another row has it
  fit <- augmented_gmm(y ~ x, rows, c(y = "guess"), on = "id", coder = "coder")
  first <- !duplicated(rows$id)
  by_hand <- rows[first, ]
  by_hand$y <- as.vector(tapply(rows$y, rows$id, mean)[by_hand$id])
  by_hand$region[1] <- "south"
  own <- augmented_gmm(y ~ x, by_hand, c(y = "guess"), on = "id")
  expected <- diagnostics(own, by = region)$subgroups
  expect_identical(expected$labelled, c(50L, 50L))
  # Means of codes are sums in another order.
  expect_equal(diagnostics(fit, by = region)$subgroups, expected, tolerance = 1e-12)
  expect_equal(diagnostics(fit, by = "region")$subgroups, expected, tolerance = 1e-12)
  expect_equal(
    diagnostics(fit, by = by_hand$region)$subgroups[-1], expected[-1], tolerance = 1e-12
  )
  for (name in c("coder", "sure")) {
    expect_error(diagnostics(fit, by = name), "several values for one unit")
  }
  expect_error(diagnostics(fit, by = "regoin"), "Did you mean 'region'")
  part <- augmented_gmm(
    y ~ x, rows, c(y = "guess"), on = "id", coder = "coder", subset = x > -1
  )
  expect_identical(
    sum(diagnostics(part, by = region)$subgroups$labelled), nobs(part)
  )
  # Sets of labels have a row for each unit.
  sets <- many_fits(fit, list(a = by_hand$y))
  expect_equal(sets$table$estimate, unname(coef(own)), tolerance = 1e-10)
})

test_that("columns keep their classes where rows of coders become one", {
  skip_without_python()
  rows <- coded_units()
  rows$many <- I(lapply(seq_len(nrow(rows)), identity))
  rows$both <- cbind(a = rows$x, b = rows$guess)
  rows$words <- factor(ifelse(rows$x > 0, "b", "a"), levels = c("b", "a", "c"))
  data <- one_row_per_unit(
    rows, "coder", NULL, "id", list(), formula_parts(y ~ x), list(), list()
  )$data
  expect_identical(nrow(data), 300L)
  expect_s3_class(data$day, "Date")
  expect_identical(levels(data$words), c("b", "a", "c"))
  expect_identical(dim(data$both), c(300L, 2L))
  expect_identical(data$x, rows$x[!duplicated(rows$id)])
  expect_false(any(c("coder", "sure") %in% names(data)))
})
