# Units: which rows of data and of the sources belong together.
#
# With `on = `, by the values of columns; without it by row names (row_names.R).

# Labels of the T units, those of data first, and for each source the position of the
# unit of each row.
match_units <- function(data, given, on, variables) {
  n <- n_rows(data)
  framed <- vapply(given, has_frame, NA)
  ids <- if (is.null(on)) {
    row_name_ids(data, given[framed], variables)
  } else {
    column_ids(data, given[framed], on)
  }
  refuse_repeated_units(ids$data)
  units <- ids$data
  positions <- rep(list(seq_len(n)), length(given))
  for (i in seq_along(ids$sources)) {
    id <- ids$sources[[i]]
    if (is.null(id) || identical(id$key, ids$data$key)) {
      next
    }
    at <- match(id$key, units$key)
    refuse_spelt_alike(id, units, given[framed][[i]])
    refuse_strangers(at, n, id, ids$data, given[framed][[i]])
    new <- which(is.na(at))
    if (length(new)) {
      first <- new[!duplicated(id$key[new])]
      at[new] <- length(units$key) + match(id$key[new], id$key[first])
      units <- append_units(units, id, first)
    }
    positions[[which(framed)[[i]]]] <- at
  }
  list(units = unit_labels(units), n_data = n, positions = positions)
}

# An id: `key` tells units apart by match(); `columns` are what they are called.
new_id <- function(columns, key = columns[[1L]]) list(columns = columns, key = key)

append_units <- function(units, id, rows) {
  columns <- Map(function(a, b) c(a, b[rows]), units$columns, id$columns)
  columns <- Map(function(x, a) structure(x, shown = attr(a, "shown")),
    columns, units$columns)
  new_id(columns, c(units$key, id$key[rows]))
}

# Integers or text without duplicates.
unit_labels <- function(id, rows = NULL) {
  columns <- lapply(id$columns, function(x) {
    label_values(if (is.null(rows)) x else x[rows], attr(x, "shown"))
  })
  labels <- if (length(columns) == 1L) {
    columns[[1L]]
  } else {
    do.call(paste, c(unname(columns), sep = ", "))
  }
  if (is.null(rows) && is.character(labels) && anyDuplicated(labels)) {
    labels <- make.unique(labels)
  }
  labels
}

label_values <- function(x, shown = NULL) {
  if (!is.null(shown)) {
    return(shown(as.vector(x)))
  }
  x <- as.vector(x)
  if (!is.double(x)) {
    return(if (is.logical(x)) as.character(x) else x)
  }
  if (all(x == round(x)) && all(abs(x) <= .Machine$integer.max)) {
    return(as.integer(x))
  }
  labels <- sprintf("%.15g", x)
  if (anyDuplicated(labels)) sprintf("%.17g", x) else labels
}

refuse_repeated_units <- function(id) {
  if (!anyDuplicated(id$key)) {
    return(invisible())
  }
  twice <- which(duplicated(id$key))
  twice <- twice[!duplicated(id$key[twice])]
  synth_stop(sprintf(
    paste(
      "data has more than one row for %s (%s). Keep one row per unit; only sources",
      "may have replicates."
    ),
    count(length(twice), "unit"), format_units(unit_labels(id, twice))
  ), "AlignmentError")
}

refuse_strangers <- function(at, n, id, data_id, source) {
  if (any(at <= n, na.rm = TRUE)) {
    return(invisible())
  }
  synth_stop(sprintf(
    paste(
      "%s has no unit in common with data: its units are %s, those of data %s. Use the",
      "same identifiers in both, or name the column that identifies units in on; and a",
      "source needs rows for the labelled units too."
    ),
    source_label(source), some_units(id), some_units(data_id)
  ), "AlignmentError")
}

# Ids that have no match would have one but for blanks, or capitals: each would be a unit
# of its own. Where capitals tell ids apart a few of many are alike by chance.
refuse_spelt_alike <- function(id, units, source) {
  if (!any(vapply(id$columns, is.character, NA))) {
    return(invisible())
  }
  own <- which(!units$key %in% id$key)
  its <- which(!id$key %in% units$key & !duplicated(id$key))
  spelt <- function(id, rows, fold) {
    parts <- lapply(id$columns, function(x) {
      x <- as.vector(x)[rows]
      if (is.character(x)) fold(x) else format(x, digits = 17L, trim = TRUE)
    })
    do.call(paste, c(unname(parts), sep = "\x1f"))
  }
  ways <- list(
    list(what = "blanks at their ends", fold = trimws, call = "trimws(id)", least = 0),
    list(
      what = "capitals", fold = function(x) tolower(trimws(x)),
      call = "tolower(trimws(id))", least = 0.05
    )
  )
  for (way in ways) {
    at <- match(spelt(id, its, way$fold), spelt(units, own, way$fold))
    found <- which(!is.na(at))
    if (!length(found) || length(found) <= way$least * min(length(own), length(its))) {
      next
    }
    synth_stop(sprintf(
      paste(
        "Ids of %s of %s differ from those of data or of another source by %s only,",
        "such as '%s' and '%s'. They would be units of their own, and counted twice.",
        "Write them alike in every frame: id <- %s."
      ),
      count(length(found), "unit"), sub("^S", "s", source_label(source)), way$what,
      unit_labels(id, its[found[[1L]]]), unit_labels(units, own[at[found[[1L]]]]),
      way$call
    ), "AlignmentError")
  }
}

some_units <- function(id) {
  rows <- seq_len(min(3L, length(id$key)))
  paste0(
    paste(format_labels(unit_labels(id, rows)), collapse = ", "),
    if (length(id$key) > 3L) " ..."
  )
}

# --- on = ---

# `on` is a name: say so where a column was written without quotes.
unit_column <- function(on, expr, name = "on") {
  value <- tryCatch(on, error = identity)
  bare <- if (is.symbol(expr)) expr else if (is_one_sided(expr)) expr[[2L]]
  meant <- is_one_sided(expr) || inherits(value, "error") || !is.character(value)
  if (is.symbol(bare) && !is.null(value) && meant) {
    synth_stop(sprintf(
      "%s = %s is no text. Give the name of the %s in quotes: %s = \"%s\".",
      name, deparse1(expr), if (name == "term") "coefficient" else "column", name,
      as.character(bare)
    ), "OptionError")
  }
  if (inherits(value, "error")) stop(value)
  value
}

column_ids <- function(data, sources, on) {
  if (!is.character(on) || !length(on) || anyNA(on)) {
    synth_stop(sprintf(
      "on is %s. Give the name of the column that identifies units, or several names.",
      describe_type(on)
    ), "OptionError")
  }
  on <- unique(on)
  frames <- c(list(data), lapply(sources, `[[`, "frame"))
  labels <- c("data", vapply(sources, source_label, ""))
  columns <- Map(read_id_columns, frames, labels, MoreArgs = list(on = on))
  for (i in seq_along(columns)[-1L]) {
    Map(refuse_other_type, columns[[1L]], columns[[i]], on, labels[[i]])
  }
  keys <- joint_keys(columns)
  ids <- Map(new_id, columns, keys)
  list(data = ids[[1L]], sources = unname(ids[-1L]))
}

read_id_columns <- function(frame, where, on) {
  lapply(on, function(name) {
    if (!name %in% names(frame)) {
      synth_stop(sprintf(
        "%s has no column '%s' (on = %s).%s", where, name,
        paste0("'", on, "'", collapse = ", "), suggest(name, names(frame))
      ), "AlignmentError")
    }
    x <- check_column(column(frame, name), sprintf("%s: column '%s'", where, name))
    if (!is.null(dim(x))) {
      synth_stop(sprintf("%s: column '%s' is %s and cannot identify units.",
        where, name, describe_type(x)), "AlignmentError")
    }
    if (anyNA(x)) {
      synth_stop(sprintf(
        "%s has %s whose unit ('%s') is missing. Every row needs one.",
        where, count(sum(is.na(x)), "row"), name
      ), "AlignmentError")
    }
    id_column(x)
  })
}

# Values without class, of which match() is fast and exact, and how to write them.
id_column <- function(x) {
  if (is.factor(x)) {
    return(structure(as.character(x), type = "text"))
  }
  if (is.character(x)) {
    return(structure(as.vector(x), type = "text"))
  }
  if (inherits(x, c("Date", "POSIXct"))) {
    like <- x[0L]
    shown <- function(values) {
      format(structure(values, class = class(like), tzone = attr(like, "tzone")))
    }
    return(structure(as.vector(unclass(x)), type = class(x)[[1L]], shown = shown))
  }
  type <- if (is.logical(x)) "logical" else "numbers"
  structure(as.vector(unclass(x)), type = type)
}

refuse_other_type <- function(a, b, name, where) {
  if (attr(a, "type") != attr(b, "type")) {
    example <- function(x) format_units(label_values(x[1L], attr(x, "shown")))
    synth_stop(sprintf(
      paste(
        "The units ('%s') are %s in data (such as %s), but %s in s%s (such as %s).",
        "Convert one of them, for example with as.character()."
      ),
      name, attr(a, "type"), example(a), attr(b, "type"), substring(where, 2L),
      example(b)
    ), "AlignmentError")
  }
}

# One vector per frame that tells units apart: the column itself, or where there are
# several the number of their combination.
joint_keys <- function(columns) {
  plain <- lapply(columns, lapply, as.vector)
  if (length(plain[[1L]]) == 1L) {
    return(lapply(plain, `[[`, 1L))
  }
  frame_of <- rep(seq_along(plain), vapply(plain, function(x) length(x[[1L]]), 0L))
  key <- 0
  for (j in seq_along(plain[[1L]])) {
    values <- unlist(lapply(plain, `[[`, j), use.names = FALSE)
    known <- unique(values)
    # Doubles, since integers overflow; renumbered, so that products stay exact.
    key <- as.double(key) * length(known) + match(values, known)
    key <- match(key, unique(key))
  }
  unname(split(key, frame_of))
}
