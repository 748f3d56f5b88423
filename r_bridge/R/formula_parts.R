# Bars in formulas, as fixest has them: y ~ x | group for fixed effects that are absorbed,
# y ~ x | d ~ z for an endogenous regressor d and its instrument z, y ~ x | group | d ~ z for
# both.

# list(formula, text, bar, fixed = names, endogenous, instruments = expressions), the last
# three where the formula has them; `formula` has all regressors and instruments as terms.
formula_parts <- function(formula) {
  if (!inherits(formula, "formula") || length(formula) != 3L) {
    return(list(formula = formula)) # said later
  }
  left <- formula[[2L]]
  right <- formula[[3L]]
  instruments <- NULL
  if (function_name(left) == "~" && length(left) == 3L) {
    instruments <- right
    right <- left[[3L]]
    left <- left[[2L]]
  }
  parts <- split_bars(right)
  if (length(parts) == 1L && is.null(instruments)) {
    return(list(formula = formula))
  }
  refuse_odd_bars(formula, left, parts, instruments)
  bar <- parts[[length(parts)]]
  result <- list(text = deparse1(formula))
  if (is.null(instruments)) {
    result$formula <- with_right_side(formula, left, parts[[1L]])
    result$bar <- deparse1(bar)
    result$fixed <- fixed_effects(bar, parts[[1L]], formula)
    return(result)
  }
  if (length(parts) == 3L) {
    result$fixed <- fixed_effects(
      parts[[2L]], call("+", call("+", parts[[1L]], bar), instruments), formula
    )
  }
  both <- call("+", call("+", parts[[1L]], bar), instruments)
  result$formula <- with_right_side(formula, left, both)
  result$bar <- paste(deparse1(bar), "~", deparse1(instruments))
  result$exogenous <- parts[[1L]]
  result$endogenous <- bar
  result$instruments <- instruments
  result
}

# a | b | c as a list of three.
split_bars <- function(expr) {
  if (function_name(expr) == "|") {
    c(split_bars(expr[[2L]]), list(expr[[3L]]))
  } else {
    list(expr)
  }
}

with_right_side <- function(formula, left, right) {
  formula[[2L]] <- left
  formula[[3L]] <- right
  formula
}

refuse_odd_bars <- function(formula, left, parts, instruments) {
  text <- deparse1(formula)
  if (function_name(left) == "~" ||
    (!is.null(instruments) && length(split_bars(instruments)) > 1L)) {
    synth_stop(sprintf(
      "The formula %s cannot be read. Instruments are written y ~ x | d ~ z.", text
    ), "FormulaError")
  }
  if (!is.null(instruments) && length(parts) == 1L) {
    synth_stop(sprintf(
      paste(
        "The formula %s has two '~' and no bar. Instruments are written y ~ x | d ~ z,",
        "with y ~ 1 | d ~ z where there is no other regressor."
      ), text
    ), "FormulaError")
  }
  if (length(parts) > 2L + !is.null(instruments)) {
    synth_stop(sprintf(
      paste(
        "The formula %s has too many bars. One separates regressors and fixed effects,",
        "as in y ~ x | firm + year; instruments come last, as in y ~ x | d ~ z or",
        "y ~ x | firm + year | d ~ z."
      ), text
    ), "FormulaError")
  }
}

fixed_effects <- function(bar, regressors, formula) {
  terms <- formula_terms(bar)
  odd <- Find(function(term) !is.symbol(term), terms)
  if (!is.null(odd) || function_name(bar) %in% c("*", ":", "^", "-", "/")) {
    synth_stop(sprintf(
      paste(
        "'%s' after the bar of the formula %s is no name of a column. Fixed effects are",
        "columns, joined by +, as in y ~ x | firm + year; for one per pair of values",
        "make a column of the pairs."
      ), deparse1(if (is.null(odd)) bar else odd), deparse1(formula)
    ), "FormulaError")
  }
  names <- vapply(terms, as.character, "")
  both <- intersect(names, all.vars(regressors))
  if (length(both)) {
    synth_stop(sprintf(
      paste(
        "'%s' is a regressor and, after the bar of the formula %s, a fixed effect.",
        "Instruments are written as in fixest, y ~ x | d ~ z, not as in ivreg."
      ), both[[1L]], deparse1(formula)
    ), "FormulaError")
  }
  if (anyDuplicated(names)) {
    synth_stop(sprintf(
      "'%s' is twice after the bar of the formula %s. Name it once.",
      names[anyDuplicated(names)], deparse1(formula)
    ), "FormulaError")
  }
  names
}

# Columns of the design that are endogenous, and those that are instruments.
instrumental_columns <- function(learned, parts) {
  terms <- learned$terms
  labels <- attr(terms, "term.labels")
  of_side <- function(side) {
    attr(stats::terms(stats::as.formula(call("~", side))), "term.labels")
  }
  exogenous <- of_side(parts$exogenous)
  both <- intersect(exogenous, of_side(parts$instruments))
  if (length(both)) {
    synth_stop(sprintf(
      paste(
        "%s is an exogenous regressor and an instrument in the formula %s. Exogenous",
        "regressors are their own instruments: leave it out after the second '~'."
      ), both[[1L]], parts$text
    ), "FormulaError")
  }
  both <- intersect(exogenous, of_side(parts$endogenous))
  if (length(both)) {
    synth_stop(sprintf(
      "%s is an exogenous and an endogenous regressor in the formula %s. Name it once.",
      both[[1L]], parts$text
    ), "FormulaError")
  }
  columns <- function(side) {
    own <- match(of_side(side), labels)
    colnames(learned$labels$exog)[learned$assign %in% own]
  }
  list(
    endogenous = columns(parts$endogenous), instruments = columns(parts$instruments)
  )
}

# The terms without instruments: what the coefficients are of.
structural_terms <- function(learned, parts) {
  labels <- attr(learned$terms, "term.labels")
  side <- stats::as.formula(call("~", parts$instruments))
  dropped <- match(attr(stats::terms(side), "term.labels"), labels)
  stats::drop.terms(learned$terms, dropped, keep.response = TRUE)
}

# What absorbing the fixed effects takes: groups and regressors of all units.
absorbed_effects <- function(parts, learned, frames, given) {
  if (is.null(parts$fixed)) {
    return(NULL)
  }
  regressors <- intersect(all.vars(parts$formula[[3L]]), names(frames$data))
  list(
    text = utf8(parts$text, "The formula"), names = utf8(parts$fixed, "fixed effects"),
    codes = frames$fixed, exog = unname_matrix(exog_of_data(learned, frames)),
    borrows = as.integer(vapply(given, function(source) {
      own <- if (has_frame(source)) names(source$frame) else names(source$columns)
      !any(regressors %in% own)
    }, NA))
  )
}

# The design matrix of all rows of data, by the terms learned on the labelled ones.
exog_of_data <- function(learned, frames) {
  terms <- stats::delete.response(learned$terms)
  model <- evaluate_at("data", learned$formula, stats::model.frame(
    terms, frames$data, na.action = stats::na.pass
  ))
  units <- function(rows) frames$units[rows]
  refuse_missing_terms(model, "data", units)
  for (name in names(learned$xlevels)) {
    model[[name]] <- as_learned_factor(
      model[[name]], learned$xlevels[[name]], is.ordered(learned$model[[name]]), "data",
      name, units
    )
  }
  evaluate_at("data", learned$formula, stats::model.matrix(
    terms, model, learned$contrasts
  ))
}

# What an option of the call would do to absorbed effects: said before anything is read.
refuse_with_absorbed <- function(parts, auxiliary) {
  if (is.null(parts$fixed)) {
    return(invisible())
  }
  if (!is.null(auxiliary)) {
    synth_stop(sprintf(
      paste(
        "auxiliary is not available with the fixed effects of the formula %s. Predict",
        "the outcome beforehand, without the labels, and give the predictions as a",
        "proxy."
      ), parts$text
    ), "OptionError")
  }
  offsets <- Filter(
    function(term) function_name(term) == "offset", formula_terms(parts$formula[[3L]])
  )
  if (length(offsets)) {
    synth_stop(sprintf(
      paste(
        "offset() is not available with the fixed effects of the formula %s. Subtract it",
        "from the outcome beforehand, in data and every source."
      ), parts$text
    ), "OptionError")
  }
}
