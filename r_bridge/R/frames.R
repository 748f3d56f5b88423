# Data and sources, matched by unit: complete rows of each, and where they belong.

# list(units, data = all rows of the formula's columns, rows = labelled rows of data,
# n_incomplete, sources = list of list(name, kind, frame, units, dropped), keyed = list
# of list(label, frame, at) for columns with one value per unit).
align_frames <- function(data, given, variables, on, declared, missing, kept = NULL) {
  for (source in Filter(has_frame, given)) {
    check_frame(source$frame, source_label(source))
  }
  for (source in given) {
    check_source_columns(source, data, variables$all)
  }
  matched <- match_units(data, given, on, variables)
  if (!is.null(kept)) {
    part <- keep_units(data, given, matched, kept)
    data <- part$data
    given <- part$given
    matched <- part$matched
    declared <- if (!is.null(declared)) declared[kept]
  }
  frame <- select_columns(data, variables$all, "data")
  labelled <- labelled_rows(frame, variables$response, declared, missing, matched$units)
  sources <- Map(align_source, given, matched$positions, MoreArgs = list(
    data = data, frame = frame, units = matched$units, missing = missing
  ))
  framed <- vapply(given, has_frame, NA)
  keyed <- Map(function(source, at) {
    list(label = source_label(source), frame = source$frame, at = at)
  }, given[framed], matched$positions[framed])
  itself <- list(label = "data", frame = data, at = seq_len(n_rows(data)))
  list(
    units = matched$units, data = frame, rows = labelled$rows,
    n_incomplete = labelled$n_incomplete, sources = sources,
    keyed = c(list(itself), keyed)
  )
}

# Without the units of the rows of data that are not kept, in sources too.
keep_units <- function(data, given, matched, kept) {
  n <- n_rows(data)
  units <- c(kept, seq_along(matched$units)[-seq_len(n)])
  place <- match(seq_along(matched$units), units)
  rows <- lapply(matched$positions, function(at) which(!is.na(place[at])))
  matched$positions <- Map(function(at, own) place[at[own]], matched$positions, rows)
  given <- Map(function(source, own) {
    if (has_frame(source)) source$frame <- take_rows(source$frame, own)
    source
  }, given, rows)
  matched$units <- matched$units[units]
  list(data = take_rows(data, kept), given = given, matched = matched)
}

check_source_columns <- function(source, data, variables) {
  where <- source_label(source)
  if (has_frame(source)) {
    if (!any(variables %in% names(source$frame))) {
      synth_stop(sprintf(
        "%s has none of the formula's columns (%s). It has: %s.", where,
        paste0("'", variables, "'", collapse = ", "),
        paste0("'", utils::head(names(source$frame), 10L), "'", collapse = ", ")
      ))
    }
    return(invisible())
  }
  for (variable in names(source$columns)) {
    if (!variable %in% variables) {
      synth_stop(sprintf(
        "%s replaces '%s', which the formula does not use.%s",
        where, variable, suggest(variable, variables)
      ))
    }
    name <- source$columns[[variable]]
    if (!name %in% names(data)) {
      synth_stop(sprintf(
        "%s: data has no column '%s' to take '%s' from.%s",
        where, name, variable, suggest(name, names(data))
      ))
    }
  }
}

# --- labelled rows ---

# TRUE and FALSE for every row of data, or NULL where `labeled` was not given.
declared_rows <- function(resolved, data) {
  if (is.null(resolved)) {
    return(NULL)
  }
  label <- option_label("labeled", resolved)
  values <- resolved$values
  if (!is.null(resolved$column)) {
    if (!resolved$column %in% names(data)) {
      synth_stop(sprintf("%s is not a column of data.%s", label,
        suggest(resolved$column, names(data))))
    }
    values <- column(data, resolved$column)
  }
  values <- check_row_values(values, label, n_rows(data))
  if (!(is.logical(values) || is.numeric(values)) || is.object(values) ||
    anyNA(values) || !all(values == 0 | values == 1)) {
    synth_stop(sprintf("%s must be TRUE or FALSE (or 1 or 0) for every row.", label))
  }
  as.logical(values)
}

labelled_rows <- function(frame, response, declared, missing, units) {
  n <- n_rows(frame)
  bad <- incomplete_rows(frame)
  if (is.null(bad)) {
    rows <- if (is.null(declared)) seq_len(n) else which(declared)
    refuse_no_label(frame, rows)
    return(list(rows = rows, n_incomplete = 0L))
  }
  wanted <- declared
  if (is.null(declared)) {
    unknown <- incomplete_rows(unclass_list(frame)[response])
    wanted <- if (is.null(unknown)) rep(TRUE, n) else !unknown
  }
  short <- which(wanted & bad)
  if (missing == "raise" && length(short)) {
    name <- first_missing(frame, short)
    gaps <- short[missing_rows(take(column(frame, name), short))]
    synth_stop(sprintf(
      paste(
        "data: column '%s' is missing for %s (%s). Complete them or set missing =",
        "\"drop\", which counts them as unlabelled."
      ), name, count(length(gaps), "labelled unit"), format_units(units[gaps])
    ))
  }
  rows <- which(wanted & !bad)
  refuse_no_label(frame, rows)
  list(rows = rows, n_incomplete = length(short))
}

first_missing <- function(frame, rows) {
  Find(function(name) anyNA(take(column(frame, name), rows)), names(frame))
}

refuse_no_label <- function(frame, rows) {
  if (length(rows)) {
    return(invisible())
  }
  shares <- missing_shares(frame)
  synth_stop(sprintf(
    paste(
      "There is no labelled unit: no row of data has every variable of the formula.%s",
      "Check the outcome column, labeled and missing values."
    ),
    paste(sprintf(" '%s' is missing in %s of the rows.", names(shares), shares),
      collapse = "")
  ))
}

missing_shares <- function(frame) {
  shares <- vapply(unclass_list(frame), function(x) {
    missing <- missing_rows(x)
    if (is.null(missing)) 0 else mean(missing)
  }, 0)
  shares <- shares[shares > 0]
  stats::setNames(sprintf("%.0f%%", 100 * shares), names(shares))
}

# --- sources ---

align_source <- function(source, at, data, frame, units, missing) {
  where <- source_label(source)
  n <- n_rows(frame)
  own <- own_columns(source, data, names(frame), where)
  borrowed <- setdiff(names(frame), names(own))
  refuse_unknown_lender(borrowed, at, n, units, where)
  by_position <- length(at) == n && identical(at, seq_len(n))
  columns <- lapply(stats::setNames(nm = names(frame)), function(name) {
    model <- column(frame, name)
    if (name %in% borrowed) {
      return(if (by_position) model else take(model, at))
    }
    harmonise(own[[name]], model, where, name, function(rows) units[at[rows]])
  })
  rows <- usable_rows(columns, names(own), at, units, where, missing)
  complete <- plain_frame(columns, length(at))
  dropped <- length(at) - length(rows)
  if (is.unsorted(at[rows])) {
    rows <- rows[order(at[rows])]
  }
  if (dropped || is.unsorted(rows)) {
    complete <- take_rows(complete, rows)
    at <- at[rows]
  }
  list(
    name = source$name, kind = source$kind, frame = complete, units = at,
    dropped = dropped
  )
}

# The variables that a source brings itself.
own_columns <- function(source, data, variables, where) {
  if (has_frame(source)) {
    own <- intersect(variables, names(source$frame))
    return(unclass_list(select_columns(source$frame, own, where)))
  }
  from <- unname(source$columns)
  unclass_list(select_columns(data, from, where, as = names(source$columns)))
}

refuse_unknown_lender <- function(borrowed, at, n, units, where) {
  if (!length(borrowed) || all(at <= n)) {
    return(invisible())
  }
  absent <- units[unique(at[at > n])]
  synth_stop(sprintf(
    paste(
      "%s has no column '%s', and %s of its units (%s) are not in data, where it would",
      "be taken from. Add '%s' to the source, or give data for all units."
    ), where, borrowed[[1L]], length(absent), format_units(absent), borrowed[[1L]]
  ), "AlignmentError")
}

# Rows of a source with every variable.
usable_rows <- function(columns, own, at, units, where, missing) {
  bad <- incomplete_rows(columns)
  if (is.null(bad)) {
    return(seq_along(at))
  }
  if (missing == "raise") {
    name <- Find(function(name) anyNA(columns[[name]]), names(columns))
    synth_stop(sprintf(
      paste(
        "%s: column '%s'%s is missing for %s. Complete them or set missing =",
        "\"drop\"."
      ), where, name, if (name %in% own) "" else ", taken from data,",
      name_units(units[at[missing_rows(columns[[name]])]])
    ))
  }
  if (all(bad)) {
    shares <- missing_shares(plain_frame(columns, length(at)))
    name <- names(shares)[[which.max(as.numeric(sub("%", "", shares)))]]
    synth_stop(sprintf(
      paste(
        "%s has no row with every variable of the formula: '%s' is missing in %s of",
        "its %s. Complete it or leave the source out."
      ), where, name, shares[[name]], count(length(at), "row")
    ))
  }
  which(!bad)
}
