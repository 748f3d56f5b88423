all <- example_units()

test_that("weights are found however they are named", {
  w <- rev(all$w) # an object of the same name must not be taken
  plain <- design(y ~ x, all, c(y = "gy"), weights = w)$weights
  expect_identical(plain, all$w)
  expect_identical(design(y ~ x, all, weights = "w")$weights, plain)
  expect_identical(design(y ~ x, all, weights = ~w)$weights, plain)
  expect_identical(design(y ~ x, all, weights = all$w)$weights, plain)
  expect_identical(design(y ~ x, all, weights = w / 2)$weights, plain / 2)
  own <- all$w + 1
  expect_identical(design(y ~ x, all, weights = own)$weights, plain + 1)
  where <- "w"
  expect_identical(design(y ~ x, all, weights = where)$weights, plain)
  formula <- ~w
  expect_identical(design(y ~ x, all, weights = formula)$weights, plain)
  nothing <- NULL
  expect_null(design(y ~ x, all, weights = nothing)$weights)
  expect_null(design(y ~ x, all)$weights)
})

test_that("captured arguments of a wrapper go to where they were written", {
  wrapper <- function(data, wt) design(y ~ x, data, weights = wt)
  expect_identical(wrapper(all, all$w)$weights, all$w)
  expect_identical(wrapper(all, "w")$weights, all$w)
})

test_that("a column of units may be in a source for units that data lacks", {
  data <- all[1:40, ]
  source <- all[c(80:1, 80), c("id", "x", "gy", "w")]
  names(source)[3] <- "y"
  d <- design(y ~ x, data, source, on = "id", weights = w)
  expect_identical(d$weights, all$w[match(d$units, all$id)])
  source$w[3] <- 9
  d <- design(y ~ x, data, source, on = "id", weights = w)
  expect_identical(d$weights[d$units == "u078"], 9)
  source$w[[81]] <- 8
  expect_snapshot(error = TRUE, design(y ~ x, data, source, on = "id", weights = w))
  source$w <- NULL
  expect_snapshot(error = TRUE, design(y ~ x, data, source, on = "id", weights = w))
  expect_snapshot(error = TRUE,
    design(y ~ x, data, source, on = "id", weights = data$w))
})

test_that("strata and clusters become codes", {
  d <- design(y ~ x, all, strata = g, cluster = o)
  expect_identical(d$strata, match(all$g, unique(all$g)))
  expect_identical(d$cluster, rep_len(1:3, 80L))
  expect_identical(design(y ~ x, all, cluster = interaction(g, o))$cluster[1:3], 1:3)
})

test_that("probabilities may be a number, or known for labelled units alone", {
  expect_identical(design(y ~ x, all, labeling_prob = 0.5)$labeling_prob, 0.5)
  all$p <- c(rep(0.5, 40), rep(NA, 40))
  expect_identical(design(y ~ x, all, labeling_prob = p)$labeling_prob, all$p)
  source <- setNames(all[c("id", "x", "gy")], c("id", "x", "y"))
  d <- design(y ~ x, all[1:40, ], source, on = "id", labeling_prob = rep(0.5, 40))
  expect_identical(d$labeling_prob, all$p)
  all$p[2] <- NA
  expect_snapshot(error = TRUE, design(y ~ x, all, labeling_prob = p))
})

test_that("labeled restricts the labelled rows", {
  d <- design(y ~ x, all, labeled = id %in% c("u001", "u003"))
  expect_identical(which(d$labeled == 1L), c(1L, 3L))
  all$l <- c(rep(1, 41), rep(0, 39))
  d <- design(y ~ x, all, labeled = l)
  expect_identical(sum(d$labeled), 40L)
  expect_identical(d$n_incomplete, 1L)
  expect_snapshot(error = TRUE, design(y ~ x, all, labeled = l, missing = "raise"))
  expect_snapshot(error = TRUE, design(y ~ x, all, labeled = x))
  expect_snapshot(error = TRUE, design(y ~ x, all, labeled = c(TRUE, NA)))
  expect_snapshot(error = TRUE, design(y ~ x, all, labeled = "lx"))
  expect_snapshot(error = TRUE, design(y ~ x, all, labeled = rep(FALSE, 80)))
})

test_that("options that cannot be used say why", {
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = ww))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = "ww"))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = ~ w + x))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = mean))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = 1:3))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = 2))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = x))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = g))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = y))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = wt / 2))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = stop("no")))
  expect_snapshot(error = TRUE, design(y ~ x, all, weights = cbind(w, x)))
  expect_snapshot(error = TRUE, design(y ~ x, all, cluster = c("g", "o")))
  expect_snapshot(error = TRUE, design(y ~ x, all, cluster = all[c("g", "o")]))
  expect_snapshot(error = TRUE, design(y ~ x, all, strata = id))
  expect_snapshot(error = TRUE, design(y ~ x, all, labeling_prob = TRUE))
  expect_snapshot(error = TRUE, design(y ~ x, all, missing = "dropp"))
})
