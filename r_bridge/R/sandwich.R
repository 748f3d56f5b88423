#' Contributions of the units, for package sandwich
#'
#' With them, `sandwich::sandwich(fit)` is `vcov(fit)` to rounding, and
#' `sandwich::vcovCL(fit, cluster = )` clusters anew.
#'
#' @param x An object of class `augmented_gmm`, fitted with `influence = TRUE`.
#' @param ... Ignored.
#'
#' @details A row belongs to each unit, labelled or not, in the order of the units:
#'   those of `data` first, then those that only sources have. A model with clusters has
#'   one row per cluster. A vector for `cluster =` needs as many values; a formula is not
#'   enough, as it would be looked up for the labelled rows alone.
#'
#'   Let \eqn{E} hold the influence of each unit on the estimate and \eqn{V} be
#'   `vcov(fit)`, which is corrected for few labels, so that \eqn{S = E'E} is near
#'   \eqn{V} only. \eqn{A = S^{-1/2} (S^{1/2} V S^{1/2})^{1/2} S^{-1/2}} is the linear
#'   map closest to the identity with \eqn{A'SA = V}, where coefficients are measured in
#'   standard errors, and \eqn{D} the derivative of the score of the labels. Then
#'   `estfun()` is \eqn{E A D} and `bread()` is \eqn{N D^{-1}} with the number of rows
#'   \eqn{N}.
#'
#' @return `estfun()`: a matrix with a row per unit or cluster and a column per
#'   coefficient. `bread()`: a square matrix.
#' @examplesIf synth_available() && requireNamespace("sandwich", quietly = TRUE)
#' units <- transform(mtcars, mpg = replace(mpg, 13:32, NA), guess = 34 - 4 * wt)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' all.equal(sandwich::sandwich(fit), vcov(fit))
#' sandwich::vcovCL(fit, cluster = units$cyl)
#' @name sandwich-methods
NULL

#' @rdname sandwich-methods
#' @rawNamespace S3method(sandwich::estfun, augmented_gmm)
estfun.augmented_gmm <- function(x, ...) {
  influence <- influence_or_stop(x)
  map <- closest_map(crossprod(influence), x$vcov)
  scores <- influence %*% map %*% positive_slope(x)
  dimnames(scores) <- list(rownames(influence), names(x$coefficients))
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
