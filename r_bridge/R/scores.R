#' Target models other than generalised linear ones
#'
#' What `score = ` of [augmented_gmm()] takes in place of a family.
#'
#' @param tau Which quantile: above 0 and below 1.
#' @param t Tuning constant: residuals count no more than at `t` times their scale.
#' @param scale That scale; the median absolute deviation of the labels' residuals if
#'   omitted.
#' @param levels Levels of the outcome, in order. If omitted, those of a factor, or of
#'   numbers, sorted; and for `multinomial_logit()` of text, sorted.
#' @param base The level that the others are compared with; the first if omitted.
#' @param treatment Name of the treatment, a regressor of the formula that is 0 or 1.
#' @param propensity Probability of being treated: a number, the name of a regressor that
#'   holds it, `"logit"` for a logistic regression on the other regressors, or `NULL` for
#'   regression adjustment alone.
#' @param x A target model.
#' @param ... Nothing.
#'
#' @details
#' * `quantile_score()`: quantile regression, such as the median. Standard errors are
#'   Powell's.
#' * `huber()`: least squares in which residuals count no more than up to a bound.
#' * `negative_binomial2()`: counts with variance `m + alpha m^2`. Its last coefficient is
#'   `lnalpha`, the log of the dispersion, estimated by maximum likelihood.
#' * `multinomial_logit()`: an outcome with levels. Coefficients are named `level:term`;
#'   `predict()` gives a column of probabilities for each level.
#' * `ordered_logit()`, `ordered_probit()`: levels in order, with thresholds such as
#'   `low/high` as [MASS::polr()] has them.
#' * `treatment_effect()`: the average effect of a treatment, with `y ~ treated + x`, by
#'   regression adjustment or, with propensities, augmented inverse probability weighting.
#'   The coefficient is `ATE`; the others are those of the regressions that it is made of.
#'
#' Sources give what people would have: a level, a number.
#'
#' @return An object of class `target_score`.
#' @references Koenker, R. and Bassett, G. (1978). Regression quantiles. *Econometrica* 46,
#'   33-50.
#'
#'   Huber, P. J. (1964). Robust estimation of a location parameter. *Annals of
#'   Mathematical Statistics* 35, 73-101.
#'
#'   Lin, W. (2013). Agnostic notes on regression adjustments to experimental data. *Annals
#'   of Applied Statistics* 7, 295-318.
#' @examples
#' quantile_score(0.9)
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 21:32, NA), guess = 42 - 4 * wt - qsec / 2)
#' augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"), score = quantile_score(0.5))
#' @name target_scores
NULL

#' @rdname target_scores
#' @export
quantile_score <- function(tau = 0.5) {
  tau <- one_number(tau, "tau")
  if (!(tau > 0 && tau < 1)) {
    synth_stop(
      sprintf("tau = %s is no quantile: give a number above 0 and below 1.", format(tau)),
      "OptionError"
    )
  }
  new_score("Quantile", sprintf("quantile %s", format(tau)), list(tau = tau))
}

#' @rdname target_scores
#' @export
huber <- function(t = 1.345, scale = NULL) {
  options <- list(t = one_number(t, "t"), scale = optional_number(scale, "scale"))
  new_score("Huber", sprintf("Huber regression, t = %s", format(t)), options)
}

#' @rdname target_scores
#' @export
negative_binomial2 <- function() {
  new_score("NegativeBinomial2", "negative binomial", list(), link = "log")
}

#' @rdname target_scores
#' @export
multinomial_logit <- function(levels = NULL, base = NULL) {
  level_score("MultinomialLogit", "multinomial logit", levels, list(base = base))
}

#' @rdname target_scores
#' @export
ordered_logit <- function(levels = NULL) {
  level_score("OrderedLogit", "ordered logit", levels, ordered = TRUE)
}

#' @rdname target_scores
#' @export
ordered_probit <- function(levels = NULL) {
  level_score("OrderedProbit", "ordered probit", levels, ordered = TRUE)
}

#' @rdname target_scores
#' @export
treatment_effect <- function(treatment, propensity = NULL) {
  if (!missing(treatment)) {
    treatment <- unit_column(treatment, substitute(treatment), "treatment")
  }
  if (missing(treatment) || !is_string(treatment)) {
    synth_stop("treatment is the name of a regressor. Give it in quotes.", "OptionError")
  }
  if (!is.null(propensity) && !is_string(propensity)) {
    propensity <- one_number(propensity, "propensity")
  }
  new_score(
    "AverageTreatmentEffect", sprintf("average effect of %s", treatment),
    list(treatment = treatment, propensity = propensity), predicts = "nothing"
  )
}

# `predicts`: "means" by a linear predictor, probabilities of "levels", or "nothing".
new_score <- function(name, text, options, link = "identity", predicts = "means",
                      ordered = FALSE) {
  structure(
    list(
      name = name, text = text, options = options, link = link, predicts = predicts,
      ordered = ordered
    ),
    class = "target_score"
  )
}

level_score <- function(name, text, levels, options = list(), ordered = FALSE) {
  if (!is.null(levels)) {
    levels <- level_text(levels)
    if (length(levels) < 2L || anyNA(levels) || anyDuplicated(levels)) {
      synth_stop("levels are two or more different levels, in order.", "OptionError")
    }
  }
  if (!is.null(options$base)) {
    options$base <- level_text(options$base)
  }
  score <- new_score(name, text, options, predicts = "levels", ordered = ordered)
  score["levels"] <- list(levels)
  score
}

level_text <- function(x) {
  if (is.numeric(x) && !is.factor(x)) {
    return(ifelse(is.na(x), NA_character_, sprintf("%.15g", x)))
  }
  as.character(x)
}

#' @rdname target_scores
#' @export
print.target_score <- function(x, ...) {
  refuse_arguments("print", ...)
  cat("Target model: ", x$text, "\n", sep = "")
  invisible(x)
}

# The target of a call: a score, linear regression with instruments or absorbed effects,
# or a family.
read_target <- function(score, family, family_given, parts) {
  if (is.null(score) && is.null(parts$instruments) && is.null(parts$fixed)) {
    return(list(family = as_family(family), predicts = "means"))
  }
  if (!is.null(score)) {
    if (!inherits(score, "target_score")) {
      synth_stop(
        sprintf(
          paste(
            "score is %s. Give a target model such as quantile_score(0.5): see",
            "?target_scores. Families go to family."
          ), describe_type(score)
        ),
        "OptionError"
      )
    }
    if (family_given) {
      synth_stop(
        "family and score both name the target model. Give one of them.", "OptionError"
      )
    }
  }
  linear <- is.null(score) && {
    family <- as_family(family)
    family$family == "gaussian" && family$link == "identity"
  }
  bar <- if (is.null(parts$instruments)) "fixed effects" else "instruments"
  if (!is.null(parts$bar) && !linear) {
    synth_stop(
      sprintf(
        paste(
          "'%s' after the bar of the formula names %s, which only a linear model allows.",
          "Leave family and score out%s."
        ), parts$bar, bar,
        if (bar == "instruments") "" else {
          sprintf(", or write factor(%s) if there are many labels in each group",
            parts$fixed[[1L]])
        }
      ),
      "OptionError"
    )
  }
  if (!is.null(parts$instruments)) {
    score <- new_score("InstrumentalVariables", "two-stage least squares", list(),
      predicts = if (is.null(parts$fixed)) "means" else "nothing")
  } else if (!is.null(parts$fixed)) {
    score <- new_score(NULL, "linear, fixed effects absorbed", list(),
      predicts = "nothing")
  }
  c(list(family = pseudo_family(score), score = score), score["predicts"])
}

# What methods ask of a family: name and link.
pseudo_family <- function(score) {
  if (score$predicts != "means") {
    return(structure(list(family = score$text, link = "none"), class = "family"))
  }
  like <- if (score$link == "log") stats::poisson() else stats::gaussian()
  structure(
    list(
      family = score$text, link = score$link, linkfun = like$linkfun,
      linkinv = like$linkinv, mu.eta = like$mu.eta, valideta = like$valideta
    ),
    class = "family"
  )
}

has_levels <- function(target) identical(target$predicts, "levels")

# The score as it crosses, with the columns of the design where it names some.
score_code <- function(target, design) {
  score <- target$score
  if (is.null(score) || is.null(score$name)) {
    return(NULL)
  }
  options <- score$options
  if (score$name == "AverageTreatmentEffect") {
    options$treatment <- column_of_term(options$treatment, "treatment", design)
    if (is_string(options$propensity) && options$propensity != "logit") {
      options$propensity <- column_of_term(options$propensity, "propensity", design)
    }
  }
  if (score$name == "InstrumentalVariables") {
    options <- design$instrumental
  }
  c(list(name = score$name), lapply(options, function(x) {
    if (is.character(x)) utf8(x, "score") else x
  }))
}

# A regressor's column: by its name, or that of its term, as in treatedTRUE.
column_of_term <- function(name, what, design) {
  columns <- colnames(design$labels$exog)
  if (name %in% columns) {
    return(name)
  }
  labels <- c("(Intercept)", attr(design$terms, "term.labels"))
  own <- columns[labels[design$assign + 1L] == name]
  if (length(own) != 1L) {
    synth_stop(
      sprintf(
        "%s = \"%s\" is not a regressor with one column.%s", what, name,
        suggest(name, setdiff(columns, "(Intercept)"))
      ),
      "OptionError"
    )
  }
  own
}

# --- outcomes with levels ---

outcome_levels <- function(y, target, name) {
  given <- target$score$levels
  own <- unique(level_text(y))
  if (!is.null(given)) {
    unused <- setdiff(given, own)
    if (length(unused)) {
      synth_stop(sprintf(
        paste(
          "No label is '%s', which levels has: nothing can be learned of its",
          "coefficients. Label units of that level, or take it from levels."
        ), unused[[1L]]
      ))
    }
    return(given)
  }
  if (length(own) < 2L) {
    synth_stop(sprintf(
      "The outcome '%s' has one level among the labels, '%s'. It needs two at least.",
      name, own
    ))
  }
  if (is.factor(y)) {
    return(levels(y))
  }
  if (is.numeric(y) && length(own) > 50L) {
    synth_stop(sprintf(
      paste(
        "The outcome '%s' has %d values among the labels: too many to be levels. For",
        "numbers leave score out; or give levels."
      ), name, length(own)
    ))
  }
  if (is.character(y) && target$score$ordered) {
    synth_stop(sprintf(
      paste(
        "Levels of '%s' have no order (%s). Make it a factor with levels from low to",
        "high, or give levels."
      ), name, format_units(sort(own))
    ))
  }
  if (is.character(y)) sort(own, method = "radix") else level_text(sort(unique(y)))
}

level_codes <- function(y, known, where, name, units) {
  if (NCOL(y) > 1L) {
    synth_stop(sprintf("The outcome '%s' has %d columns. Give one.", name, NCOL(y)))
  }
  codes <- match(level_text(y), known)
  strange <- which(is.na(codes))
  if (length(strange)) {
    synth_stop(sprintf(
      paste(
        "%s: the outcome '%s' has the level '%s', which no label has (%s). Levels are",
        "%s. Recode these rows, leave them out, or label units of that level."
      ), where, name, level_text(y)[[strange[[1L]]]], name_units(units(strange)),
      format_units(known, 10L)
    ))
  }
  as.double(codes - 1L)
}

# --- predictions of levels, as polr() and multinom() give them ---

level_probabilities <- function(object, exog, offset = 0) {
  beta <- object$coefficients
  known <- object$score$ylevels
  if (object$score$ordered) {
    eta <- drop(exog[, object$regressors, drop = FALSE] %*% beta[object$regressors])
    cuts <- beta[setdiff(names(beta), object$regressors)]
    below <- if (object$score$name == "OrderedProbit") stats::pnorm else stats::plogis
    upto <- cbind(0, below(outer(-(eta + offset), cuts, "+")), 1)
    chances <- upto[, -1L, drop = FALSE] - upto[, -ncol(upto), drop = FALSE]
  } else {
    columns <- matrix(beta, ncol = length(known) - 1L)
    eta <- cbind(0, exog %*% columns)
    eta[, 2L] <- eta[, 2L] + offset
    chances <- exp(eta - apply(eta, 1L, max))
    chances <- chances / rowSums(chances)
  }
  dimnames(chances) <- list(rownames(exog), known)
  chances
}

predict_levels <- function(object, newdata, type) {
  type <- choose_option(type, c("probs", "class"), "type")
  chances <- if (is.null(newdata)) {
    object$fitted.values
  } else {
    design <- new_design(object, newdata)
    level_probabilities(object, design$exog, design$offset)
  }
  if (type == "probs") {
    return(chances)
  }
  most <- apply(chances, 1L, function(row) if (anyNA(row)) NA else which.max(row))
  factor(
    colnames(chances)[most], levels = colnames(chances), ordered = object$score$ordered
  )
}

predicts_means <- function(object) {
  is.null(object$predicts) || object$predicts == "means"
}

# Methods that need one mean of each unit.
refuse_without_means <- function(object, method) {
  if (predicts_means(object)) {
    return(invisible())
  }
  synth_stop(
    sprintf(
      "%s is not there for this fit (%s): %s", method, object$family$family,
      if (has_levels(object)) {
        paste(
          "its outcome has levels and no mean. predict() gives the probability of each",
          "level."
        )
      } else if (!is.null(object$absorbed)) {
        "the constants of the groups are absorbed, not estimated."
      } else {
        "it has coefficients, and nothing to predict."
      }
    ),
    "OptionError"
  )
}
