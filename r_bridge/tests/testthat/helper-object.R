# A fitted object without Python: glm on a fixed data set for the labels, and gains that
# are made up but agree with each other. Numbers come from sines, not from a generator
# of random numbers, so that they are the same in every version of R.

fraction <- function(i, step) (i * step) %% 1

fit_units <- function(family = "gaussian", T = 120L, n = 40L) {
  i <- seq_len(T)
  u <- fraction(i, 0.6180339887)
  units <- data.frame(
    x = 2 * sin(1.3 * i),
    group = factor(c("a", "b", "c")[1L + (i * 7L) %/% 3L %% 3L]),
    size = 1 + fraction(i, 0.4142135623),
    village = paste0("v", (i * 5L) %% 24L),
    row.names = sprintf("u%03d", i)
  )
  eta <- 0.3 + 0.6 * units$x - 0.5 * (units$group == "b")
  y <- switch(family,
    gaussian = eta + stats::qnorm(u),
    binomial = as.numeric(u < stats::plogis(eta)),
    poisson = stats::qpois(u, exp(eta))
  )
  units$y <- ifelse(i %% 3L == 1L & cumsum(i %% 3L == 1L) <= n, y, NA)
  units
}

example_formula <- function(offset = FALSE) {
  if (offset) y ~ x + group + offset(log(size)) else y ~ x + group
}

example_glm <- function(family = "gaussian", offset = FALSE,
                        formula = example_formula(offset), units = NULL,
                        contrasts = NULL) {
  units <- if (is.null(units)) fit_units(family) else units
  labelled <- units[!is.na(units$y), ]
  call <- call("glm", formula, family = as.name(family), data = quote(labelled),
    contrasts = contrasts)
  eval(call)
}

hc3 <- function(fit) {
  x <- stats::model.matrix(fit)
  w <- fit$weights
  score <- x * (stats::residuals(fit, "working") * w) / (1 - stats::hatvalues(fit))
  bread <- solve(crossprod(x * sqrt(w)))
  bread %*% crossprod(score) %*% bread
}

example_sources <- function() {
  data.frame(
    kind = c("proxy", "synthetic"), units = c(120L, 118L), labelled = c(40L, 39L),
    rows_per_unit = c(1, 2.5), explained = c(0.616, 0.252),
    dropped_rows = c(0L, 3L), row.names = c("guess", "draws")
  )
}

example_notes <- function(cluster) {
  c(
    paste0(
      "Standard errors are corrected for few ", if (cluster) "clusters" else "labels",
      ", and robust to misspecification of the model",
      if (cluster) " and to dependence within clusters", "."
    ),
    paste(
      "Hansen J tests whether the labelled units look like the rest, as far as the",
      "sources can see. No sign here that they do not, which is no proof: with few",
      "labels the test sees only large differences."
    ),
    "Source 'draws': 3 rows with missing values are left out."
  )
}

# E with E'E near, but not equal to, the covariance; a row per unit or cluster.
example_influence <- function(v, rows) {
  p <- ncol(v)
  z <- outer(seq_len(rows), seq_len(p), function(i, j) sin((0.7 + 0.9 * j) * i + j))
  e <- qr.Q(qr(z)) %*% chol(v) %*% (diag(p) + 0.1 * outer(1:p, 1:p, "/") / p)
  structure(e, dimnames = list(NULL, colnames(v)))
}

example_fit <- function(family = "gaussian", sources = TRUE, offset = FALSE,
                        cluster = FALSE, use_t = TRUE, influence = TRUE,
                        weights = FALSE, formula = example_formula(offset),
                        units = fit_units(family), contrasts = NULL) {
  base <- example_glm(family, formula = formula, units = units, contrasts = contrasts)
  terms <- names(stats::coef(base))
  p <- length(terms)
  n <- stats::nobs(base)
  real <- hc3(base)
  keep <- if (sources) sqrt(1 - seq(0.15, 0.45, length.out = p)) else rep(1, p)
  v <- structure(real * outer(keep, keep), dimnames = list(terms, terms))
  beta <- stats::coef(base) + if (sources) 0.3 * sqrt(diag(real)) else 0
  x <- stats::model.matrix(base)
  eta <- drop(x %*% beta) + if (is.null(base$offset)) 0 else base$offset
  mean <- base$family$linkinv(eta)
  y <- stats::setNames(as.double(base$y), names(base$y))
  facts <- example_sources()[if (sources) 1:2 else integer(), ]
  by_source <- function(shift) {
    values <- outer(shift, stats::coef(base)) + 0.05
    dimnames(values) <- list(example_names(facts), terms)
    values[seq_len(nrow(facts)), , drop = FALSE]
  }
  shift <- if (sources) c(0.8, 1.3) else numeric()
  rows <- if (cluster) 24L else nrow(units)
  structure(
    list(
      coefficients = beta, vcov = v,
      df.residual = if (!use_t) Inf else n - p - if (sources) 4.3 else 0,
      use_t = use_t, nobs = n, n_units = nrow(units), family = base$family,
      formula = formula, terms = stats::terms(base), xlevels = base$xlevels,
      contrasts = base$contrasts, model = stats::model.frame(base),
      call = example_call(formula, family, sources, cluster), y = y,
      fitted.values = mean, linear.predictors = eta, residuals = y - mean,
      offset = base$offset, weights = if (weights) rep(c(1, 2), length.out = n),
      labels_only = list(
        coefficients = stats::coef(base),
        vcov = structure(real, dimnames = list(terms, terms)),
        df.residual = if (use_t) n - p else Inf
      ),
      variance_reduction = 1 - diag(v) / diag(real),
      effective_nobs = n * diag(real) / diag(v),
      sources = facts,
      naive = list(
        coefficients = by_source(shift),
        std.error = abs(by_source(shift)) / 4 + 0.02
      ),
      auxiliary = by_source(shift),
      jtest = example_jtest(sources, p),
      representativeness = example_representativeness(sources, p),
      j_variance_df = if (cluster) 19 else Inf,
      representativeness_df = if (cluster) 19 else Inf,
      method = if (sources) "GMM-Synth, few-label default" else "Labels only",
      steps = 2L, use_correction = TRUE, design_weights = rep(1, n),
      cov_type = if (cluster) "cluster" else "robust", labeling = "equal",
      notes = if (sources) example_notes(cluster) else example_notes(cluster)[1L],
      dropped_sources = character(), n_clusters = if (cluster) 20L, n_incomplete = 0L,
      converged = TRUE, settled = TRUE, iterations = 2L,
      influence = if (influence) example_influence(v, rows),
      units = if (influence && !cluster) {
        row.names(units)
      } else if (influence) {
        unique(units$village)
      },
      slope = structure(
        crossprod(x * sqrt(base$weights)), dimnames = list(terms, terms)
      )
    ),
    class = "augmented_gmm"
  )
}

example_names <- function(facts) if (nrow(facts)) row.names(facts) else character()

example_call <- function(formula, family, sources, cluster) {
  arguments <- list(quote(augmented_gmm), formula = formula, data = quote(units))
  if (sources) {
    arguments$proxy <- quote(list(guess = guesses))
    arguments$synthetic <- quote(list(draws = draws))
  }
  arguments$family <- as.name(family)
  if (cluster) arguments$cluster <- as.name("village")
  as.call(arguments)
}

example_jtest <- function(sources, p) {
  if (!sources) {
    return(c(statistic = NaN, p.value = NaN, df = 0))
  }
  statistic <- 3.813
  df <- 2 * p
  c(statistic = statistic, p.value = stats::pchisq(statistic, df, lower.tail = FALSE),
    df = df)
}

example_representativeness <- function(sources, p) {
  statistic <- c(3.813, 2.1, 1.4)
  df <- c(2 * p, p, p)
  added <- c(NA, 2.413, 1.713)
  frame <- data.frame(
    statistic = statistic,
    p.value = stats::pchisq(statistic, df, lower.tail = FALSE), df = df,
    c.statistic = added,
    c.p.value = stats::pchisq(added, p, lower.tail = FALSE),
    row.names = c("all sources", "guess", "draws")
  )
  if (!sources) {
    frame <- frame[1L, ]
    frame[1L, ] <- c(NaN, NaN, 0, NaN, NaN)
  }
  frame
}

# glm with the coefficients of a fit: what R's own methods make of them.
glm_twin <- function(fit, base = example_glm(fit$family$family, formula = fit$formula)) {
  base$coefficients[] <- fit$coefficients
  eta <- drop(stats::model.matrix(base) %*% fit$coefficients)
  base$linear.predictors[] <- eta + if (is.null(base$offset)) 0 else base$offset
  base$fitted.values[] <- base$family$linkinv(base$linear.predictors)
  base$residuals[] <- (base$y - base$fitted.values) /
    base$family$mu.eta(base$linear.predictors)
  base
}
