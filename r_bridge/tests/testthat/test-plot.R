on_device <- function(code) {
  path <- tempfile(fileext = ".pdf")
  grDevices::pdf(path)
  on.exit({
    grDevices::dev.off()
    unlink(path)
  })
  force(code)
}

test_that("plot returns what it drew", {
  fit <- example_fit()
  drawn <- on_device(plot(fit))
  expect_named(drawn, c("term", "estimator", "estimate", "conf.low", "conf.high"))
  expect_identical(unique(drawn$term), c("x", "groupb", "groupc"))
  expect_identical(
    unique(drawn$estimator),
    c("labels only", "augmented", "guess as if real", "draws as if real")
  )
  augmented <- drawn[drawn$estimator == "augmented", ]
  expect_equal(augmented$conf.low, unname(confint(fit)[-1, 1]))
  real <- drawn[drawn$estimator == "labels only", ]
  expect_equal(real$conf.high, unname(confint(labels_only(fit))[-1, 2]))
  naive <- drawn[drawn$estimator == "draws as if real", ]
  expect_equal(
    naive$conf.high,
    unname(fit$naive$coefficients[2, -1] + qnorm(0.975) * fit$naive$std.error[2, -1])
  )
})

test_that("intercept, level and fits without sources", {
  fit <- example_fit()
  expect_invisible(on_device(plot(fit)))
  expect_true("(Intercept)" %in% on_device(plot(fit, intercept = TRUE))$term)
  narrow <- on_device(plot(fit, level = 0.5))
  expect_lt(narrow$conf.high[1], on_device(plot(fit))$conf.high[1])
  alone <- on_device(plot(labels_only(fit), main = "Labels", xlab = "b", xlim = c(-2, 2)))
  expect_identical(unique(alone$estimator), "labels only")
  constant <- on_device(plot(example_fit(formula = y ~ 1)))
  expect_identical(unique(constant$term), "(Intercept)")
})

test_that("margins are put back, in one panel or several", {
  fit <- example_fit()
  on_device({
    before <- graphics::par("mai")
    plot(fit)
    expect_identical(graphics::par("mai"), before)
    graphics::par(mfrow = c(1, 2))
    plot(fit)
    plot(fit)
    expect_identical(graphics::par("mfg")[1:2], c(1L, 2L))
  })
})

test_that("more sources than colours, and long names, can be drawn", {
  fit <- example_fit()
  many <- rep(1:2, length.out = 12)
  fit$sources <- fit$sources[many, ]
  row.names(fit$sources) <- sprintf("a source with a long name %d", 1:12)
  fit$naive <- lapply(fit$naive, function(x) x[many, ])
  look <- plotted_look(fit)
  expect_identical(anyDuplicated(look[c("colour", "shape")]), 0L)
  expect_identical(nrow(on_device(plot(fit))), 3L * 14L)
})
