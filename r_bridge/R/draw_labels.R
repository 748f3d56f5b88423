#' Which units to label
#'
#' Labels are expensive, and some are worth more than others. `draw_labels()` draws the
#' units that people shall label, with the probabilities that [augmented_gmm()] needs
#' (`labeling_prob = `): save them next to the data.
#'
#' @param units A data frame with one row per unit that could be labelled; with `pilot` the
#'   data that it was fitted to.
#' @param n Number of labels to draw, beyond those of the pilot. With
#'   `design = "clusters"` whole clusters are drawn, of about so many units.
#' @param design `"random"`: a simple random sample. `"stratified"`: a fixed number in each
#'   stratum, in proportion to its size; with a pilot, to its size times the spread in it
#'   (Neyman). `"clusters"`: whole clusters. `"influence"`: in proportion to how much a
#'   label would move the coefficients `terms`, by the regressors of the unit alone; needs
#'   no label, but `formula` and `proxy`, or a pilot. `"optimal"`: in proportion to how
#'   much the sources err there as well, as the labels of a pilot show it; without one, as
#'   the proxies say themselves, by probabilities or by their disagreement.
#' @param pilot A fit by [augmented_gmm()] with the labels that there are. These are kept,
#'   and `labeling_prob` is that of being labelled in either wave.
#' @param terms Names of the coefficients that matter; all but the intercept if omitted.
#' @param formula,proxy,family,score The model, for `"influence"` and `"optimal"` without a
#'   pilot, as in [augmented_gmm()]. `proxy` is a named character vector such as
#'   `c(polite = "polite_gpt4o")`, or a list of several.
#' @param strata,clusters Name of a column of `units`, for the designs of these names.
#' @param auxiliary Columns of numbers that may say where sources err, for `"optimal"` with
#'   a pilot: a one-sided formula such as `~ confidence + n_words`.
#' @param balance Name of a column of numbers. Units are drawn systematically in its order,
#'   so that the sample has its distribution.
#' @param on Name of the column of ids; row names if omitted.
#' @param seed A whole number: the same seed and units give the same draw, in whatever
#'   order the rows are. Drawn if omitted, and kept in `attr(, "seed")`.
#' @param ... Nothing: all other arguments are named in full.
#'
#' @return A data frame with a row per unit, in the order of `units`: `unit`, `drawn`, who
#'   is to be labelled now, and `labeling_prob`; with a pilot also `labelled`, who is
#'   already. Attributes `design`, `n`, `seed`, and `gain`: the share of the variance that
#'   the design takes off a simple random sample, as far as the pilot can say, else `NA`.
#'
#' @seealso [plan()]: how many labels are needed.
#' @examplesIf synth_available()
#' set.seed(1)
#' posts <- data.frame(insult = rbinom(2000, 1, 0.05), guess = rbinom(2000, 1, 0.4))
#' drawn <- draw_labels(posts, 200, "influence",
#'   formula = reported ~ insult, proxy = c(reported = "guess"), family = binomial, seed = 1
#' )
#' table(posts$insult, drawn$drawn)
#' @export
draw_labels <- function(units, n, design = c(
                          "random", "stratified", "clusters", "influence", "optimal"
                        ), pilot = NULL, terms = NULL, formula = NULL, proxy = NULL,
                        family = gaussian(), ..., score = NULL, strata = NULL,
                        clusters = NULL, auxiliary = NULL, balance = NULL, on = NULL,
                        seed = NULL) {
  refuse_unknown("draw_labels", ..., known = names(formals()))
  if (missing(units) || missing(n)) {
    synth_stop(
      "units and n are needed: a data frame, and how many of its rows to draw.",
      "OptionError"
    )
  }
  on <- unit_column(on, substitute(on))
  strata <- unit_column(strata, substitute(strata), "strata")
  clusters <- unit_column(clusters, substitute(clusters), "clusters")
  balance <- unit_column(balance, substitute(balance), "balance")
  designs <- c("random", "stratified", "clusters", "influence", "optimal")
  design <- choose_option(design, designs, "design")
  if (!is.data.frame(units)) {
    synth_stop(sprintf("units is %s. Give a data frame.", describe_type(units)))
  }
  by_model <- !is.null(formula) || !is.null(proxy)
  if (!is.null(pilot)) {
    if (!inherits(pilot, "augmented_gmm")) {
      synth_stop(
        sprintf("pilot is %s. Give a fit by augmented_gmm().", describe_type(pilot)),
        "OptionError"
      )
    }
    if (by_model) {
      synth_stop(
        "formula and proxy are part of the pilot, which is fitted. Leave them out.",
        "OptionError"
      )
    }
  }
  guess <- NULL
  outcomes <- NULL
  if (is.null(pilot) && by_model && design %in% c("influence", "optimal")) {
    said <- said_by_proxies(units, formula, proxy)
    outcomes <- said$outcomes
    # A family that nobody gave is none beside a score.
    guess <- if (missing(family)) {
      augmented_gmm(formula, said$data, score = score, on = on, influence = FALSE)
    } else {
      augmented_gmm(
        formula, said$data, family = family, score = score, on = on, influence = FALSE
      )
    }
  } else if (is.null(pilot) && by_model) {
    synth_stop(
      sprintf(
        "formula and proxy are for the designs \"influence\" and \"optimal\"; \"%s\" needs %s",
        design, "no model. Leave them out."
      ),
      "OptionError"
    )
  }
  asked <- list(
    n = as.double(whole_number(n, "n")),
    design = design,
    is_pilot = as.integer(!is.null(pilot)),
    n_units = nrow(units),
    units = labels_to_send(ids_of_units(units, on)),
    terms = some_names(terms, "terms"),
    strata = codes_of_column(units, strata, "strata"),
    clusters = codes_of_column(units, clusters, "clusters"),
    balance = if (!is.null(balance)) numbers_of_column(units, balance, "balance"),
    auxiliary = auxiliary_numbers(units, auxiliary),
    outcomes = outcomes,
    seed = if (!is.null(seed)) as.double(whole_number(seed, "seed"))
  )
  object <- if (is.null(pilot)) guess else pilot
  columns <- c(strata = strata, clusters = clusters)
  value <- reworded(
    if (is.null(object)) {
      nothing <- list(token = NULL, alone = NULL, arrays = NULL)
      call_python("draw_labels", c(asked, nothing))
    } else {
      ask_python("draw_labels", object, asked)
    },
    function(text) drawing_words(text, columns)
  )
  drawn_frame(value, ids_of_units(units, on), design, n)
}

# Python knows columns by what they are for.
drawing_words <- function(text, columns) {
  for (use in names(columns)) {
    text <- gsub(
      sprintf("column '%s'", use), sprintf("column '%s'", columns[[use]]), text,
      fixed = TRUE
    )
  }
  text
}

# Errors and warnings in other words.
reworded <- function(expr, words) {
  withCallingHandlers(
    tryCatch(expr, SynthError = function(e) {
      e$message <- words(e$message)
      stop(e)
    }),
    SynthWarning = function(w) {
      w$message <- words(w$message)
      warning(w)
      invokeRestart("muffleWarning")
    }
  )
}

drawn_frame <- function(value, ids, design, n) {
  frame <- data.frame(unit = ids, stringsAsFactors = FALSE)
  if (!is.null(value$labeled)) {
    frame$labelled <- as.logical(value$labeled)
  }
  frame$drawn <- as.logical(value$drawn)
  frame$labeling_prob <- ifelse(is.nan(value$labeling_prob), NA, value$labeling_prob)
  structure(
    frame,
    design = design, n = n, seed = value$seed,
    gain = if (is.nan(value$gain)) NA_real_ else value$gain
  )
}

# Ids of the units, as augmented_gmm() has them.
ids_of_units <- function(units, on) {
  on <- check_on(on)
  sent <- frame_to_send(check_frame(units, "units"), character(), "units", on)
  split_labels(call_python("unit_ids", list(data = sent, on = on, where = "units"))$units)
}

# The units with what the first proxy says in place of labels, and all outcomes.
said_by_proxies <- function(units, formula, proxy) {
  if (is.null(formula) || is.null(proxy)) {
    synth_stop("Give formula and proxy, or a pilot.", "OptionError")
  }
  if (!inherits(formula, "formula") || length(formula) != 3L) {
    expand_formula(formula, units, character()) # says what is wrong
  }
  sources <- if (is.list(proxy)) proxy else list(proxy)
  response <- all.vars(formula[[2L]])
  outcomes <- lapply(sources, function(source) {
    if (!is.character(source) || is.null(names(source))) {
      synth_stop(
        paste(
          "proxy is a named character vector here, such as c(polite = \"polite_gpt4o\"),",
          "of columns of units, or a list of several."
        ),
        "OptionError"
      )
    }
    lacking <- setdiff(source, names(units))
    if (length(lacking)) {
      stop_no_column("proxy", lacking[[1L]], names(units))
    }
    if (!all(response %in% names(source))) {
      synth_stop(sprintf(
        "proxy says nothing of '%s', the outcome. Give c(%s = \"column of units\").",
        response[[1L]], response[[1L]]
      ))
    }
    value <- units[[source[[response[[1L]]]]]]
    if (is.numeric(value) || is.logical(value)) as.double(value) else NULL
  })
  first <- sources[[1L]]
  units[names(first)] <- units[unname(first)]
  outcomes <- Filter(Negate(is.null), outcomes)
  list(
    data = units,
    outcomes = if (length(outcomes)) {
      matrix(unlist(outcomes), nrow(units), length(outcomes))
    } else {
      matrix(0, nrow(units), 0L)
    }
  )
}

column_named <- function(units, name, option) {
  if (!is_string(name)) {
    synth_stop(
      sprintf("%s is the name of a column of units. Give it in quotes.", option),
      "OptionError"
    )
  }
  if (!name %in% names(units)) {
    stop_no_column(option, name, names(units))
  }
  units[[name]]
}

codes_of_column <- function(units, name, option) {
  if (is.null(name)) {
    return(NULL)
  }
  values <- column_named(units, name, option)
  refuse_gaps(values, name, option)
  match(values, unique(values))
}

refuse_gaps <- function(values, name, option) {
  if (anyNA(values)) {
    synth_stop(sprintf(
      "%s = \"%s\" is missing for %s. Complete the column.", option, name,
      count(sum(is.na(values)), "unit")
    ))
  }
}

numbers_of_column <- function(units, name, option) {
  values <- column_named(units, name, option)
  if (!is.numeric(values) && !is.logical(values)) {
    synth_stop(sprintf("%s = \"%s\" is %s. Give a column of numbers.", option, name,
      describe_type(values)))
  }
  if (option == "balance") {
    refuse_gaps(values, name, option)
  }
  as.double(values)
}

auxiliary_numbers <- function(units, auxiliary) {
  if (is.null(auxiliary)) {
    return(NULL)
  }
  names <- if (is_one_sided(auxiliary)) all.vars(auxiliary) else auxiliary
  columns <- lapply(names, function(name) numbers_of_column(units, name, "auxiliary"))
  matrix(unlist(columns), nrow(units), length(columns))
}
