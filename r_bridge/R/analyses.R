# What is asked of a fit besides its numbers. Python answers from its own result, or fits
# again from the arrays that the object has kept: it may come from a file.

ask_python <- function(name, object, options = list()) {
  force(options)
  refuse_without_arrays(if (name == "estimator") options$name else name, object)
  again <- object$again
  asked <- c(again[c("token", "alone")], options)
  value <- call_python(name, c(asked, list(arrays = NULL)))
  if (isTRUE(value$again)) {
    value <- call_python(name, c(asked, list(arrays = again$arrays)))
  }
  value
}

refuse_without_arrays <- function(name, object) {
  if (is.null(object$again)) {
    synth_stop(
      paste0(
        sub("^plan_", "", name), "() needs the arrays of the fit, which it does not have. ",
        "Fit it anew with keep = TRUE, the default",
        if (inherits(object, "augmented_gmm")) " (one by an earlier version has none)",
        "."
      ),
      "OptionError"
    )
  }
}

# A data frame of the columns that Python sends, under the names that broom has for them.
table_of <- function(columns, index = character()) {
  columns <- lapply(columns, function(x) {
    if (is.list(x)) {
      return(character())
    }
    if (is.double(x)) x[is.nan(x)] <- NA
    x
  })
  names <- names(columns)
  names[seq_along(index)] <- index
  known <- match(names, names(broom_names))
  names[!is.na(known)] <- broom_names[known[!is.na(known)]]
  frame <- structure(columns, names = names, class = "data.frame")
  attr(frame, "row.names") <- .set_row_names(length(columns[[1L]]))
  frame
}

broom_names <- c(
  coefficient = "term", std_err = "std.error", lower = "conf.low", upper = "conf.high",
  pvalue = "p.value", labeled = "labelled", unlabeled = "unlabelled",
  naive_std_err = "naive.std.error", augmented_std_err = "augmented.std.error",
  df_num = "df", df_denom = "df2", c_statistic = "c.statistic", c_pvalue = "c.p.value",
  conf_low = "conf.low", conf_high = "conf.high", p_value = "p.value",
  conf_level = "conf.level", fvalue = "f", c_fvalue = "c.f", c_df = "c.df", c_df_denom = "c.df2"
)

check_alpha <- function(level) {
  check_level(level)
  1 - level
}

# Whole numbers as they cross, NULL if omitted.
whole_numbers <- function(value, name) {
  if (is.null(value)) {
    return(NULL)
  }
  value <- some_numbers(value, name)
  if (!length(value) || any(value != round(value)) || any(abs(value) > 2^53)) {
    synth_stop(
      sprintf("%s = %s: give whole numbers.", name, deparsed(value)), "OptionError"
    )
  }
  if (all(value <= .Machine$integer.max)) as.integer(value) else value
}

# Names as they cross: NULL if omitted; character() names nothing.
some_names <- function(value, name) {
  if (is.null(value)) {
    return(NULL)
  }
  if (!is.character(value)) {
    synth_stop(
      sprintf("%s is %s. Give names.", name, describe_type(value)), "OptionError"
    )
  }
  utf8(value, name)
}

# One number, or one for each name.
named_numbers <- function(value, name) {
  if (is.null(value)) {
    return(NULL)
  }
  numbers <- some_numbers(unlist(value), name)
  names <- names(unlist(value))
  if (is.null(names) && length(numbers) != 1L) {
    synth_stop(
      sprintf("%s has %s without a name. Give one number, or name all.", name,
        count(length(numbers), "number")),
      "OptionError"
    )
  }
  list(values = numbers, names = if (!is.null(names)) utf8(names, name))
}

print_table <- function(table) {
  print.default(table, quote = FALSE, right = TRUE)
}

# Columns of numbers with `digits` significant digits, as text.
format_columns <- function(frame, digits) {
  text <- vapply(frame, function(x) {
    if (is.logical(x)) {
      return(ifelse(is.na(x), "", ifelse(x, "yes", "no")))
    }
    if (!is.numeric(x)) {
      return(as.character(x))
    }
    shown <- if (all(x == round(x), na.rm = TRUE) && all(abs(x) < 1e7, na.rm = TRUE)) {
      format(x, trim = TRUE, scientific = FALSE)
    } else {
      formatC(x, digits = digits, format = "g", flag = "#")
    }
    ifelse(is.na(x), "", sub("[.]$", "", shown))
  }, character(nrow(frame)))
  matrix(text, nrow(frame), dimnames = list(NULL, names(frame)))
}
