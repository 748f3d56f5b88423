# Options: choices among words, and arguments that are captured unevaluated so that a
# column of data can be named bare, as a string or as a one-sided formula.

is_string <- function(x) is.character(x) && length(x) == 1L && !is.na(x)

# "a matrix", "a list", "a function": what was given, for messages.
describe_type <- function(x) {
  if (is.null(x)) {
    return("NULL")
  }
  if (is.factor(x)) {
    return("a factor")
  }
  if (is.character(x) && is.null(dim(x))) {
    return(if (length(x) == 1L) sprintf("\"%s\"", x) else "a character vector")
  }
  if (is.function(x)) {
    return("a function")
  }
  if (is.data.frame(x)) {
    return("a data frame")
  }
  name <- class(x)[[1L]]
  article <- if (grepl("^[aeiouAEIOU]", name)) "an" else "a"
  what <- if (name %in% c("numeric", "logical", "integer")) " vector" else ""
  sprintf("%s %s%s", article, name, what)
}

# One of several words, or an error that lists them; all of them, as in a signature, are
# the first.
choose_option <- function(value, known, name) {
  if (identical(value, known)) {
    return(known[[1L]])
  }
  if (!is_string(value) || !value %in% known) {
    synth_stop(sprintf(
      if (is_string(value)) "%s = %s does not exist.%s" else "%s is %s.%s", name,
      describe_type(value), suggest(value, known)
    ), "OptionError")
  }
  value
}

# What was written for an argument, and where: capture(substitute(arg), parent.frame()).
capture <- function(expr, env) {
  if (is.null(expr) || identical(expr, quote(expr = ))) {
    return(NULL)
  }
  list(expr = expr, env = env)
}

# A captured argument as NULL, list(column = name) or list(values = vector). `data` is
# the frame whose columns come first; a column that only `others` (data frames) have
# gives way to an object of that name, as it could be meant by neither.
resolve_option <- function(given, option, data, others = list()) {
  if (is.null(given)) {
    return(NULL)
  }
  expr <- given$expr
  known <- unique(c(names(data), unlist(lapply(others, names))))
  if (is_one_sided(expr)) {
    return(formula_column(expr, option, known))
  }
  if (is.symbol(expr)) {
    name <- as.character(expr)
    value <- if (!name %in% names(data)) get0(name, envir = given$env)
    is_column <- is.null(value) || is.function(value)
    if (name %in% names(data) || (is_column && name %in% known)) {
      return(list(column = name))
    }
    if (is_column && (is.function(value) || !exists(name, envir = given$env))) {
      stop_no_column(option, name, known, if (is.function(value)) {
        ", but a function"
      } else {
        ", nor an object"
      })
    }
  } else {
    value <- evaluate_option(expr, option, data, given$env, known)
  }
  read_option_value(value, option, known)
}

is_one_sided <- function(x) {
  is.call(x) && identical(x[[1L]], quote(`~`)) && length(x) == 2L
}

read_option_value <- function(value, option, known) {
  if (is.null(value)) {
    return(NULL)
  }
  if (is_one_sided(value)) {
    return(formula_column(value, option, known))
  }
  if (is_string(value)) {
    if (!value %in% known) {
      stop_no_column(option, value, known)
    }
    return(list(column = value))
  }
  list(values = value, option = option)
}

formula_column <- function(formula, option, known) {
  right <- formula[[2L]]
  if (!is.symbol(right) && !is_string(right)) {
    synth_stop(sprintf(
      "%s = ~ %s does not name one column. Compute the column beforehand.",
      option, deparse1(right)
    ))
  }
  name <- as.character(right)
  if (!name %in% known) {
    stop_no_column(option, name, known)
  }
  list(column = name)
}

stop_no_column <- function(option, name, known, more = "") {
  synth_stop(sprintf(
    "%s = \"%s\" is not a column of data or of a source%s.%s",
    option, name, more, suggest(name, known)
  ))
}

evaluate_option <- function(expr, option, data, env, known) {
  if (!is.language(expr)) {
    return(expr)
  }
  for (name in setdiff(all.vars(expr), names(data))) {
    if (!exists(name, envir = env)) {
      synth_stop(sprintf(
        "%s = %s uses '%s', which is neither a column of data nor an object.%s",
        option, deparse1(expr), name, suggest(name, known)
      ))
    }
  }
  tryCatch(eval(expr, data, env), error = function(e) {
    synth_stop(sprintf(
      "%s = %s cannot be evaluated: %s", option, deparse1(expr), conditionMessage(e)
    ))
  })
}

# The option with its column where it names one, for messages.
option_label <- function(option, resolved) {
  column <- resolved$column
  if (is.null(column)) option else sprintf("%s = \"%s\"", option, column)
}

# Columns of data that an option uses, which `.` in the formula leaves out: by name, or
# by their values where a vector was given, as in weights = data[["w"]].
option_columns <- function(resolved, given, data) {
  used <- c(resolved$column, if (is.language(given$expr)) all.vars(given$expr))
  values <- comparable(resolved$values)
  if (length(values) == n_rows(data) && length(unique(values)) > 1L) {
    same <- vapply(names(data), function(name) {
      identical(comparable(column(data, name)), values)
    }, NA)
    used <- c(used, names(data)[same])
  }
  intersect(used, names(data))
}

# One value per row of data, never recycled.
check_row_values <- function(values, label, n, what = "row") {
  if (length(dim(values)) > 1L || is.list(values) || is.function(values)) {
    synth_stop(sprintf(
      "%s is %s. Give one value per row of data, or the name of one column.",
      label, describe_type(values)
    ))
  }
  if (length(values) != n) {
    synth_stop(sprintf(
      "%s has %s; data has %s. Give one value per row, or the name of a column.",
      label, count(length(values), "value"), count(n, "row")
    ))
  }
  check_column(values, label)
}
