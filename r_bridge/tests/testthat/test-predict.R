test_that("predictions are those of a glm with the same coefficients", {
  for (family in c("gaussian", "binomial", "poisson")) {
    for (offset in c(FALSE, TRUE)) {
      fit <- example_fit(family, offset = offset)
      twin <- glm_twin(fit)
      new <- fit_units(family)[c(2, 5, 9, 1), ]
      for (type in c("link", "response")) {
        expect_equal(predict(fit, type = type), predict(twin, type = type))
        expect_equal(predict(fit, new, type), predict(twin, new, type))
      }
    }
  }
})

test_that("standard errors are those of the delta method", {
  fit <- example_fit("binomial", offset = TRUE)
  new <- fit_units("binomial")[c(2, 5, 9), ]
  x <- cbind(1, new$x, new$group == "b", new$group == "c")
  error <- sqrt(diag(x %*% vcov(fit) %*% t(x)))
  eta <- drop(x %*% coef(fit)) + log(new$size)
  link <- predict(fit, new, se.fit = TRUE)
  expect_named(link, c("fit", "se.fit", "df"))
  expect_identical(link$df, setNames(rep(fit$df.residual, 3), row.names(new)))
  few <- fit
  few$df.inference <- setNames(c(30, 8, 20, 12), names(coef(fit)))
  new$x <- c(0, 0, 1)
  own <- predict(few, new, se.fit = TRUE, interval = "confidence")
  expect_identical(unname(own$df), c(30, 20, 12)[match(new$group, c("a", "b", "c"))] |>
    pmin(ifelse(new$x == 0, Inf, 8)))
  expect_equal(
    unname(own$fit[, "upr"] - own$fit[, "fit"]), qt(0.975, unname(own$df)) * unname(own$se.fit)
  )
  new <- fit_units("binomial")[c(2, 5, 9), ]
  expect_equal(link$se.fit, setNames(error, row.names(new)))
  response <- predict(fit, new, "response", se.fit = TRUE)
  expect_equal(unname(response$fit), plogis(eta))
  expect_equal(unname(response$se.fit), error * dlogis(eta))
  own <- predict(fit, se.fit = TRUE)
  expect_equal(own, predict(fit, fit_units("binomial")[names(fit$y), ], se.fit = TRUE))
})

test_that("bases, levels and contrasts are carried", {
  skip_if_not_installed("splines")
  k <- 3
  formulas <- list(
    y ~ poly(x, 2) + group, y ~ splines::ns(x, df = k), y ~ scale(x) * group,
    y ~ factor(group) + I(x^2), y ~ 0 + group + x, y ~ log(size), y ~ 1,
    y ~ x + offset(log(size)), y ~ I(x > 0) + group
  )
  new <- fit_units()[c(7, 3, 8, 11), ]
  for (formula in formulas) {
    fit <- example_fit(formula = formula)
    expect_equal(predict(fit, new), predict(glm_twin(fit), new))
    expect_equal(predict(fit, new[2, ]), predict(glm_twin(fit), new[2, ]))
  }
})

test_that("names with spaces and letters beyond ASCII work", {
  units <- fit_units()
  name <- "l\u00e4nge x"
  units[[name]] <- units$x
  formula <- eval(bquote(y ~ .(as.name(name)) + group))
  fit <- example_fit(formula = formula, units = units)
  plain <- example_fit()
  expect_equal(unname(predict(fit, units)), unname(predict(plain, units)))
})

test_that("rows that lack a variable are NA, with every kind of term", {
  new <- fit_units()[1:4, ]
  new$x[2] <- NA
  new$group[3] <- NA
  for (formula in list(y ~ x + group, y ~ poly(x, 2) + group)) {
    got <- predict(example_fit(formula = formula), new, se.fit = TRUE)
    expect_identical(unname(is.na(got$fit)), c(FALSE, TRUE, TRUE, FALSE))
    expect_identical(is.na(got$se.fit), is.na(got$fit))
  }
  expect_identical(unname(predict(example_fit(), new[2, ])), NA_real_)
  expect_length(predict(example_fit(), new[0, ]), 0)
})

test_that("tibbles, data tables and lists are taken as data frames", {
  fit <- example_fit()
  new <- fit_units()[2:4, ]
  expected <- unname(predict(fit, new))
  expect_identical(unname(predict(fit, as.list(new))), expected)
  if (requireNamespace("tibble", quietly = TRUE)) {
    expect_identical(unname(predict(fit, tibble::as_tibble(new))), expected)
  }
  if (requireNamespace("data.table", quietly = TRUE)) {
    expect_identical(unname(predict(fit, data.table::as.data.table(new))), expected)
  }
})

test_that("text stands for levels, whatever its order", {
  fit <- example_fit()
  new <- data.frame(x = 1, group = factor(c("c", "b"), levels = c("c", "b")))
  expect_identical(
    predict(fit, new), predict(fit, transform(new, group = as.character(group)))
  )
})

test_that("what is missing or new is named", {
  fit <- example_fit()
  new <- fit_units()[1:4, ]
  expect_snapshot(error = TRUE, {
    predict(fit, new["x"])
    predict(fit, new["y"])
    predict(fit, transform(new, x = c(NA, 1, 2, 3), group = c("a", "d", "b", "e")))
    predict(fit, transform(new, x = as.character(x)))
    predict(example_fit(formula = y ~ log(size)), transform(new, size = "a"))
    predict(fit, 1:3)
    predict(fit, cbind(new, new))
    predict(fit, new, type = "terms")
  })
})

test_that("a variable of the workspace is never taken for a column", {
  # Of the lengths that model.frame() would accept, or would recycle.
  new <- data.frame(group = c("a", "b"))
  for (x in list(5, c(1, 2), seq_len(40))) {
    x <- x
    for (formula in list(y ~ x + group, y ~ log(x + 3) + group, y ~ poly(x, 2) + group)) {
      environment(formula) <- environment()
      fit <- example_fit(formula = formula)
      expect_error(predict(fit, new), "newdata has no column 'x'", class = "DataError")
      expect_error(predict(fit, new[1, , drop = FALSE]), "'x'", class = "DataError")
    }
  }
})

test_that("a constant of the formula's environment is one", {
  power <- 2
  formula <- y ~ I(abs(x)^power) + group
  fit <- example_fit(formula = formula)
  new <- fit_units()[1:2, ]
  expect_equal(predict(fit, new), predict(glm_twin(fit), new))
})

test_that("intervals are those of lm(), and of the link for means", {
  fit <- example_fit()
  new <- fit_units()[c(2, 5, 9), ]
  base <- lm(formula(fit), fit$model)
  like_lm <- fit
  like_lm$coefficients <- coef(base)
  like_lm$vcov <- vcov(base)
  like_lm$df.residual <- df.residual(base)
  expect_equal(
    predict(like_lm, new, interval = "confidence", level = 0.9),
    predict(base, new, interval = "confidence", level = 0.9)
  )
  fit <- example_fit("binomial")
  link <- predict(fit, new, se.fit = TRUE)
  half <- qt(0.975, fit$df.residual) * link$se.fit
  both <- predict(fit, new, "response", se.fit = TRUE, interval = "confidence")
  expect_equal(both$fit, cbind(
    fit = plogis(link$fit), lwr = plogis(link$fit - half), upr = plogis(link$fit + half)
  ))
  expect_identical(dim(predict(fit, interval = "confidence")), c(40L, 3L))
  expect_identical(predict(fit, interval = "none"), predict(fit))
  # A link that turns the ends round.
  fit$family <- Gamma("inverse")
  ends <- predict(fit, new, "response", interval = "confidence", level = 0.1)
  expect_true(all(ends[, "lwr"] < ends[, "upr"]))
  expect_snapshot(error = TRUE, {
    predict(fit, interval = "prediction")
    predict(fit, interval = "confidence", level = 95)
  })
})

test_that("suggestions go in the right direction", {
  fit <- example_fit()
  expect_error(predict(fit, interval = "conf"), "Did you mean 'confidence'?", fixed = TRUE)
  expect_error(predict(fit, data.frame(x = 1, grup = "a")),
    "newdata has no column 'group', which the formula needs. Should its column 'grup' be named 'group'?",
    fixed = TRUE)
  expect_error(predict(fit, data.frame(xx = 1, grup = "a")), "be named 'x'?", fixed = TRUE)
  expect_error(predict(fit, data.frame(x = 1, size = 2)), "It has: 'size'.", fixed = TRUE)
  expect_error(predict(fit, data.frame(x = 1)), "'group', which the formula needs.$")
})
