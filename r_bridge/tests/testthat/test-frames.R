all <- example_units()
labelled <- all[1:40, ]
guesses <- setNames(all[c("id", "x", "g", "gy")], c("id", "x", "g", "y"))
formula <- y ~ x + g

test_that("sources take every accepted form", {
  frame <- guesses
  by_column <- design(formula, all, c(y = "gy"))
  expect_identical(by_column$sources[[1]]$name, "proxy")
  expect_identical(design(formula, all, list(y = "gy"))$sources, by_column$sources)
  expect_identical(design(formula, all, frame)$sources, by_column$sources)
  listed <- design(formula, all, list(gpt = frame, llama = c(y = "gy", g = "gg")))
  expect_identical(vapply(listed$sources, `[[`, "", "name"), c("gpt", "llama"))
  expect_identical(listed$sources[[1]]$exog, by_column$sources[[1]]$exog)
  both <- design(formula, all, list(gpt = frame), list(gpt = frame))
  expect_identical(
    vapply(both$sources, `[[`, "", "name"), c("gpt (proxy)", "gpt (synthetic)")
  )
  expect_identical(vapply(both$sources, `[[`, "", "kind"), c("proxy", "synthetic"))
  expect_identical(design(formula, all, frame[c("id", "y")])$sources, by_column$sources)
  expect_identical(design(formula, all)$sources, list())
  expect_identical(design(formula, all, list())$sources, list())
})

test_that("forms that are none of these are refused", {
  expect_snapshot(error = TRUE, design(formula, all, 1:3))
  expect_snapshot(error = TRUE, design(formula, all, "gy"))
  expect_snapshot(error = TRUE, design(formula, all, list(guesses)))
  expect_snapshot(error = TRUE, design(formula, all, list(a = guesses, a = guesses)))
  expect_snapshot(error = TRUE, design(formula, all, list(a = guesses, b = 1)))
  expect_snapshot(error = TRUE, design(formula, all, c(z = "gy")))
  expect_snapshot(error = TRUE, design(formula, all, c(y = "yg")))
  expect_snapshot(error = TRUE, design(formula, all, c(y = "gy", y = "gg")))
  expect_snapshot(error = TRUE, design(formula, all, all[c("id", "w")]))
  expect_snapshot(error = TRUE, design(formula, as.matrix(all[c("x", "y")])))
  expect_snapshot(error = TRUE, design(formula, all[0, ]))
  expect_snapshot(error = TRUE, design(formula, all, guesses[0, ], on = "id"))
  twice <- setNames(all, c(names(all)[-2], "id"))
  expect_snapshot(error = TRUE, design(y ~ z, twice))
  same <- list(a = guesses, "a (proxy)" = guesses)
  expect_snapshot(error = TRUE, design(formula, all, same, list(a = guesses)))
})

test_that("units are matched by on, whatever the order and the class", {
  reference <- design_numbers(design(formula, labelled, guesses, on = "id"))
  expect_identical(reference$units, all$id)
  for (seed in 1:5) {
    set.seed(seed)
    shuffled <- guesses[sample(80), sample(4)]
    d <- design(formula, labelled, shuffled, on = "id")
    new <- setdiff(d$units, labelled$id)
    expect_setequal(d$units, all$id)
    back <- match(all$id, d$units)
    expect_identical(d$sources[[1]]$endog[back], reference$sources[[1]]$endog)
    expect_identical(d$sources[[1]]$exog[back, ], reference$sources[[1]]$exog)
    d <- design(formula, all, shuffled, on = "id")
    expect_identical(d$sources, reference$sources)
  }
})

test_that("tibbles, data.tables and factors give the same design", {
  skip_if_not_installed("tibble")
  skip_if_not_installed("data.table")
  data <- all
  data$g <- factor(data$g)
  source <- guesses[80:1, ]
  source$g <- factor(source$g, levels = c("c", "b", "a"))
  reference <- design(formula, data, source, on = "id", weights = w, strata = g)
  for (as in list(tibble::as_tibble, data.table::as.data.table)) {
    for (swap in list(identity, as.character, factor)) {
      other <- source
      other$g <- swap(other$g)
      before <- as(other)
      names_before <- names(before)
      d <- design(formula, as(data), before, on = "id", weights = w, strata = g)
      expect_identical(design_numbers(d), design_numbers(reference))
      expect_identical(names(before), names_before)
      expect_identical(before, as(other))
    }
  }
})

test_that("identifiers are values, with their type", {
  data <- labelled
  data$id <- 1:40
  source <- guesses
  source$id <- as.double(80:1)
  d <- design(formula, data, source, on = "id")
  expect_identical(d$units, c(1:40, 80:41))
  source$id <- as.character(source$id)
  expect_snapshot(error = TRUE, design(formula, data, source, on = "id"))
  source$id <- 1081:1160
  expect_snapshot(error = TRUE, design(formula, data, source, on = "id"))
  source$id <- c(1:79, NA)
  expect_snapshot(error = TRUE, design(formula, data, source, on = "id"))
  source$id <- 1:80
  data$id[2] <- 1L
  expect_snapshot(error = TRUE, design(formula, data, source, on = "id"))
  expect_snapshot(error = TRUE, design(formula, data, source, on = "idd"))
  expect_snapshot(error = TRUE, design(formula, data, source, on = 1))
  data$id <- as.Date("2020-01-01") + 1:40
  source$id <- as.Date("2020-01-01") + 1:80
  d <- design(formula, data, source, on = "id")
  expect_identical(d$units[1:2], c("2020-01-02", "2020-01-03"))
  expect_identical(d$units[41], "2020-02-11")
})

test_that("several columns identify units together", {
  data <- labelled
  data$school <- rep(c("s", "t"), 20)
  data$pupil <- rep(1:20, each = 2)
  source <- data[40:1, c("pupil", "x", "g", "y", "school")]
  both <- c("school", "pupil")
  d <- design(formula, data, source, on = both)
  expect_identical(d$units[1:3], c("s, 1", "t, 1", "s, 2"))
  expect_identical(d$sources[[1]]$endog, d$labels$endog)
  data$school[2] <- "s"
  expect_snapshot(error = TRUE, design(formula, data, source, on = both))

  # Combinations are too many for integers.
  n <- 50000L
  data <- data.frame(a = seq_len(n), b = as.character(seq_len(n)), x = rnorm(n))
  data$y <- data$x
  d <- design(y ~ x, data, data[n:1, ], on = c("a", "b"))
  expect_null(d$sources[[1]]$units)
  expect_identical(d$sources[[1]]$endog, d$labels$endog)
})

test_that("replicates and uncovered units have their places", {
  source <- guesses[c(3, 1, 3, 70, 1, 1), ]
  d <- design(formula, all, source, on = "id")
  expect_identical(d$sources[[1]]$units, c(1L, 1L, 1L, 3L, 3L, 70L))
  expect_identical(d$sources[[1]]$endog, source$y[c(2, 5, 6, 1, 3, 4)])
  rownames(source) <- NULL
  expect_identical(
    design(formula, all, guesses, on = "id")$sources[[1]]$units, NULL
  )
})

test_that("rows are matched by position only where nothing speaks against it", {
  expect_silent(design(formula, all, guesses))
  shuffled <- guesses[80:1, ]
  rownames(shuffled) <- NULL
  expect_snapshot(error = TRUE, design(formula, all, shuffled))
  short <- guesses[1:50, ]
  rownames(short) <- NULL
  expect_snapshot(error = TRUE, design(formula, all, short))
  # Numbers in another order, and nothing that they share.
  expect_snapshot(error = TRUE, design(formula, all, guesses[80:1, "y", drop = FALSE]))
  expect_snapshot(error = TRUE,
    design(formula, all[80:1, ], data.frame(y = guesses$y)))
})

test_that("a column that identifies units forbids to go by position in another order", {
  data <- all[c("id", "x", "y")]
  source <- guesses[80:1, c("id", "y")]
  rownames(source) <- NULL
  by_id <- design(y ~ x, data, source, on = "id")
  ask <- function(data, source) {
    expect_error(design(y ~ x, data, source), "on = \"", class = "AlignmentError")
  }
  ask(data, source)
  # As numbers, as numbers and text, with a missing value, and in part of the rows.
  number <- function(frame) transform(frame, id = as.integer(sub("u", "", id)))
  ask(number(data), number(source))
  ask(number(data), transform(number(source), id = as.character(id)))
  ask(data, transform(source, id = replace(id, 5, NA)))
  strange <- transform(number(source), id = replace(id, 1:30, 1001:1030))
  ask(number(data), strange)
  # Under another name, and in other letters.
  ask(data, stats::setNames(source, c("unit_name", "y")))
  ask(data, stats::setNames(number(source), c("ID", "y")))
  # One id for all rows of a source that has replicates, and as many rows by chance.
  ask(data, transform(source, id = rep(data$id[1:40], each = 2)))
  # Other ids than those of data in the same rows.
  ask(data, transform(source, id = sprintf("n%03d", 1:80)))
  # The same order, or columns that identify nothing, or nothing in common: by position.
  for (same in list(
    source[80:1, ], source["y"], transform(source["y"], x = rnorm(80)),
    transform(source["y"], x = data$x), transform(source["y"], text = letters[1:4])
  )) {
    rownames(same) <- NULL
    expect_null(design(y ~ x, data, same)$sources[[1]]$units)
  }
  expect_identical(by_id$sources[[1]]$endog[1:3], source$y[80:78])
  expect_snapshot(error = TRUE, {
    design(y ~ x, data, stats::setNames(source, c("unit_name", "y")))
  })
})

test_that("row names of a subset are matched where columns prove them", {
  some <- all[c(41:60, 3:22), ]
  some$y <- rnorm(40)
  d <- design(formula, some, guesses)
  expect_identical(d$units, c(41:60, 3:22, 1:2, 23:40, 61:80))
  by_id <- design(formula, some, guesses, on = "id")
  expect_identical(d$sources, by_id$sources)
  expect_identical(design(formula, all, guesses[80:1, ])$sources,
    design(formula, all, guesses)$sources)
  expect_identical(design(formula, all, guesses[60:2, ])$sources,
    design(formula, all, guesses[60:2, ], on = "id")$sources)
  # A frame that kept its rows must have those that are asked for.
  first <- guesses[1:40, ]
  expect_identical(design(formula, all, first)$sources[[1]]$units, 1:40)
  expect_identical(design(formula, labelled, guesses)$units, 1:80)
  rownames(first) <- NULL
  expect_snapshot(error = TRUE, design(formula, some, first))
})

test_that("row names that are text identify units", {
  named <- all
  rownames(named) <- all$id
  source <- named[80:1, c("x", "g", "gy")]
  names(source)[3] <- "y"
  d <- design(formula, named[1:40, ], source)
  expect_identical(sort(d$units), sort(all$id))
  expect_identical(design(formula, named, source)$sources,
    design(formula, all, guesses, on = "id")$sources)
  expect_snapshot(error = TRUE, design(formula, named, guesses))
  expect_snapshot(error = TRUE, design(formula, all, source))
  rownames(source) <- toupper(rownames(source))
  expect_snapshot(error = TRUE, design(formula, named, source))
})

test_that("variables that a source lacks come from data, by unit", {
  d <- design(formula, all, guesses[80:1, c("id", "y")], on = "id")
  expect_identical(d$sources, design(formula, all, guesses)$sources)
  expect_snapshot(error = TRUE,
    design(formula, labelled, guesses[c("id", "y")], on = "id"))
})

test_that("incomplete rows are counted or refused", {
  all$x[c(2, 50)] <- NA
  guesses$y[c(4, 60)] <- NaN
  d <- design(formula, all, guesses, on = "id")
  expect_identical(d$n_incomplete, 1L)
  expect_identical(sum(d$labeled), 39L)
  expect_identical(d$sources[[1]]$dropped, 2L)
  expect_identical(d$sources[[1]]$units, setdiff(1:80, c(4L, 60L)))
  d <- design(formula, all, c(y = "gy"))
  expect_identical(d$sources[[1]]$dropped, 2L)
  raise <- function(...) design(formula, all, ..., on = "id", missing = "raise")
  expect_snapshot(error = TRUE, raise(guesses))
  all$y[2] <- NA
  expect_snapshot(error = TRUE, raise(guesses))
  expect_snapshot(error = TRUE, raise(guesses[1:3, c("id", "y")]))
  guesses$y <- NA
  expect_snapshot(error = TRUE, design(formula, all, guesses, on = "id"))
  all$y <- NA
  expect_snapshot(error = TRUE, design(formula, all, guesses, on = "id"))
})

test_that("types are made alike, or refused", {
  source <- guesses
  same <- function(column, value, data = all) {
    source[[column]] <- value
    d <- design(formula, data, source, on = "id")
    expect_equal(d$sources, design(formula, data, guesses, on = "id")$sources)
  }
  same("x", as.character(source$x))
  same("x", factor(source$x))
  same("g", factor(source$g, levels = c("c", "a", "b")))
  refuse <- function(column, value, data = all) {
    source[[column]] <- value
    design(formula, data, source, on = "id")
  }
  expect_snapshot(error = TRUE, refuse("x", c("low", source$x[-1])))
  expect_snapshot(error = TRUE, refuse("g", 1:80))
  expect_snapshot(error = TRUE, refuse("x", Sys.Date() + 1:80))
  expect_snapshot(error = TRUE, refuse("g", c("d", "d", source$g[-(1:2)])))
  data <- all
  data$g <- factor(data$g)
  expect_snapshot(error = TRUE, refuse("g", c("d", "d", source$g[-(1:2)]), data))
  data$x <- data$x > 0
  source$x <- as.integer(source$x > 0)
  logical <- design(formula, data, source, on = "id")
  expect_identical(logical$sources[[1]]$exog[, 2], as.double(source$x))
  expect_snapshot(error = TRUE, refuse("x", c(2, source$x[-1]), data))
  expect_snapshot(error = TRUE, refuse("x", c("TRUE", source$x[-1]), data))
})

test_that("columns that R would misread are refused", {
  data <- all
  data$x <- as.list(data$x)
  expect_snapshot(error = TRUE, design(formula, data))
  data$x <- complex(80, 1, 1)
  expect_snapshot(error = TRUE, design(formula, data))
  data$x <- as.POSIXlt(Sys.time() + 1:80)
  expect_snapshot(error = TRUE, design(formula, data))
  data <- all
  Encoding(data$g) <- "bytes"
  data$g[2] <- "\xff"
  Encoding(data$g) <- "bytes"
  expect_snapshot(error = TRUE, design(formula, data))
  data$g <- all$g
  data$g[3] <- "\xff"
  Encoding(data$g) <- "UTF-8"
  expect_snapshot(error = TRUE, design(formula, data))
  skip_if_not_installed("bit64")
  data <- all
  data$x <- bit64::as.integer64(1:80)
  expect_snapshot(error = TRUE, design(formula, data))
  guesses$id <- bit64::as.integer64(1:80)
  expect_snapshot(error = TRUE, design(y ~ z, all, guesses, on = "id"))
})

test_that("large sources take little time", {
  skip_on_cran()
  n <- 2e5
  data <- data.frame(id = seq_len(n), x = rnorm(n), g = rep_len(letters[1:4], n))
  data$y <- c(rnorm(500), rep(NA, n - 500))
  source <- data[sample(n), ]
  source$y <- rnorm(n)
  time <- system.time(design(y ~ x + g, data, source, on = "id"))[["elapsed"]]
  expect_lt(time, 10)
})

test_that("a column with the same values in another order forbids to go by position", {
  data <- all[c("x", "z", "y")]
  data$words <- rep_len(1:27, 80)
  source <- transform(data, y = all$gy)
  set.seed(1)
  shuffled <- source[sample(80), ]
  rownames(shuffled) <- NULL
  ask <- function(data, source, pattern, formula = y ~ words) {
    expect_error(design(formula, data, source), pattern, class = "AlignmentError")
  }
  columns <- c("words", "y")
  ask(data[columns], shuffled[columns], "'words' has the same values in another order")
  if (requireNamespace("tibble", quietly = TRUE)) {
    ask(tibble::as_tibble(data[columns]), tibble::as_tibble(shuffled[columns]), "'words'")
  }
  text <- function(frame) transform(frame[columns], words = as.character(words))
  ask(data[columns], text(shuffled), "'words'")
  # In the same order, drawn anew, or where an identifier agrees: by position.
  silent <- function(source, data = NULL) {
    data <- if (is.null(data)) all_words else data
    expect_null(design(y ~ words, data, source)$sources[[1]]$units)
  }
  all_words <- data[columns]
  silent(source[columns])
  silent(transform(shuffled[columns], words = rev(words) + 1L))
  silent(shuffled["y"])
  silent(
    transform(shuffled[columns], id = 80:1), transform(data[columns], id = 80:1)
  )
  # Few values each are no evidence, many such columns are.
  few <- as.data.frame(replicate(8, sample(0:1, 80, TRUE)))
  names(few) <- paste0("d", 1:8)
  other <- few[sample(80), ]
  rownames(other) <- NULL
  two <- c("d1", "d2")
  expect_null(design(
    y ~ words, cbind(data[columns], few[two]), cbind(shuffled["y"], other[two])
  )$sources[[1]]$units)
  ask(cbind(data[columns], few), cbind(shuffled["y"], other), "have the same values")
  # Sources with each other, in what data does not have.
  ask(data[columns], list(a = cbind(source["y"], n = 1:80), b = cbind(source["y"], n = 80:1)),
    "source 'a' and source 'b'.*'n' has the same values.*on = \"n\"")
  expect_snapshot(error = TRUE, design(y ~ words, data[columns], shuffled[columns]))
})

test_that("identifiers of two names are compared", {
  data <- cbind(unit = 1:80, all[c("x", "y")])
  source <- data.frame(id = 80:1, y = all$gy)
  expect_error(design(y ~ x, data, source), "column 'unit' \\('id' in source 'proxy'\\) has the same values",
    class = "AlignmentError")
  expect_null(design(y ~ x, data, transform(source, id = 1:80))$sources[[1]]$units)
  # Not where either has the other's name as well: then numbers agree by chance.
  both <- transform(source, id = 1:80, unit = 1:80)
  expect_null(design(y ~ x, cbind(data, id = 1:80), both)$sources[[1]]$units)
})

test_that("a column without quotes in on is told apart", {
  frame <- guesses
  ask <- function(value) {
    expect_error(value, "on = \"id\"", fixed = TRUE, class = "OptionError")
  }
  ask(augmented_gmm(formula, all, frame, on = id))
  ask(augmented_gmm(formula, all, frame, on = ~id))
  id <- 1:3
  ask(augmented_gmm(formula, all, frame, on = id))
  expect_identical(unit_column("id", quote(id)), "id")
  expect_null(unit_column(NULL, quote(id)))
})

test_that("numbers as text are refused, and names of levels are not", {
  data <- all
  data$words <- as.character(rep_len(1:27, 80))
  expect_snapshot(error = TRUE, design(y ~ words, data))
  data$words[c(2, 5)] <- "refused"
  expect_snapshot(error = TRUE, design(y ~ x + words, data))
  data$half <- as.character(rep_len(c(0.5, 1), 80))
  expect_error(design(y ~ half, data), "holds numbers as text", class = "DataError")
  # A category, said or seen.
  data$words[data$words == "refused"] <- "1"
  expect_error(design(y ~ factor(words), data, labeled = rep(TRUE, 80)), NA)
  data$few <- rep_len(c("1", "2", "3"), 80)
  expect_identical(ncol(design(y ~ few, data)$labels$exog), 3L)
  data$code <- rep_len(sprintf("%03d", 1:30), 80)
  expect_error(design(y ~ code, data), NA)
  # The outcome.
  data$y <- as.character(data$y)
  expect_error(design(y ~ x, data), "'y' holds numbers as text.*as.numeric\\(\\)\\.$",
    class = "DataError")
})

test_that("infinite values are counted over all rows", {
  data <- all
  data$x[c(3, 50, 60)] <- Inf
  expect_error(design(formula, data, c(y = "gy")),
    "'x' is infinite for 3 rows (units 3, 50, 60)", fixed = TRUE, class = "DataError")
  expect_error(design(y ~ I(1 / x), data), NA)
})

test_that("weights that are missing are refused, whatever they are instead", {
  expect_error(design(formula, all, weights = replace(rep(1, 80), 3, NaN)),
    "weights is missing for 1 unit (3)", fixed = TRUE)
  expect_error(design(formula, all, weights = replace(rep(1, 80), 3, NA)),
    "weights is missing for 1 unit (3)", fixed = TRUE)
})

test_that("a source given as its column alone is told how to write it", {
  skip_without_python()
  units <- data.frame(x = sin(1:60), guess = cos(1:60))
  units$y <- ifelse(1:60 <= 30, units$guess + units$x, NA)
  expect_error(
    augmented_gmm(y ~ x, units, proxy = list(llm = "guess")),
    'write proxy = list(llm = c(y = "guess"))', fixed = TRUE, class = "DataError"
  )
})

test_that("auxiliary columns are found beside sources that are frames", {
  skip_without_python()
  set.seed(2)
  units <- data.frame(id = 1:300, x = rnorm(300), sure = rnorm(300), length = rnorm(300))
  units$guess <- units$x + rnorm(300)
  units$y <- ifelse(1:300 <= 100, units$guess + 0.3 * units$sure + rnorm(300), NA)
  source <- list(guess = data.frame(id = 1:300, y = units$guess))
  fit <- function(proxy, auxiliary) {
    augmented_gmm(y ~ x, units, proxy = proxy, auxiliary = auxiliary, on = "id")
  }
  for (auxiliary in c(~sure, ~ sure + length, ~length)) {
    # The same numbers, as a frame and as a column of data.
    expect_equal(
      coef(fit(source, auxiliary)),
      coef(fit(list(guess = c(y = "guess")), auxiliary)), tolerance = 1e-10
    )
  }
  expect_error(fit(source, ~shure), "Did you mean 'sure'", class = "DataError")
  expect_error(trend_test(3), "A fit by task_exchangeability\\(\\)", class = "OptionError")
})
