all <- example_units(120L, 60L)
labelled <- all[!is.na(all$y), ]

# Columns as glm() makes them on the labels, and the carried basis on the others.
expect_like_glm <- function(formula, data = all, family = gaussian(),
                            contrasts = NULL, proxy = c(y = "gy")) {
  d <- design(formula, data, proxy, family = family, contrasts = contrasts)
  rows <- which(d$labeled == 1L)
  fit <- suppressWarnings(
    glm(formula, data = data[rows, ], family = family, contrasts = contrasts)
  )
  x <- model.matrix(fit)
  expect_identical(colnames(d$labels$exog), colnames(x))
  expect_equal(unname(d$labels$exog), unname(x), ignore_attr = TRUE, tolerance = 1e-13)
  expect_equal(d$labels$endog, unname(fit$y), tolerance = 1e-13)
  expect_equal(d$labels$offset, fit$offset)
  expect_identical(d$xlevels, fit$xlevels)
  expect_identical(d$contrasts, fit$contrasts)
  expect_equal(d$model, fit$model, ignore_attr = TRUE)
  expect_identical(unname(d$units[rows]), as.integer(row.names(d$model)))
  # model.frame() warns that contrasts of a factor go, which contrasts.arg gives back.
  right <- delete.response(terms(fit))
  frame <- suppressWarnings(model.frame(right, data, xlev = fit$xlevels))
  everywhere <- model.matrix(right, frame, contrasts.arg = fit$contrasts)
  expect_equal(d$sources[[1]]$exog, unname(everywhere), ignore_attr = TRUE)
  invisible(d)
}

test_that("R's formulas give the columns of glm()", {
  knots <- c(-0.5, 0.5)
  k <- 2
  square <- function(v) v^2
  formulas <- list(
    y ~ x, y ~ 1, y ~ 0 + g, y ~ x - 1, y ~ x * g, y ~ g + x:g, y ~ (x + z + g)^2,
    y ~ g %in% o, y ~ I(x^2) + I(x > 0), y ~ poly(x, 2), y ~ poly(x, 2, raw = TRUE),
    y ~ splines::ns(x, df = 3), y ~ splines::ns(x, knots = knots),
    y ~ scale(x) + scale(z):g, y ~ o, y ~ factor(g), y ~ C(o, contr.treatment),
    y ~ C(factor(g), contr.sum), y ~ log(z) + offset(log(z)), y ~ square(x * k),
    y ~ cut(x, c(-Inf, 0, Inf)), y ~ factor(o, ordered = FALSE),
    y ~ poly(x, z, degree = 2),
    y ~ offset(z) + offset(x) + g, y ~ (x > 0) + g, y ~ relevel(factor(g), ref = "c"),
    y ~ pmin(x, 1) + ifelse(x > 0, z, 0), y ~ g / x, y ~ exp(x / pi)
  )
  for (formula in formulas) {
    expect_like_glm(formula)
  }
})

test_that("bs() extrapolates as R does, with its warning", {
  expect_like_glm(y ~ splines::bs(x, df = 4, Boundary.knots = c(-5, 5)))
  all$x[100] <- 40
  expect_snapshot(invisible(design(y ~ splines::bs(x, df = 4), all, c(y = "gy"))))
})

test_that("the contrasts argument and option are those of glm()", {
  expect_like_glm(y ~ g + o, contrasts = list(g = "contr.sum", o = "contr.treatment"))
  expect_like_glm(y ~ g, contrasts = list(g = contr.helmert(3)))
  all$g <- factor(all$g)
  contrasts(all$g) <- "contr.sum"
  expect_like_glm(y ~ g * x, all)
  old <- options(contrasts = c("contr.helmert", "contr.poly"))
  on.exit(options(old))
  expect_like_glm(y ~ g)
  expect_snapshot(error = TRUE, design(y ~ g, all, contrasts = list(h = "contr.sum")))
  expect_snapshot(error = TRUE, design(y ~ g, all, contrasts = "contr.sum"))
})

test_that("names with dots, spaces and accents work", {
  names(all)[match(c("x", "z", "gy"), names(all))] <- c("a b", "x.1", "guess y")
  expect_like_glm(y ~ `a b` * x.1, proxy = c(y = "guess y"), data = all)
  # Elsewhere R has no such names in formulas.
  skip_if_not(l10n_info()[["UTF-8"]])
  size <- "gr\u00f6\u00dfe"
  all[[size]] <- all$x.1
  accented <- eval(bquote(y ~ log(.(as.name(size)))))
  expect_like_glm(accented, proxy = c(y = "guess y"), data = all)
})

test_that("text is compared by its characters, whatever its encoding", {
  accented <- enc2utf8("\u00e9t\u00e9")
  all$g[all$g == "c"] <- accented
  all$id[1] <- accented
  source <- setNames(all[80:1, c("id", "g", "gy")], c("id", "g", "y"))
  source$g <- iconv(source$g, "UTF-8", "latin1")
  source$id <- iconv(source$id, "UTF-8", "latin1")
  d <- design(y ~ g, all, source, on = "id")
  expect_identical(d$sources[[1]]$units, 1:80)
  expect_identical(d$sources[[1]]$exog,
    design(y ~ g, all, c(y = "gy"))$sources[[1]]$exog[1:80, ])
  expect_setequal(d$xlevels$g, c("a", "b", accented))
})

test_that("sources are evaluated with what the labels taught", {
  source <- all[c("id", "x", "g", "o", "gy")]
  names(source)[5] <- "y"
  source$x <- source$x + 10
  d <- design(y ~ scale(x) + o, all, source, on = "id")
  expect_equal(d$sources[[1]]$exog[, 2], (source$x - mean(labelled$x)) / sd(labelled$x))
  expect_equal(d$sources[[1]]$exog[1:60, 3], d$labels$exog[, 3], ignore_attr = TRUE)
  d <- design(log(y + 100) ~ x + offset(x), all, source, on = "id")
  expect_equal(d$sources[[1]]$endog, log(source$y + 100))
  expect_equal(d$sources[[1]]$offset, source$x)
  expect_equal(d$yname, "log(y + 100)")
  # Levels go by name, in whatever order a source has them or lacks them.
  for (levels in list(c("c", "b", "a"), c("a", "zzz", "b", "c"))) {
    source$g <- factor(all$g, levels = levels)
    expect_equal(design(y ~ g, all, source, on = "id")$sources[[1]]$exog,
      design(y ~ g, all, c(y = "gy"))$sources[[1]]$exog)
  }
  few <- droplevels(source[source$g == "c", ])
  d <- design(y ~ g, all, few, on = "id")
  expect_equal(unique(d$sources[[1]]$exog), cbind(1, 0, 1))
  source$o <- factor(all$o, levels = rev(levels(all$o)))
  expect_equal(design(y ~ o, all, source, on = "id")$sources[[1]]$exog,
    design(y ~ o, all, c(y = "gy"))$sources[[1]]$exog)
})

test_that("C() and relevel() work on a source that lacks a level", {
  few <- subset(all, g == "a", c("id", "gy", "g"))
  names(few)[2] <- "y"
  formulas <- list(y ~ C(factor(g), contr.sum), y ~ relevel(factor(g), ref = "c"))
  for (formula in formulas) {
    d <- design(formula, all, few, on = "id")
    like <- design(formula, all, c(y = "gy"))
    expect_equal(d$sources[[1]]$exog, like$sources[[1]]$exog[all$g == "a", ])
    expect_equal(d$sources[[1]]$endog, few$y)
  }
})

test_that("matrix columns work like any other", {
  all$m <- cbind(a = all$x, b = all$z)
  expect_like_glm(y ~ m, all)
  source <- all
  source$m <- cbind(all$x, all$z, 1)
  expect_snapshot(error = TRUE, design(y ~ m, all, source, on = "id"))
  source$m <- cbind(b = all$z, a = all$x)
  expect_snapshot(error = TRUE, design(y ~ m, all, source, on = "id"))
})

test_that("the outcome follows glm() for each family", {
  all$b <- all$y > 1
  all$gb <- all$gy > 1
  d <- design(b ~ x, all, c(b = "gb"), family = binomial())
  expect_identical(d$labels$endog, as.double(all$b[1:60]))
  expect_identical(d$sources[[1]]$endog, as.double(all$gb))
  all$f <- factor(ifelse(all$b, "yes", "no"), levels = c("yes", "no"))
  all$gf <- factor(ifelse(all$gb, "yes", "no"))
  d <- design(f ~ x, all, c(f = "gf"), family = binomial())
  expect_identical(d$labels$endog, 1 - as.double(all$b[1:60]))
  expect_identical(d$sources[[1]]$endog, 1 - as.double(all$gb))
  expect_identical(d$ylevels, c("yes", "no"))
  d <- design(factor(b) ~ x, all, c(b = "gb"), family = "quasibinomial")
  expect_identical(d$sources[[1]]$endog, as.double(all$gb))
  d <- design(scale(y) ~ x, all, c(y = "gy"))
  expect_equal(mean(d$labels$endog), 0)
  expect_equal(d$sources[[1]]$endog, (all$gy - mean(labelled$y)) / sd(labelled$y))
  all$gf <- ifelse(all$gb, "yes", "maybe")
  expect_snapshot(error = TRUE, design(f ~ x, all, c(f = "gf"), family = binomial()))
  expect_snapshot(error = TRUE, design(f ~ x, all))
  all$f <- as.character(all$f)
  expect_snapshot(error = TRUE, design(f ~ x, all))
  expect_snapshot(error = TRUE, design(f ~ x, all, family = binomial()))
  expect_snapshot(error = TRUE, design(cbind(b, !b) ~ x, all))
  expect_snapshot(error = TRUE, design(cbind(y, x, z) ~ g, all))
  all$d <- as.Date("2020-01-01") + all$y
  expect_snapshot(error = TRUE, design(d ~ x, all))
  all$f <- factor(ifelse(is.na(all$y), NA, "yes"), levels = c("no", "yes"))
  expect_snapshot(error = TRUE, design(f ~ x, all, family = binomial()))
  skip_if_not_installed("survival")
  expect_snapshot(error = TRUE, design(survival::Surv(z, b) ~ x, all))
})

test_that("levels that no labelled unit has are refused", {
  all$g[c(100, 101, 103)] <- "d"
  expect_snapshot(error = TRUE, design(y ~ x + factor(g), all, c(y = "gy")))
  all$g <- factor(all$g)
  d <- design(y ~ g, all, c(y = "gy"), labeled = g != "c" & !is.na(y),
    missing = "drop") |> tryCatch(error = identity)
  expect_s3_class(d, "FormulaError")
  expect_match(conditionMessage(d), "level 'c', which no labelled unit has")
  all$g <- "a"
  expect_snapshot(error = TRUE, design(y ~ g, all, c(y = "gy")))
})

test_that("a dot means the columns that serve no other purpose", {
  d <- design(y ~ ., all, c(y = "gy", g = "gg"), on = "id", weights = w)
  expect_identical(colnames(d$labels$exog),
    c("(Intercept)", "x", "z", "ga", "gb", "gc", "o.L", "o.Q")[-4])
  d <- design(log(y + 9) ~ . - o, all[c("y", "x", "o", "gy", "w")], list(y = "gy"),
    weights = ~w)
  expect_identical(colnames(d$labels$exog), c("(Intercept)", "x"))
})

test_that("terms that depend on other rows are refused", {
  likert <- rep_len(c(1, 2, 3, 4, 5), 120)
  all$v <- likert
  dependent <- list(
    y ~ I(x - mean(x)), y ~ cut(x, 3), y ~ rank(x), y ~ cumsum(x), y ~ I(x / max(x)),
    y ~ I(v / max(v)), y ~ I(v - mean(v)), y ~ I(v > median(v)), I(y - mean(y)) ~ x,
    rank(y) ~ x, y ~ g + offset(x - min(x)), y ~ rnorm(length(x)), y ~ rev(x),
    y ~ I(scale(x)^2), y ~ as.numeric(factor(g)), y ~ ave(x, g), y ~ c(0, diff(x)),
    y ~ cut(v, quantile(v), include.lowest = TRUE), y ~ seq_along(x),
    y ~ nlevels(droplevels(o)):x
  )
  for (formula in dependent) {
    expect_error(design(formula, all, c(y = "gy")),
      "depends on which other rows|cannot be evaluated", class = "FormulaError",
      info = deparse1(formula))
  }
  expect_snapshot(error = TRUE, design(y ~ I(x - mean(x)), all))
  sorted <- all[order(all$g, all$x), ]
  rownames(sorted) <- NULL
  expect_silent(design(y ~ relevel(factor(g), ref = "c") + scale(x), sorted))
})

test_that("names that are no columns are constants, or refused", {
  x2 <- all$x
  short <- 1:2
  expect_snapshot(error = TRUE, design(y ~ x2, all))
  expect_snapshot(error = TRUE, design(y ~ x + xx, all))
  expect_snapshot(error = TRUE, design(y ~ all$x, all))
  expect_snapshot(error = TRUE, design(y ~ x + u, all, transform(all, u = 1)))
  expect_snapshot(error = TRUE, design(yy ~ x, all))
  expect_snapshot(error = TRUE, design(x2 ~ x, all))
  expect_snapshot(error = TRUE, design("y ~ x", all))
  expect_snapshot(error = TRUE, design(~x, all))
  expect_snapshot(error = TRUE, design(y ~ 0, all))
  expect_snapshot(error = TRUE, design(y ~ x + y, all))
  expect_error(design(y ~ I(x * short), all), class = "FormulaError")
})

test_that("what a term makes of some rows is named", {
  expect_snapshot(error = TRUE, design(y ~ log(x), all))
  all$x <- c(abs(all$x[1:60]) + 1, all$x[61:120])
  expect_snapshot(error = TRUE, design(y ~ log(x), all, c(y = "gy")))
  expect_snapshot(error = TRUE, design(y ~ cut(x, c(1, 2, 9)), all, c(y = "gy")))
  expect_snapshot(error = TRUE, design(y ~ stop("no"), all))
})

test_that("rows are in the order of units, with offsets and weights", {
  source <- data.frame(
    id = c("u005", "u002", "n001", "u005", "u002"), x = 1:5, y = 5:1, z = 2
  )
  d <- design(y ~ x + offset(z), all, source, on = "id")
  expect_identical(d$units[121], "n001")
  expect_identical(length(d$labeled), 121L)
  expect_identical(d$sources[[1]]$units, c(2L, 2L, 5L, 5L, 121L))
  expect_equal(d$sources[[1]]$endog, c(4, 1, 5, 2, 3))
  expect_equal(d$sources[[1]]$offset, rep(2, 5))
  expect_null(dimnames(d$sources[[1]]$exog))
  expect_identical(row.names(d$model), all$id[1:60])
})
