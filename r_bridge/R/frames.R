# Data and sources, matched by unit.
#
# Python matches, and words what it refuses (statsmodels_synth/r/frames.py): it gets the
# columns that are asked for, as numbers, codes and text, and says which rows of each
# frame are complete and of which unit. The rows are taken here, with their classes, and
# the formula is evaluated on them (design.R).

# list(units, data = all rows of the formula's columns, rows = labelled rows of data,
# n_incomplete, sources = list of list(name, kind, frame, units, dropped), and what
# options say of each unit). `asked` has what statsmodels_synth/r/frames.py takes.
align_frames <- function(data, given, variables, asked, options) {
  columns <- lapply(options, option_column)
  needed <- unique(c(
    variables$all, asked$values, asked$fixed, unlist(columns),
    unlist(lapply(given, `[[`, "columns"))
  ))
  # Where all are columns of data no row has to be found.
  whole <- is.null(asked$on) && any(vapply(given, has_frame, NA))
  sent <- frame_to_send(data, needed, "data", asked$on, whole)
  for (option in names(options)) {
    values <- options[[option]]$values
    if (!is.null(values) && option != "labeled") {
      sent$columns[[columns[[option]]]] <- crossing(
        check_row_values(values, option, n_rows(data))
      )
    }
  }
  columns$labeled <- NULL
  found <- call_python("align_frames", c(asked, list(
    data = sent,
    sources = lapply(given, source_to_send, data, needed, asked$on, whole),
    response = utf8(variables$response, "The outcome"),
    regressors = utf8(setdiff(variables$all, variables$response), "Variables"),
    labeled = labeled_to_send(options$labeled, data),
    options = Filter(Negate(is.null), columns)
  )))
  found$units <- split_labels(found$units)
  own <- recoded(select_columns(data, variables$all, "data"), found$rare)
  found$data <- if (is.null(asked$subset)) own else take_rows(own, asked$subset + 1L)
  found$sources <- Map(function(source, at) {
    own <- recoded(own_columns(source, data, variables$all), found$rare)
    list(
      name = source$name, kind = source$kind, units = at$units, dropped = at$dropped,
      frame = source_rows(own, at, found$data, source_label(source))
    )
  }, given, found$sources)
  found
}

option_column <- function(resolved) {
  if (is.null(resolved$values)) resolved$column else sprintf("(%s)", resolved$option)
}

labeled_to_send <- function(resolved, data) {
  if (is.null(resolved$values)) {
    return(resolved$column)
  }
  list(values = crossing(check_row_values(resolved$values, "labeled", n_rows(data))))
}

# A frame as it crosses: columns that are needed, and of others the names; as a whole
# where row names are numbers, as any column may say which rows belong together.
frame_to_send <- function(frame, needed, where, on, whole = FALSE,
                          as = function(x, name) x) {
  rows <- .row_names_info(frame, 0L)
  whole <- whole && !(is.null(on) && is.character(rows))
  columns <- lapply(names(frame), function(name) {
    x <- column(frame, name)
    label <- sprintf("%s: column '%s'", where, name)
    if (name %in% on) {
      id_to_send(check_column(x, label), label)
    } else if (name %in% needed) {
      crossing(check_column(as(x, name), label))
    } else if (whole) {
      tryCatch(crossing(check_column(x, label)), SynthError = function(e) NULL)
    }
  })
  counted <- is.null(rows) || length(rows) == 2L && is.na(rows[[1L]])
  list(
    n_rows = n_rows(frame),
    columns = stats::setNames(columns, utf8(names(frame), "Names of columns")),
    row_names = if (is.null(on)) {
      if (is.character(rows)) {
        joined(utf8(rows, "Row names"))
      } else if (counted) seq_len(n_rows(frame)) else as.integer(rows)
    },
    automatic = as.integer(.row_names_info(frame) < 0L),
    counted = as.integer(counted)
  )
}

source_to_send <- function(source, data, needed, on, whole) {
  if (has_frame(source)) {
    check_frame(source$frame, source_label(source))
  }
  list(
    name = utf8(source$name, "Name of a source"), kind = source$kind,
    columns = as.list(source$columns),
    frame = if (has_frame(source)) {
      frame_to_send(
        source$frame, needed, source_label(source), on, whole,
        function(x, name) if (name %in% names(data)) as_text_of(x, column(data, name)) else x
      )
    }
  )
}

# The variables that a source brings itself.
own_columns <- function(source, data, variables) {
  if (has_frame(source)) {
    own <- intersect(variables, names(source$frame))
    return(select_columns(source$frame, own, source_label(source)))
  }
  from <- unname(source$columns)
  select_columns(data, from, source_label(source), as = names(source$columns))
}

# Rows of a source with every variable: its own, else those of data.
source_rows <- function(own, at, data, where) {
  columns <- lapply(stats::setNames(nm = names(data)), function(name) {
    model <- column(data, name)
    if (name %in% names(own)) {
      like_data(take(column(own, name), at$rows), model, where, name)
    } else {
      take(model, at$units)
    }
  })
  plain_frame(columns, length(at$rows))
}

# A frame with levels that no label has made another level, or missing.
recoded <- function(frame, rare) {
  for (what in rare) {
    if (what$name %in% names(frame)) {
      x <- column(frame, what$name)
      target <- if (is.null(what$target)) NA else what$target
      if (is.numeric(x)) target <- as.numeric(target)
      x[as.character(x) %in% what$levels] <- if (is.logical(x)) as.logical(target) else target
      frame[[what$name]] <- x
    }
  }
  frame
}
