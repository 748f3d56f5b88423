# What other packages write in formulas, and R would read as something else: `|` is the
# logical "or" of two columns, and cluster(g) the column g. Refused, with what there is;
# bars after all regressors are read in formula_parts.R.

refuse_foreign_terms <- function(formula) {
  if (!inherits(formula, "formula") || length(formula) != 3L) {
    return(invisible()) # said later
  }
  for (term in formula_terms(formula[[3L]])) {
    if (is_bar(term)) {
      refuse_bar(term)
    }
    name <- function_name(term)
    if (name %in% names(foreign_terms)) {
      synth_stop(
        sprintf("The formula has %s. %s", shown_term(term), foreign_terms[[name]]),
        "FormulaError"
      )
    }
  }
}

foreign_terms <- local({
  cluster <- paste(
    "As a term it would be a regressor. For dependence within groups give",
    "cluster = in augmented_gmm(), without it in the formula."
  )
  smooth <- paste(
    "There are no penalised smooths. splines::ns(x, df = 4) and splines::bs() are bases",
    "of fixed size; give one of these."
  )
  rows <- paste(
    "It depends on the order of rows, and in each source on other ones (and lag() of",
    "base R shifts nothing here). Compute it as a column of data and of the sources."
  )
  c(
    cluster = cluster, frailty = cluster,
    s = smooth, te = smooth, ti = smooth, t2 = smooth,
    lag = rows, lead = rows, shift = rows, diff = rows
  )
})

# The terms of a right side, with operators of formulas taken apart.
formula_terms <- function(expr) {
  operators <- c("+", "-", "*", "/", ":", "^", "%in%", "(")
  if (is.call(expr) && function_name(expr) %in% operators) {
    unlist(lapply(as.list(expr)[-1L], formula_terms), recursive = FALSE)
  } else {
    list(expr)
  }
}

# "lag" of lag(x) and of dplyr::lag(x); "" where it has no name.
function_name <- function(expr) {
  if (!is.call(expr)) {
    return("")
  }
  head <- expr[[1L]]
  if (is.call(head) && as.character(head[[1L]]) %in% c("::", ":::")) {
    head <- head[[3L]]
  }
  if (is.symbol(head)) as.character(head) else ""
}

# All functions that an expression calls.
called_functions <- function(expr) {
  if (!is.call(expr)) {
    return(character())
  }
  c(function_name(expr), unlist(lapply(as.list(expr)[-1L], called_functions)))
}

is_bar <- function(expr) function_name(expr) %in% c("|", "||")

refuse_bar <- function(term) {
  synth_stop(
    sprintf(
      paste(
        "The formula has %s, which R would read as logical \"or\": there are no random",
        "effects. Fixed effects follow a bar after all regressors, y ~ x | group; for",
        "dependence within groups give cluster = group in augmented_gmm(). A logical",
        "\"or\" is written I(a | b)."
      ), shown_term(term)
    ),
    "FormulaError"
  )
}

shown_term <- function(term) sprintf("'%s'", deparse1(term))
