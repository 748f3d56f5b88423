#' Contributions of the units, for package sandwich
#'
#' With them, `sandwich::sandwich(fit)` is `vcov(fit)` to rounding, and
#' `sandwich::vcovCL(fit, cluster = )` clusters anew.
#'
#' @param x An object of class `augmented_gmm`, fitted with `influence = TRUE`.
#' @param type `"HC3"`, or `"HC0"` of a fit with `use_correction = FALSE`: the kind that
#'   the covariance of the fit is of. It need not be given.
#' @param ... Ignored by `estfun()` and `bread()`; errors of the others.
#'
#' @details A row belongs to each unit, labelled or not, in the order of the units:
#'   those of `data` first, then those that only sources have. A unit that takes no part,
#'   because it is neither labelled nor in a source, has zeros. A model with clusters has
#'   one row per cluster. Row names are those of units or clusters. A vector for
#'   `cluster =` needs as many values; a formula is looked up in `data`, which is enough
#'   where no source has units of its own.
#'
#'   `sandwich::vcovHC(fit)` is `vcov(fit)`, which is robust to heteroscedasticity
#'   already and of the kind HC3: corrected for few labels. Other types are errors, as
#'   are `sandwich::vcovBS()` (its bootstrap redraws the rows of `data` alone, without
#'   those of sources) and `clubSandwich::vcovCR()` (it takes the labelled rows for the
#'   whole sample). `sandwich::vcovCL()` does not correct for few clusters, and
#'   `lmtest::coeftest()` keeps the degrees of freedom of the fit: below 50 clusters with
#'   labelled units it warns. For standard errors and degrees of freedom that are right
#'   with few clusters, fit with `cluster =`.
#'
#'   Let \eqn{E} hold the influence of each unit on the estimate and \eqn{V} be
#'   `vcov(fit)`, which is corrected for few labels, so that \eqn{S = E'E} is near
#'   \eqn{V} only. \eqn{A = S^{-1/2} (S^{1/2} V S^{1/2})^{1/2} S^{-1/2}} is the linear
#'   map closest to the identity with \eqn{A'SA = V}, where coefficients are measured in
#'   standard errors, and \eqn{D} the derivative of the score of the labels. Then
#'   `estfun()` is \eqn{E A D} and `bread()` is \eqn{N D^{-1}} with the number of rows
#'   \eqn{N}.
#'
#' @return `vcovHC()`: a covariance matrix. `estfun()`: a matrix with a row per unit or
#'   cluster and a column per
#'   coefficient. `bread()`: a square matrix.
#' @examplesIf synth_available() && requireNamespace("sandwich", quietly = TRUE)
#' units <- transform(mtcars, mpg = replace(mpg, 13:32, NA), guess = 34 - 4 * wt)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' all.equal(sandwich::sandwich(fit), vcov(fit))
#' head(sandwich::estfun(fit))
#' @name sandwich-methods
NULL

#' @rdname sandwich-methods
#' @rawNamespace S3method(sandwich::estfun, augmented_gmm)
estfun.augmented_gmm <- function(x, ...) {
  influence <- influence_or_stop(x)
  check_asker(x, nrow(influence), parent.frame())
  map <- closest_map(crossprod(influence), x$vcov)
  scores <- influence %*% map %*% positive_slope(x)
  rows <- if (!is.null(x$units)) as.character(x$units)
  dimnames(scores) <- list(rows, names(x$coefficients))
  scores
}

#' @rdname sandwich-methods
#' @exportS3Method sandwich::bread
bread.augmented_gmm <- function(x, ...) {
  slope <- positive_slope(x)
  # Scaled, as coefficients may be of very different size.
  size <- outer(sqrt(diag(slope)), sqrt(diag(slope)))
  bread <- nrow(influence_or_stop(x)) * solve(slope / size) / size
  dimnames(bread) <- dimnames(x$vcov)
  bread
}

#' @rdname sandwich-methods
#' @exportS3Method sandwich::vcovHC
vcovHC.augmented_gmm <- function(x, type = NULL, ...) {
  refuse_arguments("vcovHC", ...)
  if (!is.null(x$n_clusters)) {
    synth_stop(
      paste(
        "The fit is robust to clusters, and vcovHC() is not: use vcov(fit), or fit",
        "without cluster."
      ),
      "OptionError"
    )
  }
  own <- if (isFALSE(x$use_correction)) "HC0" else "HC3"
  if (!is.null(type) && !identical(type, own)) {
    synth_stop(
      sprintf(
        paste(
          "vcovHC() of this fit has no type %s. vcov(fit) is robust to",
          "heteroscedasticity already, and of the kind %s: leave type out.%s"
        ), deparsed(type), own,
        if (own == "HC3") " use_correction = FALSE gives the kind HC0." else ""
      ),
      "OptionError"
    )
  }
  x$vcov
}

#' @exportS3Method sandwich::vcovBS
vcovBS.augmented_gmm <- function(x, ...) {
  synth_stop(
    paste(
      "vcovBS() would redraw the rows of data without those of the sources. vcov(fit) is",
      "robust already; with cluster = in augmented_gmm(), to clusters too."
    ),
    "OptionError"
  )
}

#' @exportS3Method clubSandwich::vcovCR
vcovCR.augmented_gmm <- function(obj, ...) {
  synth_stop(
    paste(
      "vcovCR() would take the labelled rows for the whole sample, and its standard",
      "errors would be wrong. Fit with cluster = in augmented_gmm(): vcov(fit) is then",
      "robust to clusters and corrected for few of them, like CR3."
    ),
    "OptionError"
  )
}

# vcovCL() and meatHC() are functions of package sandwich that no method can answer for.
# What they would answer obscurely, or wrongly, is refused when they ask for estfun().
check_asker <- function(x, n, asker) {
  if (!identical(environmentName(topenv(asker)), "sandwich")) {
    return(invisible())
  }
  type <- get0("type", asker, inherits = FALSE)
  if (exists("diaghat", asker, inherits = FALSE) ||
    (length(type) == 1L && type %in% c("HC2", "HC3"))) {
    synth_stop(
      paste(
        "Leverages of labelled rows do not fit contributions of all units, so that there",
        "is no meatHC(), and no type HC2 or HC3 of vcovCL(). vcov(fit) is corrected for",
        "few labels; with cluster = in augmented_gmm(), for few clusters."
      ),
      "OptionError"
    )
  }
  cluster <- get0("cluster", asker, inherits = FALSE)
  if (is.null(cluster)) {
    return(invisible())
  }
  if (!is.null(x$n_population)) {
    synth_stop(
      paste(
        "With population = \"finite\" there are no standard errors by cluster: the",
        "units are fixed, and only the choice of labels is chance. Use vcov(fit), or",
        "fit without population."
      ),
      "OptionError"
    )
  }
  groups <- cluster_frame(x, cluster)
  given <- if (is.null(groups)) NA_integer_ else n_rows(groups)
  if (!identical(as.integer(given), as.integer(n))) {
    refuse_cluster(x, n, given, cluster)
  }
  warn_few_clusters(x, groups)
}

# The columns that sandwich will cluster by, or NULL where it will not find them.
cluster_frame <- function(x, cluster) {
  if (!inherits(cluster, "formula")) {
    return(as.data.frame(cluster))
  }
  tryCatch(
    stats::model.frame(
      cluster, stats::expand.model.frame(x, cluster, na.expand = FALSE),
      na.action = stats::na.pass
    ),
    error = function(e) NULL
  )
}

# vcovCL() does not correct for few clusters, and what calls it keeps the degrees of
# freedom of the fit. Below this number of clusters intervals are visibly too short.
few_clusters <- 50L

warn_few_clusters <- function(x, groups) {
  # Clusters without labels say little of the estimate.
  labelled <- match(names(x$residuals), as.character(x$units))
  rows <- if (anyNA(labelled)) seq_len(n_rows(groups)) else labelled
  found <- min(vapply(groups, function(group) length(unique(group[rows])), 0L))
  if (found >= few_clusters) {
    return(invisible())
  }
  synth_warn(sprintf(
    paste(
      "vcovCL() sums over %s with labelled units and does not correct for so few:",
      "standard errors are too small, and tests such as coeftest() still have the %s of",
      "the fit. Fit with cluster = in augmented_gmm(), which corrects both."
    ),
    count(found, "cluster"),
    if (is.finite(x$df.residual)) {
      sprintf("%s degrees of freedom", df_range(x))
    } else {
      "normal distribution"
    }
  ), "FewClustersWarning")
}

refuse_cluster <- function(x, n, given, cluster) {
  is_formula <- inherits(cluster, "formula")
  has <- if (is.na(given)) {
    sprintf("cluster = %s cannot be looked up in data", deparse1(cluster))
  } else {
    paste0(
      "cluster has ", count(given, "value"), if (is_formula) ", one for each row of data"
    )
  }
  what <- if (is.null(x$n_clusters)) "unit" else "cluster"
  synth_stop(
    sprintf(
      paste(
        "%s; there are %s, labelled or not. Give a vector with one value",
        "for each, in the order of rownames(sandwich::estfun(fit))%s, or fit with",
        "cluster = in augmented_gmm()."
      ), has, count(n, what), if (what == "unit") ": the rows of data first" else ""
    ),
    "AlignmentError"
  )
}

influence_or_stop <- function(x) {
  if (is.null(x$influence)) {
    synth_stop(
      paste(
        "The contributions of the units are not in this object. Fit with",
        "influence = TRUE (and, for the labels alone, without proxy and synthetic)."
      ),
      "OptionError"
    )
  }
  if (anyNA(x$vcov) || anyNA(x$influence)) {
    synth_stop("The fit has no covariance: it did not converge.")
  }
  x$influence
}

# Sandwiches take the derivative with the sign that makes it positive, and symmetric.
positive_slope <- function(x) {
  slope <- (x$slope + t(x$slope)) / 2
  if (sum(diag(slope)) < 0) -slope else slope
}

# A = S^-1/2 (S^1/2 V S^1/2)^1/2 S^-1/2, in coordinates in which both covariances are
# near one: coefficients may be of very different size.
closest_map <- function(s, v) {
  scale <- sqrt(diag(v))
  s <- s / outer(scale, scale)
  v <- v / outer(scale, scale)
  parts <- eigen((s + t(s)) / 2, symmetric = TRUE)
  if (min(parts$values) <= 1e-12 * max(parts$values)) {
    synth_stop(paste(
      "The contributions span fewer dimensions than there are coefficients:",
      "there are too few clusters."
    ))
  }
  root <- parts$vectors %*% (sqrt(parts$values) * t(parts$vectors))
  inverse <- parts$vectors %*% (t(parts$vectors) / sqrt(parts$values))
  middle <- eigen(root %*% v %*% root, symmetric = TRUE)
  middle <- middle$vectors %*% (sqrt(pmax(middle$values, 0)) * t(middle$vectors))
  # E (in units of the coefficients) -> scaled -> mapped -> back
  (inverse %*% middle %*% inverse) * outer(1 / scale, scale)
}
