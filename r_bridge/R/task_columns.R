# From columns of a data frame to what crosses to Python: numbers, or codes of labels
# together with the labels themselves.

check_data_frame <- function(data) {
  if (!is.data.frame(data)) {
    synth_stop(sprintf(
      "data must be a data frame, not an object of class '%s'.", class(data)[[1L]]
    ))
  }
}

# Name of a column, or of several where `many`; NULL where none is given.
column_names <- function(value, name, data, many = FALSE, optional = FALSE) {
  if (is.null(value) && optional) {
    return(NULL)
  }
  if (!is.character(value) || anyNA(value) || !length(value) ||
    (!many && length(value) > 1L)) {
    synth_stop(
      sprintf(
        "%s = %s is not the name of a column. Give %s.", name, deparsed(value),
        if (many) "one name or several, as text" else "one name, as text"
      ),
      "OptionError"
    )
  }
  value <- unname(value)
  if (anyDuplicated(value)) {
    synth_stop(
      sprintf("%s names '%s' twice.", name, value[duplicated(value)][[1L]]),
      "OptionError"
    )
  }
  for (column in value) {
    found <- sum(names(data) == column)
    if (found == 0L) {
      synth_stop(sprintf(
        "data has no column '%s'.%s", column, suggest(column, names(data))
      ))
    }
    if (found > 1L) {
      synth_stop(sprintf(
        "data has %d columns '%s'. Rename all but one.", found, column
      ))
    }
  }
  value
}

# Columns as they cross. `labels` and `numbers` are names; those in `tasks` are coded by
# position in `known`, the labels of all tasks.
task_columns <- function(data, tasks, labels, numbers, known) {
  for (name in numbers) {
    number_column(data[[name]], name)
  }
  lapply(unique(c(tasks, labels, numbers)), function(name) {
    column <- data[[name]]
    if (name %in% tasks) {
      coded(name, as_labels(column, name), known, shared = TRUE)
    } else if (name %in% labels) {
      values <- as_labels(column, name)
      coded(name, values, occurring(values))
    } else {
      list(
        name = utf8(name, "Name of a column"), values = number_column(column, name),
        codes = NULL, levels = NULL
      )
    }
  })
}

coded <- function(name, values, levels, shared = FALSE) {
  list(
    name = utf8(name, "Name of a column"), values = NULL,
    codes = match(values, levels, nomatch = 0L),
    levels = if (!shared) cross_labels(levels, sprintf("Column '%s'", name))
  )
}

# Labels that occur, in the order of their first rows.
occurring <- function(values) {
  unique(values[!is.na(values)])
}

# Labels of tasks, units and the like: text, or numbers where they are numbers.
as_labels <- function(x, name) {
  if (is.null(dim(x))) {
    if (is.factor(x)) {
      return(as.character(x))
    }
    if (inherits(x, "Date")) {
      return(format(x, "%Y-%m-%d"))
    }
    if (is.character(x)) {
      return(as.character(unclass(x)))
    }
    if (plain_number(x)) {
      x <- as.double(x)
      if (any(is.infinite(x))) {
        synth_stop(sprintf(
          "Column '%s' has infinite values (rows %s), which name nothing.",
          name, format_units(which(is.infinite(x)))
        ))
      }
      return(x)
    }
  }
  refuse_column(x, name, "labels", "text, a factor or numbers")
}

# A numeric column as doubles, NA where a value is missing.
number_column <- function(x, name) {
  if (is.null(dim(x)) && (plain_number(x) || is.logical(x))) {
    return(as.double(x))
  }
  refuse_column(x, name, "numbers", "numbers")
}

# Numbers that as.double() reads: integer64 and dates are stored as other numbers.
plain_number <- function(x) {
  is.numeric(x) &&
    (!is.object(x) || inherits(x, c("AsIs", "haven_labelled", "labelled")))
}

refuse_column <- function(x, name, what, wanted) {
  advice <- if (inherits(x, "integer64")) {
    "Convert it with bit64's as.double() or as.character()."
  } else if (is.factor(x) || is.character(x)) {
    "Convert it with as.numeric(as.character())."
  } else {
    sprintf("Convert it to %s.", wanted)
  }
  synth_stop(sprintf(
    "Column '%s' (%s) does not hold %s. %s",
    name, paste(class(x), collapse = ", "), what, advice
  ))
}

# Labels as they cross: numbers, or text in one string, which is fast.
cross_labels <- function(levels, what) {
  if (is.numeric(levels)) {
    return(as.double(levels))
  }
  text <- utf8(levels, what)
  if (any(grepl(separator, text, fixed = TRUE))) {
    synth_stop(sprintf("%s has a label with the control character \\x1f.", what))
  }
  paste(text, collapse = separator)
}

# Position of a task among the labels: text is compared with text, so that the task 2020
# is found whether years are numbers or factor levels.
find_task <- function(value, known, name, what) {
  if (is.null(value) || !is.atomic(value) || length(value) != 1L || is.na(value)) {
    synth_stop(sprintf("%s must be the name of one task.", name), "OptionError")
  }
  value <- as_labels(value, name)
  at <- if (is.numeric(known) && is.numeric(value)) {
    match(value, known)
  } else {
    match(label_text(value), label_text(known))
  }
  if (is.na(at)) {
    synth_stop(sprintf(
      "The %s %s does not occur in data.%s", what, format_labels(value),
      suggest(label_text(value), label_text(known))
    ))
  }
  at
}

label_text <- function(labels) {
  if (is.numeric(labels)) format_labels(labels) else as.character(labels)
}
