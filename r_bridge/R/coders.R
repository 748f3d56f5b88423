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
  asked <- list(
    on = check_on(on), coder = utf8(coder, "coder"), coding = coding_to_send(coding),
    formula = utf8(deparse1(parts$formula), "formula"), score = target$score$name,
    has_levels = as.integer(has_levels(target)), fixed = fixed_columns(given, sources)
  )
  coded <- collapse_coders(data, asked)
  if (n_rows(coded$data) < n_rows(data)) {
    refuse_values_by_row(given, data)
  }
  c(coded, list(asked = asked))
}

# list(data, coders = what Python knows of them, asked).
collapse_coders <- function(data, asked) {
  value <- call_python("collapse_coders", c(asked, list(
    data = frame_to_send(data, asked$coder, "data", asked$on, TRUE)
  )))
  columns <- lapply(stats::setNames(nm = names(value$columns)), function(name) {
    own <- value$columns[[name]]
    if (is.null(own$rows)) own$values else take(column(data, name), own$rows)
  })
  list(
    data = plain_frame(columns, NROW(columns[[1L]])),
    coders = value[c("table", "left_out")]
  )
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
