many_units <- function() {
  set.seed(4)
  units <- data.frame(
    x = rnorm(500), region = rep(c("north", "south"), 250),
    row.names = sprintf("p%03d", 1:500)
  )
  units$truth <- 1 + 0.5 * units$x + rnorm(500)
  units$guess <- units$truth + 0.2 + rnorm(500, sd = 0.5)
  other <- -units$truth + rnorm(500, sd = 0.5)
  units$other_guess <- -units$guess
  units$y <- ifelse(seq_len(500) <= 120, units$truth, NA)
  units$other <- ifelse(seq_len(500) <= 120, other, NA)
  units
}

test_that("each set of labels gives the fit that has them", {
  skip_without_python()
  units <- many_units()
  fit <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"))
  later <- ifelse(seq_len(500) > 380, units$truth, NA)
  found <- many_fits(fit, data.frame(first = units$y, later = later), level = 0.9)
  expect_s3_class(found, "many_fits")
  units$y <- later
  other <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"))
  # The passes over the source start elsewhere: equal to rounding.
  expect_equal(
    found$table$estimate, unname(c(coef(fit), coef(other))), tolerance = 1e-10
  )
  expect_equal(found$vcov$later, vcov(other), tolerance = 1e-10)
  other$again$token <- "another"
  late <- many_fits(other, list(later = later), level = 0.9)
  expect_equal(late$table$estimate, unname(coef(other)), tolerance = 1e-10)
  expect_equal(
    unname(as.matrix(found$table[3:4, c("conf.low", "conf.high")])),
    unname(confint(other, level = 0.9)), tolerance = 1e-10
  )
  expect_equal(
    unname(as.matrix(found$table[3:4, c("labels.only.conf.low", "labels.only.conf.high")])),
    unname(confint(labels_only(other), level = 0.9)), tolerance = 1e-10
  )
  expect_identical(found$sets$nobs, c(120L, 120L))
  expect_identical(as.data.frame(found), found$table)
  expect_identical(nrow(glance(found)), 2L)
  expect_false("conf.low" %in% names(tidy(found, conf.int = FALSE)))
  expect_output(print(found), "Eff. labels")
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_identical(plot(found)$term, c("x", "x"))
})

test_that("rows of labels are matched by what names them", {
  skip_without_python()
  units <- many_units()
  fit <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"))
  own <- units[c(300:200, 1:50), ]
  by_row <- many_fits(fit, data.frame(a = own$truth, row.names = row.names(own)))
  by_name <- many_fits(fit, list(a = setNames(own$truth, row.names(own))))
  expect_identical(by_row$table, by_name$table)
  full <- ifelse(row.names(units) %in% row.names(own), units$truth, NA)
  expect_identical(many_fits(fit, list(a = full))$table, by_row$table)
  expect_error(many_fits(fit, list(a = c(p001 = 1, nobody = 2))), "nobody",
    class = "AlignmentError")
  expect_error(many_fits(fit, list(a = full[1:9])), "9 values", class = "AlignmentError")
  expect_error(many_fits(fit, list(a = c(p001 = 1, p001 = 2))), "labels.* two rows",
    class = "AlignmentError")
  expect_error(many_fits(fit, list(full)), "a name of its own")
  units$id <- rev(seq_len(500))
  keyed <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"), on = "id")
  shuffled <- data.frame(id = units$id, a = full)[sample(500), ]
  # Rows come in another order, and so do sums.
  expect_equal(many_fits(keyed, shuffled)$table, by_row$table, tolerance = 1e-10)
})

test_that("rows of labels in another order are found where the fit goes by ids", {
  skip_without_python()
  units <- many_units()
  row.names(units) <- NULL
  units$id <- sprintf("u%03d", seq_len(500))
  units$wave <- rep(1:2, 250)
  units$person <- 1e5 * rep(1:250, each = 2)
  key <- "id"
  fit <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"), on = key)
  expected <- many_fits(fit, list(y = units$y))$table
  order <- c(251:500, 250:1)
  same <- function(fit, labels) {
    # Sums are the same, whatever the order of labels.
    expect_equal(many_fits(fit, labels)$table, expected, tolerance = 1e-10)
  }
  same(fit, units[order, c("id", "y")])
  same(fit, units[order, "y", drop = FALSE])
  same(fit, data.frame(y = units$y, row.names = units$id)[order, , drop = FALSE])
  same(fit, units["y"])
  expect_error(
    many_fits(fit, data.frame(y = units$y, row.names = paste0("q", 1:500))),
    "row names \\('q1', 'q2', 'q3' \\.\\.\\.\\).*no column 'id'", class = "AlignmentError"
  )
  two <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"), on = c("person", "wave"))
  same(two, units[order, c("wave", "y", "person")])
  # In an order of its own, data name their rows too.
  moved <- augmented_gmm(y ~ x, units[order, ], proxy = c(y = "guess"), on = "id")
  expect_equal(
    many_fits(moved, units[order, ]["y"])$table, expected, tolerance = 1e-8
  )
})

test_that("what cannot be fitted is left out by name, or refused", {
  skip_without_python()
  units <- many_units()
  fit <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"))
  sets <- list(good = units$y, few = c(p001 = 1, p002 = 2))
  expect_warning(found <- many_fits(fit, sets), "few: .*2 labelled units")
  expect_identical(names(found$left_out), "few")
  expect_identical(unique(found$table$fit), "good")
  expect_error(many_fits(fit, sets["few"]), "None of the fits")
  expect_error(many_fits(fit), "labels is missing", class = "OptionError")
  expect_error(many_fits(fit, sets, lvl = 0.9), "lvl", class = "OptionError")
  expect_error(many_fits(1), "Give a fit", class = "OptionError")
  expect_error(many_fits(labels_only(fit), sets), "with its sources", class = "OptionError")
  light <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"), keep = FALSE)
  expect_error(many_fits(light, sets), "keep = TRUE", class = "OptionError")
  before <- units
  units$x <- units$x * 2
  expect_error(many_fits(fit, sets["good"]), "have changed")
  expect_error(many_fits(fit, sets["good"], data = units), "not those of the fit")
  expect_identical(many_fits(fit, sets["good"], data = before)$sets$nobs, 120L)
  before$size <- 2
  shifted <- augmented_gmm(y ~ x + offset(size), before, proxy = c(y = "guess"))
  expect_error(many_fits(shifted, list(a = before$truth)), "offset")
  expect_identical(many_fits(shifted, list(a = before$y))$sets$nobs, 120L)
})

test_that("formulas and groups are single calls", {
  skip_without_python()
  units <- many_units()
  proxy <- c(y = "guess", other = "other_guess")
  found <- many_fits(list(y ~ x, other ~ x), units, proxy = proxy, by = region)
  expect_identical(
    found$sets$fit, c("y, north", "y, south", "other, north", "other, south")
  )
  expect_identical(found$sets$group, rep(c("north", "south"), 2L))
  one <- augmented_gmm(
    other ~ x, units, proxy = c(other = "other_guess"), subset = region == "south"
  )
  own <- found$table[found$table$fit == "other, south", ]
  expect_identical(own$estimate, unname(coef(one)))
  expect_identical(own$std.error, unname(sqrt(diag(vcov(one)))))
  expect_identical(vcov(found$fits[["other, south"]]), found$vcov[["other, south"]])
  expect_identical(coef(eval(found$fits[["other, south"]]$call)), coef(one))
  expect_identical(many_fits(y ~ x, units, proxy = proxy["y"])$sets$fit, "y")
  part <- many_fits(y ~ x, units, proxy = proxy["y"], by = region, subset = x > -1)
  expect_identical(part$sets$fit, c("north", "south"))
  expect_identical(sum(part$sets$n_units), sum(units$x > -1))
  expect_warning(
    none <- many_fits(list(a = y ~ x, b = other ~ x), units, proxy = proxy["y"]),
    "b: No source has a column"
  )
  expect_identical(none$sets$fit, "a")
  expect_error(many_fits(y ~ x, units, proxy = c(yy = "guess")), "no formula uses")
  units$level <- factor(ifelse(units$y > 1, "high", "low"))
  units$p_high <- plogis(units$guess - 1)
  units$p_low <- 1 - units$p_high
  soft <- many_fits(
    level ~ x, units,
    proxy = list(llm = list(level = c(high = "p_high", low = "p_low"))),
    score = multinomial_logit()
  )
  expect_error(many_fits(y ~ x, units, list(llm = list(yy = "guess"))), "no formula uses")
  expect_identical(soft$sets$n_sources, 1L)
  expect_error(many_fits(list(y ~ x, 3), units), "list of formulas", class = "FormulaError")
  expect_error(
    many_fits(list(y ~ x, y ~ x), units), "named apart|named 'y ~ x'",
    class = "FormulaError"
  )
  expect_error(
    many_fits(y ~ x, units, proxy = proxy["y"], maxiter = -1), "maxiter",
    class = "OptionError"
  )
})

test_that("rows without a group or a regressor are counted", {
  skip_without_python()
  units <- many_units()
  units$region[1:3] <- NA
  expect_warning(
    found <- many_fits(y ~ x, units, c(y = "guess"), by = region), "3 rows of data.*1, 2, 3"
  )
  expect_identical(sum(found$sets$n_units), 497L)
  units$x[4:5] <- NA
  fit <- suppressWarnings(augmented_gmm(y ~ x, units, c(y = "guess")))
  again <- suppressWarnings(many_fits(fit, list(a = units$y)))
  expect_identical(again$sets$n_incomplete, 2L)
  expect_equal(again$table$estimate, unname(coef(fit)), tolerance = 1e-10)
})

test_that("factors and subsets are read as the fit reads them", {
  skip_without_python()
  units <- many_units()
  units$high <- factor(ifelse(is.na(units$y), NA, ifelse(units$y > 1, "yes", "no")))
  units$high_guess <- factor(ifelse(units$guess > 1, "yes", "no"))
  fit <- augmented_gmm(high ~ x, units, proxy = c(high = "high_guess"),
    family = binomial, subset = region == "north")
  found <- many_fits(fit, list(a = as.character(units$high), b = units$high))
  expect_equal(found$table$estimate[1:2], unname(coef(fit)), tolerance = 1e-10)
  expect_identical(found$table$estimate[1:2], found$table$estimate[3:4])
})
