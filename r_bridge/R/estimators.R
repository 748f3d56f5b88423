#' Other estimators, one by one
#'
#' What [compare()] puts side by side, as results of their own: estimates of other methods
#' from the data of a fit.
#'
#' @param fit A fit by [augmented_gmm()].
#' @param source Name of the source; it may be left out where there is one.
#' @param power_tuning How far predictions are trusted: `"scalar"` (PPI++),
#'   `"coefficient"` (by coefficient) or `"none"` (PPI).
#' @param sources A proxy and a synthetic source; the only two if omitted.
#' @param seed Seed of folds, and of the random forest of `dsl()` and `reppi()`, which need
#'   scikit-learn in Python.
#' @param object,x,digits,level,parm,conf.int,conf.level,... As for the methods of
#'   `augmented_gmm`.
#'
#' @return An object of class `synth_estimate` with `coefficients`, `vcov`, `method`,
#'   `sources`, `valid` (whether its interval stays valid where the sources err),
#'   `effective_nobs` and, where the method has them, `power` (lambda of PPI++) and `mix`.
#'   [coef()], [vcov()], [confint()], [summary()], [nobs()], [tidy()] and [glance()] work.
#'   Intervals are asymptotic, as published, and too narrow where labels are few.
#' @references Angelopoulos, A. N., Duchi, J. C. and Zrnic, T. (2023). PPI++: Efficient
#'   prediction-powered inference. arXiv:2311.01453.
#'
#'   Egami, N., Hinck, M., Stewart, B. and Wei, H. (2023). Using imperfect surrogates for
#'   downstream inference. *NeurIPS 2023*.
#' @seealso [compare()]
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 17:32, NA), guess = 42 - 4 * wt - qsec / 2)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' ppi(fit)
#' tidy(naive_proxy(fit), conf.int = TRUE)
#' @name estimators
NULL

#' @rdname estimators
#' @export
ppi <- function(fit, source = NULL, power_tuning = c("scalar", "coefficient", "none")) {
  known <- c("scalar", "coefficient", "none")
  estimate_by("ppi", fit, source,
    power_tuning = choose_option(power_tuning, known, "power_tuning"))
}

#' @rdname estimators
#' @export
ppi_synth <- function(fit, sources = NULL, seed = 0) {
  estimate_by("ppi_synth", fit, sources = some_names(sources, "sources"), seed = seed)
}

#' @rdname estimators
#' @export
predict_then_debias <- function(fit, source = NULL) {
  estimate_by("predict_then_debias", fit, source)
}

#' @rdname estimators
#' @export
dsl <- function(fit, source = NULL, seed = 0) estimate_by("dsl", fit, source, seed = seed)

#' @rdname estimators
#' @export
reppi <- function(fit, seed = 0) estimate_by("reppi", fit, seed = seed)

#' @rdname estimators
#' @export
naive_proxy <- function(fit, source = NULL) estimate_by("naive_proxy", fit, source)

#' @rdname estimators
#' @export
naive_synthetic <- function(fit, source = NULL) {
  estimate_by("naive_synthetic", fit, source)
}

#' @rdname estimators
#' @export
naive_pooled <- function(fit) estimate_by("naive_pooled", fit)

estimate_by <- function(name, fit, source = NULL, power_tuning = NULL, sources = NULL,
                        seed = NULL) {
  check_fit(fit)
  value <- ask_python("estimator", fit, list(
    name = name, source = some_names(source, "source"), power_tuning = power_tuning,
    sources = sources, seed = one_whole(seed, "seed")
  ))
  terms <- names(fit$coefficients)
  structure(
    list(
      coefficients = stats::setNames(value$coefficients, terms),
      vcov = structure(value$vcov, dimnames = list(terms, terms)),
      effective_nobs = stats::setNames(value$effective_nobs, terms),
      method = value$method, sources = as.character(unlist(value$sources)),
      nobs = value$n_labeled, n_units = value$n_units, n_clusters = value$n_clusters,
      valid = value$valid, power = value$power, mix = value$mix,
      converged = value$converged, note = in_r_words(value$note),
      formula = fit$formula, call = match.call(sys.function(-1L), sys.call(-1L))
    ),
    class = "synth_estimate"
  )
}

#' @rdname estimators
#' @export
vcov.synth_estimate <- function(object, ...) {
  refuse_arguments("vcov", ...)
  object$vcov
}

#' @rdname estimators
#' @export
nobs.synth_estimate <- function(object, ...) {
  refuse_arguments("nobs", ..., also = "use.fallback")
  object$nobs
}

#' @rdname estimators
#' @export
confint.synth_estimate <- function(object, parm, level = 0.95, ...) {
  refuse_arguments("confint", ...)
  check_level(level)
  names <- names(object$coefficients)
  parm <- if (missing(parm)) names else check_parm(parm, names)
  half <- stats::qnorm((1 + level) / 2) * sqrt(diag(object$vcov))[parm]
  interval <- cbind(object$coefficients[parm] - half, object$coefficients[parm] + half)
  dimnames(interval) <- list(parm, percent((1 + c(-1, 1) * level) / 2))
  interval
}

#' @rdname estimators
#' @export
summary.synth_estimate <- function(object, ...) {
  refuse_arguments("summary", ...)
  error <- sqrt(diag(object$vcov))
  z <- object$coefficients / error
  table <- cbind(object$coefficients, error, z, two_sided(z, Inf))
  colnames(table) <- c("Estimate", "Std. Error", "z value", "Pr(>|z|)")
  structure(
    c(unclass(object)[names(object) != "coefficients"], list(coefficients = table)),
    class = "summary.synth_estimate"
  )
}

#' @rdname estimators
#' @export
print.synth_estimate <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  refuse_arguments("print", ...)
  print(summary(x), digits = digits)
  invisible(x)
}

#' @rdname estimators
#' @export
print.summary.synth_estimate <- function(x,
                                         digits = max(3L, getOption("digits") - 3L),
                                         ...) {
  refuse_arguments("print", ...)
  print_not_converged(x)
  print_call(x$call)
  cat(sprintf(
    "Method: %s; %s\n\nCoefficients:\n", x$method,
    if (length(x$sources)) {
      paste("sources:", paste(x$sources, collapse = ", "))
    } else {
      "no sources"
    }
  ))
  stats::printCoefmat(x$coefficients, digits = digits)
  cat(sprintf("\n%s labelled of %s\n", whole(x$nobs), count(x$n_units, "unit")))
  if (!is.null(x$power)) {
    cat("Power (lambda):", paste(sprintf("%.3f", x$power), collapse = ", "), "\n")
  }
  print_notes(c(
    x$note[nzchar(x$note)],
    if (!isTRUE(x$valid)) {
      "It takes the sources at their word: its interval is about what they say."
    }
  ))
  cat("\n")
  invisible(x)
}

#' @rdname estimators
#' @export
tidy.synth_estimate <- function(x, conf.int = FALSE, conf.level = 0.95, ...) {
  refuse_arguments("tidy", ...)
  check_flag(conf.int, "conf.int")
  table <- summary(x)$coefficients
  result <- data.frame(
    term = rownames(table), estimate = table[, 1L], std.error = table[, 2L],
    statistic = table[, 3L], p.value = table[, 4L], row.names = NULL
  )
  if (conf.int) {
    interval <- confint(x, level = conf.level)
    result$conf.low <- unname(interval[, 1L])
    result$conf.high <- unname(interval[, 2L])
  }
  as_tibble_if_any(result)
}

#' @rdname estimators
#' @export
glance.synth_estimate <- function(x, ...) {
  refuse_arguments("glance", ...)
  as_tibble_if_any(data.frame(
    method = x$method, nobs = x$nobs, n_units = x$n_units,
    n_sources = length(x$sources), valid = x$valid, converged = x$converged
  ))
}
