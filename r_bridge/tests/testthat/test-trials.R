trial_units <- function() {
  set.seed(3)
  units <- data.frame(x = rnorm(400), n = sample(3:20, 400, TRUE))
  successes <- rbinom(400, units$n, plogis(0.3 + 0.7 * units$x))
  units$s_llm <- rbinom(400, units$n, plogis(0.1 + 0.5 * units$x))
  units$s <- ifelse(seq_len(400) <= 120, successes, NA)
  units
}

test_that("without sources cbind() is glm's", {
  skip_without_python()
  units <- trial_units()
  labelled <- units[1:120, ]
  reference <- glm(
    cbind(s, n - s) ~ x, binomial, labelled, control = list(epsilon = 1e-14)
  )
  fit <- augmented_gmm(
    cbind(s, n - s) ~ x, labelled, family = binomial, use_correction = FALSE
  )
  # Where the two iterations end.
  expect_equal(coef(fit), coef(reference), tolerance = 1e-8)
  expect_equal(fitted(fit), fitted(reference), tolerance = 1e-8)
  expect_equal(unname(weights(fit)), unname(weights(reference)))
  skip_if_not_installed("sandwich")
  expect_equal(vcov(fit), sandwich::vcovHC(reference, "HC0"), tolerance = 1e-6)
})

test_that("with sources it is shares with trials as weights", {
  skip_without_python()
  units <- trial_units()
  fit <- augmented_gmm(cbind(s, n - s) ~ x, units, c(s = "s_llm"), family = binomial)
  units$share <- units$s / units$n
  units$share_llm <- units$s_llm / units$n
  shares <- augmented_gmm(
    share ~ x, units, c(share = "share_llm"), family = binomial, weights = n
  )
  expect_identical(coef(fit), coef(shares))
  expect_identical(vcov(fit), vcov(shares))
  units$expected <- units$n * units$share_llm
  half <- augmented_gmm(
    cbind(s, n - s) ~ x, units, c(s = "expected"), family = binomial, weights = x^2 + 1
  )
  both <- augmented_gmm(share ~ x, units, c(share = "share_llm"), family = binomial,
    weights = n * (x^2 + 1))
  # The expected number of a share is that share to rounding.
  expect_equal(coef(half), coef(both), tolerance = 1e-10)
  expect_equal(predict(fit, units[1:3, ]), predict(shares, units[1:3, ]))
  expect_identical(nrow(augment(fit)), 120L)
})

test_that("trials that are not there, or others, are refused", {
  skip_without_python()
  units <- trial_units()
  call <- function(..., family = binomial()) {
    augmented_gmm(cbind(s, n - s) ~ x, units, ..., family = family)
  }
  units$other <- units$n + (seq_len(400) == 7)
  expect_error(call(c(s = "s_llm", n = "other")), "another number of trials.*unit 7")
  expect_error(call(family = poisson()), "cbind\\(successes, failures\\) with family")
  fit <- call(c(s = "s_llm"))
  expect_error(many_fits(fit, list(a = units$s)), "cbind", class = "OptionError")
  units$s[3] <- units$n[3] + 1
  expect_error(call(), "0 or above \\(unit 3\\)")
  units$s[3] <- units$n[3] <- 0
  expect_error(call(), "no trial \\(unit 3\\)")
})
