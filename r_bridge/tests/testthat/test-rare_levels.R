rare_units <- function() {
  units <- example_units()
  units$g[50:53] <- "far"
  units$gg <- NULL
  units
}

test_that("levels without labels are refused, and the refusal names the argument", {
  units <- rare_units()
  expect_error(
    design(y ~ x + g, units, proxy = c(y = "gy")), "rare_levels = \"drop\" or \"lump\"",
    class = "FormulaError"
  )
  expect_error(
    design(y ~ x + g, units, proxy = c(y = "gy"), rare_levels = "drop",
      missing = "raise"),
    "rare_levels = \"drop\" leaves", class = "OptionError"
  )
})

test_that("they are left out or merged as by hand, with a warning", {
  units <- rare_units()
  for (kind in c("text", "factor")) {
    data <- units
    if (kind == "factor") data$g <- factor(data$g, c("b", "a", "c", "far"))
    draws <- data.frame(id = rep(units$id, 2), y = rnorm(160), g = rep(units$g, 2))
    draws$g[c(1, 90)] <- "odd"
    for (how in c("drop", "lump")) {
      # Of the 40 labels 'b' and 'c' have 10 each.
      value <- if (how == "drop") NA else "b"
      by_hand <- function(x) {
        x <- as.character(x)
        x[x %in% c("far", "odd")] <- value
        if (kind == "factor") factor(x, c("b", "a", "c")) else x
      }
      expect_warning(
        found <- design(
          y ~ x + g, data, c(y = "gy"), list(agents = draws), on = "id",
          rare_levels = how
        ),
        "'far', 'odd', which no labelled unit has (4 units of data, ", fixed = TRUE,
        class = "RareLevelWarning"
      )
      expected <- design(
        y ~ x + g, transform(data, g = by_hand(g)), c(y = "gy"),
        list(agents = transform(draws, g = by_hand(g))), on = "id"
      )
      same <- setdiff(names(design_numbers(found)), c("labels", "xlevels"))
      expect_equal(design_numbers(found)[same], design_numbers(expected)[same])
      expect_equal(found$labels, expected$labels)
      expect_identical(found$eligible, expected$eligible)
    }
  }
})

test_that("numbers are levels within factor()", {
  units <- rare_units()
  units$g <- match(units$g, c("a", "b", "c", "far"))
  expect_warning(
    found <- design(y ~ x + factor(g), units, c(y = "gy"), rare_levels = "drop"),
    "4, which no labelled unit has (4 units of data)", fixed = TRUE
  )
  expect_identical(
    colnames(found$labels$exog), c("(Intercept)", "x", "factor(g)2", "factor(g)3")
  )
})
