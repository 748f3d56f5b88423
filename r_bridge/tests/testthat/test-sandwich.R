test_that("the sandwich is the covariance of the fit", {
  skip_if_not_installed("sandwich")
  for (family in c("gaussian", "binomial", "poisson")) {
    for (cluster in c(FALSE, TRUE)) {
      fit <- example_fit(family, cluster = cluster)
      expect_equal(sandwich::sandwich(fit), vcov(fit), tolerance = 1e-10)
      scores <- sandwich::estfun(fit)
      expect_identical(dim(scores), c(if (cluster) 24L else 120L, 4L))
      expect_identical(colnames(scores), names(coef(fit)))
    }
  }
})

test_that("it holds for coefficients of very different size and either sign of slope", {
  skip_if_not_installed("sandwich")
  fit <- example_fit()
  scale <- c(1, 1e-5, 1e4, 10)
  fit$vcov[] <- fit$vcov * outer(scale, scale)
  fit$influence[] <- fit$influence * rep(scale, each = nrow(fit$influence))
  fit$slope[] <- -fit$slope / outer(scale, scale)
  expect_equal(
    sandwich::sandwich(fit) / outer(scale, scale), vcov(fit) / outer(scale, scale),
    tolerance = 1e-10
  )
})

test_that("the map is the identity where the influence has that covariance already", {
  fit <- example_fit()
  s <- crossprod(fit$influence)
  expect_equal(closest_map(s, s), diag(4), tolerance = 1e-10, ignore_attr = TRUE)
  map <- closest_map(s, fit$vcov)
  expect_equal(t(map) %*% s %*% map, fit$vcov, tolerance = 1e-10, ignore_attr = TRUE)
  # Symmetric in units of standard errors: that is what makes it the closest.
  error <- sqrt(diag(fit$vcov))
  scaled <- map * outer(error, 1 / error)
  expect_equal(scaled, t(scaled), tolerance = 1e-10, ignore_attr = TRUE)
})

test_that("units can be clustered anew", {
  skip_if_not_installed("sandwich")
  fit <- example_fit()
  village <- fit_units()$village
  got <- suppressWarnings(sandwich::vcovCL(fit, cluster = village, cadjust = FALSE))
  d <- fit$slope
  sums <- rowsum(sandwich::estfun(fit), village) %*% solve(d)
  expect_equal(got, crossprod(sums), tolerance = 1e-10)
  # Other packages ask by names of rows.
  expect_identical(rownames(sandwich::estfun(fit)), row.names(fit_units()))
  clustered <- example_fit(cluster = TRUE)
  expect_identical(rownames(sandwich::estfun(clustered)), unique(village))
})

test_that("what would go wrong in sandwich and clubSandwich is refused with a remedy", {
  skip_if_not_installed("sandwich")
  fit <- example_fit()
  units <- fit_units()
  units <- units[!is.na(units$y), ]
  expect_snapshot(error = TRUE, {
    sandwich::vcovCL(fit, cluster = units$village)
    sandwich::vcovCL(fit, cluster = ~village)
    sandwich::vcovCL(example_fit(cluster = TRUE), cluster = units$village)
    sandwich::vcovCL(fit, cluster = fit_units()$village, type = "HC3")
    sandwich::meatHC(fit)
    sandwich::vcovBS(fit)
  })
  skip_if_not_installed("clubSandwich")
  suppressMessages(loadNamespace("clubSandwich"))
  expect_snapshot(error = TRUE, clubSandwich::vcovCR(fit, units$village, "CR2"))
})

test_that("vcovHC is the covariance of the fit, or refused", {
  skip_if_not_installed("sandwich")
  fit <- example_fit()
  expect_identical(sandwich::vcovHC(fit), vcov(fit))
  expect_identical(sandwich::vcovHC(fit, type = "HC3"), vcov(fit))
  paper <- fit
  paper$use_correction <- FALSE
  expect_identical(sandwich::vcovHC(paper, type = "HC0"), vcov(fit))
  expect_snapshot(error = TRUE, {
    sandwich::vcovHC(fit, type = "HC1")
    sandwich::vcovHC(paper, "HC3")
    sandwich::vcovHC(example_fit(cluster = TRUE))
  })
  skip_if_not_installed("lmtest")
  expect_equal(
    lmtest::coeftest(fit, vcov. = sandwich::vcovHC)[, ], summary(fit)$coefficients
  )
})

test_that("without contributions the reason is given", {
  fit <- example_fit(influence = FALSE)
  expect_snapshot(error = TRUE, estfun.augmented_gmm(fit))
  expect_error(bread.augmented_gmm(labels_only(example_fit())), "influence = TRUE")
  fit <- example_fit()
  fit$vcov[] <- NaN
  expect_error(estfun.augmented_gmm(fit), "did not converge", class = "DataError")
  fit <- example_fit()
  fit$influence <- fit$influence[1:3, ]
  expect_error(estfun.augmented_gmm(fit), "too few clusters", class = "DataError")
})

test_that("few clusters are warned of", {
  skip_if_not_installed("sandwich")
  fit <- example_fit()
  two <- rep(1:2, 60)
  expect_warning(sandwich::vcovCL(fit, cluster = two), "2 clusters with labelled units",
    class = "FewClustersWarning")
  expect_warning(sandwich::vcovCL(fit, cluster = two), "cluster = in augmented_gmm()",
    fixed = TRUE)
  expect_warning(sandwich::vcovCL(fit, cluster = data.frame(two, 1:120)), "2 clusters")
  # 40 units are labelled: those without a label do not make clusters many.
  expect_warning(sandwich::vcovCL(fit, cluster = 1:120), "40 clusters")
  expect_silent(sandwich::sandwich(fit))
  # Where names of labelled units are not known, all clusters count.
  names(fit$residuals) <- paste0("q", 1:40)
  expect_silent(sandwich::vcovCL(fit, cluster = rep(1:60, 2)))
  skip_if_not_installed("lmtest")
  expect_warning(
    lmtest::coeftest(fit, vcov. = sandwich::vcovCL, cluster = two),
    sprintf("2 clusters.*%.1f degrees of freedom of the fit", fit$df.residual)
  )
})
