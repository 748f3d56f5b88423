pilot_units <- function() {
  set.seed(3)
  units <- data.frame(x = rnorm(400), region = rep(c("north", "south"), 200))
  truth <- 1 + 0.5 * units$x + rnorm(400)
  units$guess <- truth + 0.2 + rnorm(400, sd = 0.5)
  units$y <- ifelse(seq_len(400) <= 100, truth, NA)
  units
}

test_that("an analysis needs the arrays of the fit", {
  fit <- example_fit()
  expect_error(compare(fit), "keep = TRUE", class = "OptionError")
  expect_error(plan(fit), "plan\\(\\) needs the arrays", class = "OptionError")
  expect_error(dsl(fit), "^dsl\\(\\) needs the arrays", class = "OptionError")
  expect_error(compare(fit, lvl = 0.9), "no argument 'lvl'", class = "OptionError")
  expect_error(agreement(fit, level = 2), "between 0 and 1", class = "OptionError")
  expect_error(compare(fit, methods = 3), "Give names", class = "OptionError")
})

test_that("options are named as in R", {
  expect_identical(
    in_r_words("give effect=, n=3 or by=None, and methods=['a', 'b']. See .table"),
    "give effect, n = 3 or by = NULL, and methods = c('a', 'b'). See $table"
  )
})

test_that("a fit from a file gives the same answers", {
  skip_without_python()
  units <- pilot_units()
  fit <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"))
  path <- tempfile(fileext = ".rds")
  on.exit(unlink(path))
  saveRDS(fit, path)
  before <- list(
    compare(fit)$table, diagnostics(fit, by = "region")$bias, agreement(fit)$table,
    expect(fit, n = c(50, 100))
  )
  other <- augmented_gmm(y ~ 1, units, proxy = c(y = "guess"))
  fit <- readRDS(path)
  after <- list(
    compare(fit)$table, diagnostics(fit, by = "region")$bias, agreement(fit)$table,
    expect(fit, n = c(50, 100))
  )
  expect_equal(before, after, tolerance = 1e-12)
  small <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"), keep = FALSE)
  expect_error(diagnostics(small), "keep = TRUE", class = "OptionError")
})

test_that("groups are columns or values, of data as it was", {
  skip_without_python()
  units <- pilot_units()
  fit <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"))
  by_name <- diagnostics(fit, by = region)
  expect_equal(by_name$subgroups, diagnostics(fit, by = units$region)$subgroups)
  expect_error(diagnostics(fit, by = "regin"), "Did you mean 'region'")
  expect_error(diagnostics(fit, by = 1:3), "by has 3 values")
  units <- units[400:1, ]
  expect_error(diagnostics(fit, by = "region"), "not a column of data")
})

test_that("what is printed, tidied and drawn", {
  skip_without_python()
  units <- pilot_units()
  fit <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"))
  found <- compare(fit, c("labels only", "naive", "PPI++", "GMM-Synth"))
  expect_output(print(found), "naive (proxy) *", fixed = TRUE)
  expect_identical(nrow(tidy(found)), 8L)
  expect_identical(glance(found)$n_methods, 4L)
  expect_output(print(diagnostics(fit)), "Verdict:")
  expect_identical(tidy(diagnostics(fit), "explained")$source, c("proxy", "all sources"))
  expect_identical(glance(diagnostics(fit))$source, "proxy")
  expect_output(print(agreement(fit)), "proxy: y (100)", fixed = TRUE)
  expect_identical(nrow(glance(agreement(fit))), 1L)
  pilot <- plan(fit)
  expect_output(print(pilot), "100 labels (the pilot)", fixed = TRUE)
  expect_identical(glance(pilot)$nobs, 100L)
  expect_identical(labels_needed(fit, width = 0.3), labels_needed(pilot, width = 0.3))
  expect_error(cheapest(pilot, width = 1), "term is the name", class = "OptionError")
  expect_error(cheapest(pilot, "x", width = 1), "price_label", class = "OptionError")
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_identical(plot(found)$term, rep("x", 4L))
  expect_identical(dim(plot(diagnostics(fit))), c(2L, 2L))
  expect_identical(plot(agreement(fit))$measure, "r")
  expect_identical(unique(plot(pilot)$line), c("labels only", "with proxy"))
})

test_that("single estimators are what compare() has", {
  skip_without_python()
  units <- pilot_units()
  fit <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"))
  table <- compare(fit, c("naive", "naive pooled", "PPI", "PPI++", "predict-then-debias"))
  table <- table$table
  single <- list(
    "naive (proxy)" = naive_proxy(fit), "naive pooled" = naive_pooled(fit),
    "PPI (proxy)" = ppi(fit, power_tuning = "none"), "PPI++ (proxy)" = ppi(fit, "proxy"),
    "predict-then-debias (proxy)" = predict_then_debias(fit)
  )
  for (name in names(single)) {
    found <- single[[name]]
    own <- table[table$method == name, ]
    expect_equal(unname(coef(found)), own$estimate)
    expect_equal(unname(sqrt(diag(vcov(found)))), own$std.error)
    expect_equal(unname(confint(found)[, 1L]), own$conf.low)
    expect_identical(found$valid, own$valid[1L])
  }
  expect_output(
    print(single[["PPI++ (proxy)"]]), "Method: PPI++; sources: proxy", fixed = TRUE
  )
  expect_identical(nrow(tidy(single[[1L]], conf.int = TRUE)), 2L)
  expect_identical(glance(single[[1L]])$valid, FALSE)
  expect_identical(nobs(single[[1L]]), 100L)
  expect_error(ppi(fit, "prox"), "prox", class = "SynthError")
  expect_error(ppi(fit, power_tuning = "all"), "power_tuning", class = "OptionError")
})

test_that("set-up refuses what does not exist", {
  expect_error(install_python("/nowhere"), "path that exists", class = "OptionError")
  expect_error(run_study("/nowhere.toml"), "no file", class = "OptionError")
  path <- tempfile(fileext = ".toml")
  on.exit(unlink(path))
  writeLines(c("data = \"a.csv\"", "output = \"coded.csv\""), path)
  expect_error(run_study(path, "runn"), "Did you mean", class = "OptionError")
  expect_identical(study_output(path), file.path(dirname(path), "coded.csv"))
})

test_that("naive estimates of replicates are combined, where there are some", {
  skip_without_python()
  fit <- augmented_gmm(
    dole ~ age, anes96, list(guess = c(dole = "dole_guess")),
    list(draws = anes96_draws), family = binomial, on = "id"
  )
  found <- diagnostics(fit)
  expect_identical(unique(found$combined$source), "draws")
  expect_identical(unique(found$combined$sets), 3L)
  estimates <- vapply(1:3, function(k) {
    rows <- ave(seq_len(nrow(anes96_draws)), anes96_draws$id, FUN = seq_along) == k
    coef(glm(dole ~ age, binomial, anes96_draws[rows, ], control = list(epsilon = 1e-14)))
  }, numeric(2))
  # Where the iterations end.
  expect_equal(found$combined$estimate, unname(rowMeans(estimates)), tolerance = 1e-8)
  expect_identical(nrow(tidy(found, table = "combined")), 2L)
  expect_output(print(found), "Rubin's rules")
  alone <- augmented_gmm(dole ~ age, anes96, list(guess = c(dole = "dole_guess")),
    family = binomial, on = "id")
  expect_error(tidy(diagnostics(alone), table = "combined"), "several rows",
    class = "OptionError")
})
