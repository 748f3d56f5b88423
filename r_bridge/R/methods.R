#' Methods for fitted regressions with sources
#'
#' What R users expect of a fitted model. All refer to the coefficients of the formula;
#' rows are the labelled units.
#'
#' @param x,object,formula An object of class `augmented_gmm`.
#' @param parm Coefficients, by name or number; all if omitted.
#' @param level Confidence level.
#' @param type Residuals: label minus fitted mean (`"response"`), that over the standard
#'   deviation which the family implies (`"pearson"`), or over the derivative of the
#'   mean with respect to the linear predictor (`"working"`).
#' @param data Data frame to build the design matrix of; the labelled rows if omitted.
#' @param full Ignored.
#' @param fit,scale,k,scope As in [stats::extractAIC()] and [stats::add1()], which are
#'   errors here.
#' @param complete Ignored: no coefficient is aliased.
#' @param digits Significant digits.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @details `coef()`, `fitted()`, `df.residual()`, `weights()`, `terms()` and `update()`
#'   work as for [stats::glm()]; `update()` evaluates the call anew. Intervals use
#'   Student's t with the degrees of freedom in `fit$df.inference`, one for each
#'   coefficient (at most `df.residual()`; fewer where few units decide it), or the normal
#'   distribution
#'   where these are infinite. The estimate maximises no likelihood, so that `logLik()`,
#'   `deviance()`, `AIC()`, `BIC()`, `add1()`, `drop1()` and `step()` are errors, as are
#'   influence measures of least squares such as `hatvalues()`, `simulate()`, and lmtest's tests that refit by least squares, such as `bptest()`; nested models
#'   are compared with [anova()][anova.augmented_gmm()], `lmtest::waldtest()` or `car::linearHypothesis()`. `sigma()` exists in
#'   the gaussian family: the residual standard deviation among the labelled units, each
#'   counted by its weight over its probability of being labelled.
#'
#' @return What the generic returns for a [stats::glm()].
#' @seealso [summary.augmented_gmm()], [predict.augmented_gmm()],
#'   [plot.augmented_gmm()], [tidy.augmented_gmm()], [sandwich-methods]
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 13:32, NA), guess = 34 - 4 * wt)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' fit
#' confint(fit)
#' vcov(fit)
#' head(residuals(fit))
#' update(fit, . ~ . + hp)
#' @importFrom stats case.names confint family formula model.frame model.matrix nobs
#' @importFrom stats coef df.residual fitted predict residuals sigma variable.names vcov
#' @importFrom stats AIC BIC anova deviance extractAIC logLik weights
#' @name augmented_gmm-methods
NULL

#' @rdname augmented_gmm-methods
#' @export
vcov.augmented_gmm <- function(object, complete = TRUE, ...) {
  refuse_arguments("vcov", ...)
  object$vcov
}

#' @rdname augmented_gmm-methods
#' @export
coef.augmented_gmm <- function(object, complete = TRUE, ...) {
  refuse_arguments("coef", ...)
  object$coefficients
}

#' @rdname augmented_gmm-methods
#' @export
confint.augmented_gmm <- function(object, parm, level = 0.95, ...) {
  refuse_arguments("confint", ...)
  names <- names(object$coefficients)
  parm <- if (missing(parm)) names else check_parm(parm, names)
  check_level(level)
  tails <- c((1 - level) / 2, (1 + level) / 2)
  error <- stats::setNames(standard_errors(object$vcov), names)[parm]
  df <- coefficient_df(object)[parm]
  size <- vapply(tails, stats::qt, numeric(length(df)), df = df)
  interval <- object$coefficients[parm] + error * matrix(size, ncol = 2L)
  dimnames(interval) <- list(parm, percent(tails))
  interval
}

#' Intervals of quantile regressions from score tests
#'
#' The standard error of a quantile needs the density of the outcome there, of which a
#' hundred labels say little. These intervals need none: they have the values of a
#' coefficient with which labels lie below the line as often as they should, given what
#' sources say of them.
#'
#' @param object A fit by [augmented_gmm()] with `score = quantile_score()`.
#' @param parm Coefficients, by name or number; all by default.
#' @param level Level of the intervals.
#'
#' @return A matrix as of [confint()]. An end is infinite where too few labels lie beyond
#'   the quantile to tell one.
#' @details Without sources and regressors they are the intervals of the sign test. With
#'   regressors they are of the kind of `summary(rq(), se = "rank")` of package quantreg.
#' @references Gutenbrunner, C., Jureckova, J., Koenker, R. and Portnoy, S. (1993). Tests of
#'   linear hypotheses based on regression rank scores. *Journal of Nonparametric
#'   Statistics* 2, 307-331.
#' @examplesIf synth_available()
#' set.seed(1)
#' units <- data.frame(x = rnorm(900))
#' y <- units$x + rnorm(900)
#' units$guess <- y + rnorm(900, sd = 0.5)
#' units$y <- ifelse(seq_len(900) <= 100, y, NA)
#' fit <- augmented_gmm(y ~ x, units, proxy = c(y = "guess"), score = quantile_score(0.9))
#' score_confint(fit)
#' @export
score_confint <- function(object, parm, level = 0.95) {
  check_fit(object)
  names <- names(object$coefficients)
  parm <- if (missing(parm)) names else check_parm(parm, names)
  value <- ask_python("score_confint", object, list(alpha = check_alpha(level)))
  tails <- c((1 - level) / 2, (1 + level) / 2)
  interval <- matrix(value$interval, ncol = 2L, dimnames = list(names, percent(tails)))
  interval[parm, , drop = FALSE]
}

check_parm <- function(parm, names) {
  if (is.numeric(parm)) {
    unknown <- parm[!(parm %in% seq_along(names))]
    if (length(unknown)) {
      synth_stop(
        sprintf(
          "parm = %s: there are %s.", format(unknown[1L]),
          count(length(names), "coefficient")
        ),
        "OptionError"
      )
    }
    return(names[parm])
  }
  unknown <- setdiff(as.character(parm), names)
  if (length(unknown) || !is.character(parm)) {
    synth_stop(
      sprintf(
        "There is no coefficient '%s'.%s", unknown[1L], suggest(unknown[1L], names)
      ),
      "OptionError"
    )
  }
  parm
}

check_level <- function(level, name = "level") {
  good <- is.numeric(level) && length(level) == 1L && !is.na(level) &&
    level > 0 && level < 1
  if (!good) {
    synth_stop(sprintf("%s must be one number between 0 and 1.", name), "OptionError")
  }
}

# As in confint.lm: "2.5 %".
percent <- function(tails) {
  paste(format(100 * tails, trim = TRUE, scientific = FALSE, digits = 3), "%")
}

#' @rdname augmented_gmm-methods
#' @export
nobs.augmented_gmm <- function(object, ...) {
  # BIC() and others ask for a fallback, which is not needed.
  refuse_arguments("nobs", ..., also = "use.fallback")
  object$nobs
}

#' @rdname augmented_gmm-methods
#' @export
formula.augmented_gmm <- function(x, ...) {
  refuse_arguments("formula", ...)
  x$formula
}

#' @rdname augmented_gmm-methods
#' @export
family.augmented_gmm <- function(object, ...) {
  refuse_arguments("family", ...)
  object$family
}

#' @rdname augmented_gmm-methods
#' @export
model.frame.augmented_gmm <- function(formula, ...) {
  refuse_least_squares_test(parent.frame())
  refuse_arguments("model.frame", ...)
  formula$model
}

#' @rdname augmented_gmm-methods
#' @export
model.matrix.augmented_gmm <- function(object, data = NULL, ...) {
  refuse_arguments("model.matrix", ...)
  if (!is.null(data)) {
    return(new_design(object, data)$exog)
  }
  exog <- stats::model.matrix(
    object$terms, object$model, contrasts.arg = object$contrasts
  )
  without_thresholds(object, exog)
}

# Thresholds stand for the constant of an ordered model.
without_thresholds <- function(object, exog) {
  if (!isTRUE(object$score$ordered)) {
    return(exog)
  }
  kept <- colnames(exog) != "(Intercept)"
  structure(
    exog[, kept, drop = FALSE], assign = attr(exog, "assign")[kept],
    contrasts = attr(exog, "contrasts")
  )
}

#' @rdname augmented_gmm-methods
#' @export
residuals.augmented_gmm <- function(object,
                                    type = c("response", "pearson", "working"), ...) {
  refuse_arguments("residuals", ...)
  type <- choose_option(type, c("response", "pearson", "working"), "type")
  refuse_without_means(object, "residuals()")
  if (type == "pearson" && is.null(object$family$variance)) {
    synth_stop(
      sprintf(
        "There are no Pearson residuals of this fit (%s): it has no variance of its own.",
        object$family$family
      ),
      "OptionError"
    )
  }
  weights <- if (is.null(object$weights)) 1 else object$weights
  family <- object$family
  switch(type,
    response = object$residuals,
    pearson = object$residuals * sqrt(weights / family$variance(object$fitted.values)),
    working = object$residuals / family$mu.eta(object$linear.predictors)
  )
}

#' @rdname augmented_gmm-methods
#' @export
fitted.augmented_gmm <- function(object, ...) {
  refuse_arguments("fitted", ...)
  if (!has_levels(object)) {
    refuse_without_means(object, "fitted()")
  }
  object$fitted.values
}

#' @rdname augmented_gmm-methods
#' @export
weights.augmented_gmm <- function(object, ...) {
  refuse_arguments("weights", ...)
  object$weights
}

#' @rdname augmented_gmm-methods
#' @export
df.residual.augmented_gmm <- function(object, ...) {
  refuse_arguments("df.residual", ...)
  object$df.residual
}

#' @rdname augmented_gmm-methods
#' @export
case.names.augmented_gmm <- function(object, full = FALSE, ...) {
  refuse_arguments("case.names", ...)
  names(object$y)
}

#' @rdname augmented_gmm-methods
#' @export
variable.names.augmented_gmm <- function(object, full = FALSE, ...) {
  refuse_arguments("variable.names", ...)
  names(object$coefficients)
}

#' The same regression on the labels alone
#'
#' What the labelled units say without any source: the estimate of [stats::glm()] with
#' robust standard errors (HC3; with clusters CR3; HC0 without the correction for few
#' labels).
#'
#' @param object An object of class `augmented_gmm`.
#'
#' @return An object of class `augmented_gmm` without sources, so that [coef()],
#'   [summary()], [predict()] and the like work on it. It does not have the contribution
#'   of each unit, which `sandwich::estfun()` needs: for that, fit without `proxy` and
#'   `synthetic`.
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 13:32, NA), guess = 34 - 4 * wt)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' summary(labels_only(fit))
#' @export
labels_only <- function(object) {
  check_fit(object)
  if (!has_sources(object)) {
    return(object)
  }
  real <- object$labels_only
  object$coefficients <- real$coefficients
  object$vcov <- real$vcov
  object$df.residual <- real$df.residual
  object$df.inference <- real$df.inference
  object$use_t <- is.finite(real$df.residual)
  object <- with_fitted(object)
  object$variance_reduction[] <- 0
  object$effective_nobs[] <- object$nobs
  object$call$proxy <- object$call$synthetic <- NULL
  object$method <- "Labels only"
  object$notes <- notes_on_labels(object$notes)
  without_sources(object)
}

with_fitted <- function(object) {
  if (has_levels(object)) {
    exog <- stats::model.matrix(object)
    offset <- if (is.null(object$offset)) 0 else object$offset
    object$fitted.values <- level_probabilities(object, exog, offset)
    return(object)
  }
  if (!predicts_means(object)) {
    return(object)
  }
  eta <- linear_part(object, stats::model.matrix(object))
  if (!is.null(object$offset)) {
    eta <- eta + object$offset
  }
  object$linear.predictors[] <- eta
  object$fitted.values[] <- object$family$linkinv(eta)
  object$residuals <- object$y - object$fitted.values
  object
}

without_sources <- function(object) {
  none <- integer()
  object$sources <- object$sources[none, , drop = FALSE]
  object$naive <- lapply(object$naive, function(x) x[none, , drop = FALSE])
  object$auxiliary <- object$auxiliary[none, , drop = FALSE]
  object$jtest[] <- c(NaN, NaN, 0)
  object$representativeness <- object$representativeness[1L, , drop = FALSE]
  object$representativeness[1L, ] <- list(NaN, NaN, 0, NaN, NaN)
  object$dropped_sources <- character()
  object["influence"] <- object["units"] <- list(NULL)
  if (!is.null(object$again)) {
    object$again$alone <- 1L
  }
  object
}

# Only what is said of the labels: few units or clusters, what the standard errors are (the first sentence of
# its note; what follows is about sources) and which units count as unlabelled.
notes_on_labels <- function(notes) {
  errors <- grepl("^Standard errors are", notes)
  of_labels <- paste0(
    "count as unlabelled|^NOT CONVERGED|^With clusters, the strata|",
    "^Few clusters:|^Few units:"
  )
  notes[errors] <- sub("^([^.]*\\.).*", "\\1", notes[errors])
  notes[errors | grepl(of_labels, notes)]
}

check_fit <- function(object, maker = "augmented_gmm") {
  if (!inherits(object, maker)) {
    synth_stop(
      sprintf(
        "A fit by %s() is needed; this is of class '%s'.", maker, class(object)[[1L]]
      ),
      "OptionError"
    )
  }
  invisible(object)
}

# What is asked of a fit, asked of something else, or of nothing.

#' @noRd
#' @export
agreement.default <- function(object, ...) check_fit(if (!missing(object)) object)

#' @noRd
#' @export
compare.default <- agreement.default

#' @noRd
#' @export
diagnostics.default <- agreement.default

#' @noRd
#' @export
plan.default <- agreement.default

#' @noRd
#' @export
expect.default <- agreement.default

#' @noRd
#' @export
designs.default <- agreement.default

#' @noRd
#' @export
labels_needed.default <- agreement.default

#' @noRd
#' @export
cheapest.default <- agreement.default

#' @noRd
#' @export
representativeness.default <- agreement.default
