#' Instruments: how strong, and do they agree?
#'
#' For a fit of `y ~ x | d ~ z`.
#'
#' @param object A fit by [augmented_gmm()] with instruments.
#' @return `first_stage()`: a data frame with a row for each endogenous regressor, the share
#'   of its variance that the instruments explain beside the exogenous ones
#'   (`partial_rsquared`), and the robust F statistic of the instruments with its degrees of
#'   freedom and p-value. `overidentification()`: of class `htest`, the robust score test
#'   whether more instruments than needed agree. Both are of the labels.
#' @references Staiger, D. and Stock, J. H. (1997). Instrumental variables regression with
#'   weak instruments. *Econometrica* 65, 557-586.
#'
#'   Wooldridge, J. M. (2010). *Econometric Analysis of Cross Section and Panel Data*, 2nd
#'   ed., chapters 5 and 6. MIT Press.
#' @examplesIf synth_available()
#' set.seed(1)
#' units <- data.frame(z = rnorm(800), u = rnorm(800))
#' units$d <- units$z + units$u + rnorm(800)
#' y <- 0.5 * units$d + units$u + rnorm(800)
#' units$guess <- y + rnorm(800, sd = 0.3)
#' units$y <- ifelse(seq_len(800) <= 150, y, NA)
#' fit <- augmented_gmm(y ~ 1 | d ~ z, units, proxy = c(y = "guess"))
#' fit
#' first_stage(fit)
#' @export
first_stage <- function(object) {
  check_fit(object)
  if (is.null(object$first_stage)) {
    synth_stop(
      "The fit has no instruments: they are written y ~ x | d ~ z.", "OptionError"
    )
  }
  object$first_stage
}

#' @rdname first_stage
#' @export
overidentification <- function(object) {
  first_stage(object)
  found <- object$overidentification
  if (is.null(found)) {
    synth_stop(
      paste(
        "There are no more instruments than endogenous regressors, so that nothing is",
        "left to test."
      ),
      "OptionError"
    )
  }
  structure(
    list(
      statistic = c(chisq = found[[1L]]), parameter = c(df = found[[3L]]),
      p.value = found[[2L]],
      method = "Robust score test of overidentifying instruments, on the labels",
      data.name = deparse1(object$formula)
    ),
    class = "htest"
  )
}
