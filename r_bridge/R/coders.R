#' How far do several coders of a unit agree?
#'
#' For a fit by [augmented_gmm()] with `coder`: `data` with a row for each unit and coder.
#'
#' @param object The fit.
#' @return A data frame with a row for each variable on which coders could differ:
#'   `variable`, the number of `coders`, `codes` and `units` with a code, `several` (units
#'   with more than one), `agreement` (share of pairs of codes of a unit that are the same),
#'   Krippendorff's `alpha` and its `metric`, `label` (what made one of several codes) and
#'   `ties` (units without a majority: among the most frequent codes one is drawn by the
#'   unit's id).
#' @references Krippendorff, K. (2011). Computing Krippendorff's alpha-reliability.
#'   University of Pennsylvania.
#' @seealso [agreement()], of sources with people.
#' @examplesIf synth_available()
#' set.seed(1)
#' units <- data.frame(id = 1:400, x = rnorm(400))
#' truth <- 1 + 0.5 * units$x + rnorm(400)
#' units$guess <- truth + rnorm(400, sd = 0.5)
#' coded <- units[rep(1:400, ifelse(1:400 <= 100, 2, 1)), ]
#' coded$coder <- ifelse(duplicated(coded$id), "Ann", "Bob")
#' coded$y <- ifelse(coded$id <= 100, truth[coded$id] + rnorm(500, sd = 0.3), NA)
#' fit <- augmented_gmm(y ~ x, coded, c(y = "guess"), on = "id", coder = "coder")
#' coder_agreement(fit)
#' @export
coder_agreement <- function(object) {
  check_fit(object)
  if (is.null(object$coders)) {
    synth_stop(
      paste(
        "Each unit has one row of data. Give one for each unit and coder, and the column",
        "that says who coded it: augmented_gmm(..., coder = \"coder\")."
      ),
      "OptionError"
    )
  }
  object$coders
}

# `data` with one row per unit, and the table of coder_agreement(); `given` are options
# that were captured, whose columns belong to the unit.
one_row_per_unit <- function(data, coder, coding, on, target, parts, given, sources) {
  if (is.null(coder)) {
    if (!is.null(coding)) {
      synth_stop(
        paste(
          "coding says what makes one label of several codes. Name the column that says",
          "who coded a row, in coder."
        ),
        "OptionError"
      )
    }
    return(list(data = data))
  }
  check_frame(data, "data")
  if (is.null(on)) {
    synth_stop(
      "coder needs ids: several rows are of one unit. Name the column of the id in on."
    )
  }
  for (name in c(coder, on)) {
    if (!name %in% names(data)) {
      stop_no_column(if (identical(name, coder)) "coder" else "on", name, names(data))
    }
  }
  keys <- stats::setNames(lapply(on, function(name) as_values(column(data, name))), on)
  unit <- do.call(paste, c(unname(lapply(keys, as.character)), sep = separator))
  first <- which(!duplicated(unit))
  outcome <- deparse1(parts$formula[[2L]])
  others <- setdiff(names(data), c(on, coder))
  differ <- Filter(function(name) differs_within(column(data, name), unit), others)
  sent <- union(differ, intersect(outcome, others))
  who <- as_values(column(data, coder))
  value <- reworded(call_python("collapse_coders", list(
    keys = lapply(keys, key_to_send), key_names = utf8(on, "on"),
    coder = code_to_send(who), coder_name = utf8(coder, "coder"),
    columns = lapply(sent, function(name) column_to_send(column(data, name))),
    column_names = utf8(sent, "Names of columns"),
    coding = coding_to_send(coding), formula = utf8(deparse1(parts$formula), "formula"),
    score = target$score$name, has_levels = as.integer(has_levels(target)),
    fixed = fixed_columns(given, sources)
  )), coding_words)
  if (length(first) < n_rows(data)) {
    refuse_values_by_row(given, data)
  }
  collapsed <- take_rows(data, first)
  for (name in setdiff(others, sent)) {
    collapsed[[name]] <- known_values(column(data, name), unit, first)
  }
  for (k in seq_along(sent)) {
    collapsed[[sent[[k]]]] <- labels_of_codes(
      value$labels[[k]], column(data, sent[[k]])
    )
  }
  collapsed[[coder]] <- NULL
  list(data = collapsed, coders = value$table)
}

# Vectors are not brought to the unit, as columns of data are.
refuse_values_by_row <- function(given, data) {
  for (option in names(given)) {
    expr <- given[[option]]$expr
    if (is.character(expr) || any(all.vars(expr) %in% names(data))) {
      next
    }
    values <- tryCatch(eval(expr, given[[option]]$env), error = function(e) NULL) # said later
    if (is.atomic(values) && length(values) == n_rows(data)) {
      synth_stop(sprintf(
        paste(
          "%s has a value for each row of data, but with coder the rows of a unit become",
          "one. Make it a column of data, and give its name."
        ), option
      ))
    }
  }
}

coding_words <- function(text) {
  in_r_words(gsub(
    "=\\{(['\"])([^'\"]*)\\1: ['\"]?([^'\"}]*)['\"]?\\}", " = c(\\2 = \"\\3\")", text
  ))
}

differs_within <- function(x, unit) {
  if (length(dim(x)) > 1L || is.list(x)) {
    return(FALSE)
  }
  known <- !is.na(x)
  pairs <- unique(data.frame(unit = unit[known], code = match(x[known], unique(x))))
  anyDuplicated(pairs$unit) > 0L
}

# The value that rows of a unit share, from whichever has it.
known_values <- function(x, unit, first) {
  if (length(dim(x)) > 1L || is.list(x)) {
    return(take(x, first))
  }
  rows <- c(which(!is.na(x)), which(is.na(x)))
  take(x, rows[match(unit[first], unit[rows])])
}

# Text by codes, or numbers; whole numbers as such, by which ties are drawn.
key_to_send <- function(x) {
  if (is.character(x)) {
    return(code_to_send(x))
  }
  whole <- !anyNA(x) && all(x == round(x)) && all(abs(x) < 2^31)
  list(values = if (whole) as.integer(x) else as.double(x))
}

code_to_send <- function(x) {
  known <- unique(x[!is.na(x)])
  codes <- match(x, known, nomatch = 0L)
  list(codes = codes, levels = utf8(as.character(known), "coder"))
}

column_to_send <- function(x) {
  if (is.numeric(x) && !is.object(x) || is.logical(x)) {
    return(list(values = as.double(x)))
  }
  known <- values_to_code(x)
  list(
    codes = match(x, known, nomatch = 0L), levels = utf8(as.character(known), "levels")
  )
}

values_to_code <- function(x) unique(x[!is.na(x)])

labels_of_codes <- function(label, x) {
  if (is.null(label)) {
    return(NULL) # not a label: the column goes
  }
  if (is.null(label$codes)) {
    values <- label$values
    values[is.nan(values)] <- NA
    return(if (is.logical(x) && all(values %in% c(0, 1, NA))) values == 1 else values)
  }
  values_to_code(x)[ifelse(label$codes == 0L, NA, label$codes)]
}

coding_to_send <- function(coding) {
  if (is.null(coding)) {
    return(NULL)
  }
  coding <- unlist(coding)
  if (!is.character(coding) || anyNA(coding) ||
    (is.null(names(coding)) && length(coding) != 1L)) {
    synth_stop(
      paste(
        "coding is \"mean\" or \"majority\", or says it by column, as in",
        "c(y = \"majority\")."
      ),
      "OptionError"
    )
  }
  list(
    how = utf8(unname(coding), "coding"),
    names = if (!is.null(names(coding))) utf8(names(coding), "coding")
  )
}

# Columns that options and sources name, which belong to the unit.
fixed_columns <- function(given, sources) {
  named <- lapply(given, function(own) {
    expr <- own$expr
    if (is.character(expr)) expr else if (is.language(expr)) all.vars(expr)
  })
  of_sources <- unlist(lapply(sources, `[[`, "columns"))
  names <- c(unlist(named), of_sources)
  what <- c(
    rep(base::names(named), lengths(named)),
    unlist(lapply(sources, function(s) rep(source_label(s), length(s$columns))))
  )
  if (length(names)) {
    list(names = utf8(unname(names), "options"), what = utf8(unname(what), "options"))
  }
}

sources_of_columns <- function(proxy, synthetic) {
  flat <- function(value) {
    if (!is.list(value) || is.data.frame(value)) {
      return(value)
    }
    lapply(value, function(own) {
      if (is.list(own) && !is.data.frame(own)) unlist(own) else own
    })
  }
  tryCatch(
    given_sources(flat(proxy), flat(synthetic)), SynthError = function(e) list() # said later
  )
}
