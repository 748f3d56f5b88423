grid_means <- function(fit, size = NULL) {
  x <- mean(fit$model$x)
  l <- rbind(a = c(1, x, 0, 0), b = c(1, x, 1, 0), c = c(1, x, 0, 1))
  list(
    estimate = drop(l %*% coef(fit)), error = sqrt(diag(l %*% vcov(fit) %*% t(l)))
  )
}

test_that("marginal means are linear combinations", {
  skip_if_not_installed("emmeans")
  for (use_t in c(TRUE, FALSE)) {
    fit <- example_fit("binomial", use_t = use_t)
    means <- as.data.frame(emmeans::emmeans(fit, ~group))
    expected <- grid_means(fit)
    expect_equal(means$emmean, unname(expected$estimate))
    expect_equal(means$SE, unname(expected$error))
    expect_equal(means$df, rep(fit$df.residual, 3))
    q <- qt(0.975, fit$df.residual)
    expect_equal(means[[5]], unname(expected$estimate - q * expected$error))
    response <- as.data.frame(emmeans::emmeans(fit, ~group, type = "response"))
    expect_equal(response$prob, unname(plogis(expected$estimate)))
  }
})

test_that("the grid is that of glm, also for bases and offsets", {
  skip_if_not_installed("emmeans")
  units <- fit_units("poisson")
  formulas <- list(
    y ~ x + group + offset(log(size)), y ~ poly(x, 2) + group, y ~ log(size) * group
  )
  for (formula in formulas) {
    environment(formula) <- environment()
    fit <- example_fit("poisson", formula = formula, units = units)
    labelled <- units[!is.na(units$y), ]
    twin <- glm(formula, poisson, labelled)
    twin$coefficients[] <- coef(fit)
    got <- as.data.frame(emmeans::emmeans(fit, ~group))
    expected <- as.data.frame(emmeans::emmeans(twin, ~group, vcov. = vcov(fit)))
    expect_equal(got$emmean, expected$emmean)
    expect_equal(got$SE, expected$SE)
  }
})

test_that("slopes and contrasts work, and another covariance can be given", {
  skip_if_not_installed("emmeans")
  fit <- example_fit()
  trend <- as.data.frame(emmeans::emtrends(fit, ~group, "x"))
  expect_equal(trend$x.trend, rep(coef(fit)[["x"]], 3))
  pair <- as.data.frame(emmeans::contrast(emmeans::emmeans(fit, ~group), "trt.vs.ctrl"))
  expect_equal(pair$estimate, unname(coef(fit)[3:4]))
  expect_equal(pair$SE, unname(sqrt(diag(vcov(fit))[3:4])))
  other <- as.data.frame(emmeans::emmeans(fit, ~group, vcov. = 4 * vcov(fit)))
  expect_equal(other$SE, unname(2 * grid_means(fit)$error))
})
