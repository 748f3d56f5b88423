test_that("a family is an object, a function or a name", {
  expect_identical(as_family(binomial())$family, "binomial")
  expect_identical(as_family(poisson)$family, "poisson")
  expect_identical(as_family("Gamma")$family, "Gamma")
  expect_identical(as_family("inverse.gaussian")$link, "1/mu^2")
  local_family <- function() binomial("probit")
  expect_identical(as_family("local_family")$link, "probit")
})

test_that("families and links have the names that Python knows", {
  code <- function(f) family_code(f)
  expect_identical(
    code(gaussian()),
    list(name = "gaussian", link = "identity", alpha = NULL, power = NULL)
  )
  expect_identical(code(quasibinomial("cloglog"))[1:2],
    list(name = "binomial", link = "cloglog"))
  expect_identical(code(quasipoisson())$name, "poisson")
  expect_identical(code(inverse.gaussian())$link, "1/mu^2")
  for (link in c("logit", "probit", "cauchit", "cloglog", "log")) {
    expect_identical(code(binomial(link))$link, link)
  }
  for (link in c("inverse", "log", "identity")) {
    expect_identical(code(Gamma(link))$link, link)
  }
})

test_that("a power link keeps its exponent, which its name rounds", {
  expect_identical(family_code(poisson(link = power(1 / 3)))$power, 1 / 3)
  expect_identical(family_code(poisson(link = power(1 / 3)))$link, "power")
  expect_identical(family_code(poisson(link = power(1)))$link, "identity")
  expect_identical(family_code(poisson(link = power(0)))$link, "log")
})

test_that("theta of a negative binomial is exact", {
  skip_if_not_installed("MASS")
  code <- family_code(MASS::negative.binomial(2.345678))
  expect_identical(code$name, "negative.binomial")
  expect_equal(code$alpha, 1 / 2.345678, tolerance = 1e-15)
  expect_identical(code$link, "log")
})

test_that("what is no family or has no counterpart is refused", {
  expect_snapshot(error = TRUE, as_family("binomal"))
  expect_snapshot(error = TRUE, as_family("mean"))
  expect_snapshot(error = TRUE, as_family("negative.binomial"))
  expect_snapshot(error = TRUE, as_family(3))
  expect_snapshot(error = TRUE, as_family(function() stop("no")))
  expect_snapshot(error = TRUE, as_family(function() 1))
  expect_snapshot(error = TRUE, as_family(NULL))
  expect_snapshot(error = TRUE, family_code(quasi()))
  own <- binomial()
  own$linkfun <- function(mu) mu^2
  expect_snapshot(error = TRUE, family_code(own))
  own$link <- "logit(0.1)"
  expect_snapshot(error = TRUE, family_code(own))
  expect_error(as_family("binomal"), class = "OptionError")
})
