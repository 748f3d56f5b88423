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

check_frame <- function(frame, where, rows = "per unit") {
  if (inherits(frame, c("survey.design", "svyrep.design")) && where == "data") {
    synth_stop(paste(
      "data is a design of package survey. Give its frame and the design:",
      "data = design$variables, survey = design."
    ))
  }
  if (!is.data.frame(frame)) {
    synth_stop(sprintf(
      "%s is %s. Give a data frame with one row %s.", where, describe_type(frame), rows
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

# How a column crosses to Python: see statsmodels_synth/r/columns.py.
crossing <- function(x) {
  if (length(dim(x)) == 2L) {
    bad <- missing_rows(x)
    return(list(matrix = if (is.null(bad)) numeric(nrow(x)) else ifelse(bad, NaN, 0)))
  }
  if (is.factor(x)) {
    return(level_list(as.integer(x), levels(x), 1L))
  }
  if (is.character(x)) {
    known <- unique(x[!is.na(x)])
    return(level_list(match(x, known), known, 0L))
  }
  if (is.logical(x)) {
    return(list(logical = as.double(x)))
  }
  values <- as.double(unclass(x))
  if (!inherits(x, c("Date", "POSIXct", "difftime"))) {
    return(values)
  }
  list(time = values, class = class(x)[[1L]])
}

level_list <- function(codes, levels, factor, ...) {
  codes[is.na(codes)] <- 0L
  list(levels = joined(levels), codes = codes - 1L, factor = factor, ...)
}

# What identifies units: text, or numbers; other classes as they are shown.
id_to_send <- function(x, label) {
  if (!is.null(dim(x))) {
    synth_stop(
      sprintf("%s is %s and cannot identify units.", label, describe_type(x)),
      "AlignmentError"
    )
  }
  if (!is.logical(x) && !inherits(x, c("Date", "POSIXct"))) {
    return(crossing(x))
  }
  known <- unique(x[!is.na(x)])
  level_list(match(x, known), shown_ids(known), 0L, class = class(x)[[1L]])
}

# Each by itself, in whatever company: format() pads TRUE, and shows of times what they
# differ in, in their time zone.
shown_ids <- function(x) {
  if (!inherits(x, "POSIXct")) {
    return(as.character(x))
  }
  parts <- as.double(x) %% 1 != 0
  text <- format(x, "%Y-%m-%d %H:%M:%S", tz = "UTC")
  text[parts] <- format(x[parts], "%Y-%m-%d %H:%M:%OS6", tz = "UTC")
  text
}

# Levels go by their names: their codes depend on which of them a frame has.
as_text_of <- function(x, model) {
  plain <- is.factor(x) || is.character(x) || is.list(x) || length(dim(x)) > 0L
  if (is.factor(model) && !plain) as.character(x) else x
}

# A source's column in the class that data has for it; where there is no way, Python has
# refused it. `where` is the source, `name` the variable.
like_data <- function(x, model, where, name) {
  check_same_columns(x, model, where, name)
  x <- as_text_of(x, model)
  if (is.factor(model)) {
    known <- levels(model)
    codes <- if (is.factor(x)) match(levels(x), known)[as.integer(x)] else match(x, known)
    structure(codes, levels = known, class = class(model))
  } else if (is.character(model)) {
    as.character(x)
  } else if (inherits(model, "difftime")) {
    units(x) <- units(model)
    x
  } else if (is.logical(model)) {
    as.logical(x)
  } else if (is.factor(x)) {
    as.numeric(levels(x))[as.integer(x)]
  } else {
    if (is.character(x) || is.logical(x)) storage.mode(x) <- "double"
    x
  }
}

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

known_levels <- function(known) {
  sprintf(
    " Known levels: %s%s. Recode or remove these rows.",
    paste0("'", utils::head(known, 10L), "'", collapse = ", "),
    if (length(known) > 10L) sprintf(" and %d more", length(known) - 10L) else ""
  )
}

# Text or numbers, without class.
as_values <- function(x) {
  if (is.factor(x)) as.character(x) else as.vector(unclass(x))
}

# The same, or NULL where a column has neither.
comparable <- function(x) {
  if (is.factor(x)) {
    return(as.character(x))
  }
  if (!is.atomic(x) || !is.null(dim(x)) || is.complex(x) || is.raw(x)) {
    return(NULL)
  }
  x <- as.vector(unclass(x))
  if (is.character(x)) x else as.double(x)
}

# Named columns of a frame, each checked.
select_columns <- function(frame, names, where, as = names) {
  columns <- Map(function(name, shown) {
    check_column(column(frame, name), sprintf("%s: column '%s'", where, shown))
  }, names, names)
  plain_frame(stats::setNames(columns, as), n_rows(frame))
}
