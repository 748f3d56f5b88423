# Columns of data frames: taken without copying the frame, checked, and made alike in
# data and in every source.

# Names, rows and columns are read without dispatch, so that tibbles and data.tables are
# neither converted nor copied.
n_rows <- function(frame) .row_names_info(frame, 2L)

column <- function(frame, name) .subset2(frame, match(name, names(frame)))

# A list of columns of equal length as a data frame, without checks or copies.
plain_frame <- function(columns, n, row_names = .set_row_names(n)) {
  structure(columns, class = "data.frame", row.names = row_names)
}

take <- function(x, rows) {
  if (length(dim(x)) == 2L) x[rows, , drop = FALSE] else x[rows]
}

take_rows <- function(frame, rows) {
  plain_frame(lapply(unclass_list(frame), take, rows = rows), length(rows))
}

append_rows <- function(above, below) {
  columns <- Map(
    function(a, b) if (length(dim(a)) == 2L) rbind(a, b) else c(a, b),
    unclass_list(above), unclass_list(below)[names(above)]
  )
  plain_frame(columns, n_rows(above) + n_rows(below))
}

unclass_list <- function(frame) {
  attr(frame, "row.names") <- NULL
  unclass(frame)
}

check_frame <- function(frame, where) {
  if (inherits(frame, c("survey.design", "svyrep.design")) && where == "data") {
    synth_stop(paste(
      "data is a design of package survey. Give its frame and the design:",
      "data = design$variables, survey = design."
    ))
  }
  if (!is.data.frame(frame)) {
    synth_stop(sprintf(
      "%s is %s. Give a data frame with one row per unit.", where, describe_type(frame)
    ))
  }
  if (!n_rows(frame)) {
    synth_stop(sprintf("%s has no rows.", where))
  }
  twice <- anyDuplicated(names(frame))
  if (twice) {
    synth_stop(sprintf(
      "%s has two columns named '%s'. Rename one.", where, names(frame)[[twice]]
    ))
  }
  invisible(frame)
}

# A column that can be used, its text as UTF-8; `label` names it in messages.
check_column <- function(x, label) {
  refuse <- function(...) synth_stop(sprintf("%s %s", label, sprintf(...)))
  if (inherits(x, "integer64")) {
    # Base R reads the bits of these as those of a double.
    refuse(paste(
      "is of type integer64. Convert it with as.numeric(), or as.character() for",
      "identifiers."
    ))
  }
  if (is.list(x)) {
    if (inherits(x, "POSIXlt")) {
      refuse("is of class POSIXlt. Convert it with as.POSIXct().")
    }
    refuse("is a list. Give numbers, text or a factor.")
  }
  if (is.complex(x) || is.raw(x)) {
    refuse("is %s. Give numbers.", typeof(x))
  }
  if (length(dim(x)) > 2L) {
    refuse("has %d dimensions. Give one value per row.", length(dim(x)))
  }
  if (is.factor(x)) {
    levels <- utf8_text(levels(x), refuse)
    if (!identical(Encoding(levels), Encoding(levels(x)))) {
      attr(x, "levels") <- levels
    }
    return(x)
  }
  if (is.character(x)) utf8_text(x, refuse) else x
}

utf8_text <- function(x, refuse) {
  if (any(Encoding(x) == "bytes")) {
    refuse("has text that is marked as \"bytes\". Give it an encoding with iconv().")
  }
  # What is not marked is in the native encoding, which may be UTF-8 or not.
  converted <- enc2utf8(x)
  if (!all(validUTF8(converted))) {
    refuse(paste(
      "has text that is not valid UTF-8. Convert it with iconv(x, from = \"latin1\",",
      "to = \"UTF-8\"), or whatever its encoding is."
    ))
  }
  converted
}

# Rows where a value is missing, or NULL where none is.
missing_rows <- function(x) {
  if (!anyNA(x)) {
    return(NULL)
  }
  missing <- is.na(x)
  if (length(dim(missing)) == 2L) rowSums(missing) > 0L else as.vector(missing)
}

# Rows with a missing value in any column, or NULL where none has.
incomplete_rows <- function(frame) {
  Reduce(function(bad, x) {
    missing <- missing_rows(x)
    if (is.null(bad)) missing else if (is.null(missing)) bad else bad | missing
  }, unclass_list(frame), NULL)
}

column_kind <- function(x) {
  if (is.factor(x)) {
    "factor"
  } else if (is.character(x)) {
    "text"
  } else if (inherits(x, c("Date", "POSIXct", "difftime"))) {
    "time"
  } else if (is.logical(x)) {
    "logical"
  } else {
    "number"
  }
}

# A source's column in the type that data has for it. `where` is the source, `name` the
# variable, `units(rows)` gives labels of units for messages.
harmonise <- function(x, model, where, name, units) {
  check_same_columns(x, model, where, name)
  if (all_missing(model)) {
    return(x) # without labels: said later, in plainer words
  }
  if (!is.factor(x) && all_missing(x)) {
    return(take(model, rep(NA_integer_, NROW(x))))
  }
  refuse <- function(bad, has, meant, advice) {
    rows <- which(bad)
    synth_stop(sprintf(
      "%s: column '%s' has %s where data has %s (%s). %s",
      where, name, if (is.null(has)) show_value(take_one(x, rows[[1L]])) else has,
      meant, name_units(units(rows)), advice
    ))
  }
  switch(column_kind(model),
    factor = as_data_factor(x, model, where, name, units),
    text = as_data_text(x, refuse),
    time = as_data_time(x, model, refuse),
    logical = as_data_logical(x, refuse),
    number = as_data_number(x, refuse)
  )
}

all_missing <- function(x) anyNA(x) && all(is.na(x))

take_one <- function(x, row) {
  if (length(dim(x)) == 2L) {
    x[row, 1L]
  } else if (is.factor(x)) {
    as.character(x[row])
  } else {
    x[row]
  }
}

show_value <- function(x) format_labels(if (is.logical(x)) as.character(x) else x)

check_same_columns <- function(x, model, where, name) {
  if (NCOL(x) != NCOL(model)) {
    synth_stop(sprintf(
      "%s: '%s' has %s, in data %d. Give the same columns in the same order.",
      where, name, count(NCOL(x), "column"), NCOL(model)
    ))
  }
  if (!is.null(colnames(x)) && !is.null(colnames(model)) &&
    !identical(colnames(x), colnames(model))) {
    synth_stop(sprintf(
      "%s: '%s' has columns of other names than in data (%s and %s).", where, name,
      format_units(colnames(x)), format_units(colnames(model))
    ))
  }
}

# Levels go by their names: their codes depend on which of them a frame has.
as_data_factor <- function(x, model, where, name, units) {
  known <- levels(model)
  if (is.factor(x)) {
    codes <- match(levels(x), known)[as.integer(x)]
  } else {
    if (inherits(x, c("Date", "POSIXct"))) x <- format(x)
    codes <- match(as.character(x), known)
  }
  strange <- which(is.na(codes) & !is.na(x))
  if (length(strange)) {
    first <- as.character(x[strange[[1L]]])
    same <- as.character(x[strange]) == first
    synth_stop(sprintf(
      "%s: column '%s' has '%s', which is no level in data (%s).%s",
      where, name, first, name_units(units(strange[same])), known_levels(known)
    ))
  }
  structure(codes, levels = known, class = class(model))
}

known_levels <- function(known) {
  sprintf(
    " Known levels: %s%s. Recode or remove these rows.",
    paste0("'", utils::head(known, 10L), "'", collapse = ", "),
    if (length(known) > 10L) sprintf(" and %d more", length(known) - 10L) else ""
  )
}

as_data_text <- function(x, refuse) {
  if (is.factor(x) || is.character(x)) {
    return(as.character(x))
  }
  refuse(!is.na(x), NULL, "text", paste(
    "Convert it with as.character(), or make the column of data a number."
  ))
}

as_data_time <- function(x, model, refuse) {
  if (!inherits(x, class(model)[[1L]])) {
    refuse(!is.na(x), describe_type(x), describe_type(model), "Convert it.")
  }
  if (inherits(x, "difftime")) {
    units(x) <- units(model)
  }
  x
}

as_data_logical <- function(x, refuse) {
  if (is.logical(x)) {
    return(x)
  }
  bad <- if (column_kind(x) == "number") !is.na(x) & x != 0 & x != 1 else !is.na(x)
  if (any(bad)) {
    refuse(bad, NULL, "TRUE and FALSE", paste(
      "Convert it, or make the column of data a number."
    ))
  }
  as.logical(x)
}

as_data_number <- function(x, refuse) {
  kind <- column_kind(x)
  if (kind == "number") {
    return(x)
  }
  if (kind == "time") {
    refuse(!is.na(x), describe_type(x), "numbers", "Convert it.")
  }
  if (kind == "logical") {
    storage.mode(x) <- "double"
    return(x)
  }
  number <- if (kind == "factor") {
    suppressWarnings(as.numeric(levels(x)))[as.integer(x)]
  } else {
    suppressWarnings(as.numeric(x))
  }
  bad <- is.na(number) & !is.na(x)
  if (any(bad)) {
    refuse(bad, NULL, "numbers", "Convert it.")
  }
  if (is.null(dim(x))) number else array(number, dim(x), dimnames(x))
}

# Named columns of a frame, each checked.
select_columns <- function(frame, names, where, as = names) {
  columns <- Map(function(name, shown) {
    check_column(column(frame, name), sprintf("%s: column '%s'", where, shown))
  }, names, names)
  plain_frame(stats::setNames(columns, as), n_rows(frame))
}
