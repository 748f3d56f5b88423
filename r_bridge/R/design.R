# From a formula and data frames to numbers: learned on the labelled rows as glm() does,
# and applied to every source with what was learned.

# See the contract of each element in augmented_gmm().
build_design <- function(formula, data, proxy = NULL, synthetic = NULL,
                         family = stats::gaussian(), on = NULL, labeled = NULL,
                         labeling_prob = NULL, strata = NULL, weights = NULL,
                         cluster = NULL, survey_strata = NULL, survey_fpc = NULL,
                         auxiliary = NULL, missing = "drop",
                         contrasts = NULL, subset = NULL, rare_levels = "raise",
                         parts = formula_parts(formula),
                         target = read_target(NULL, family, FALSE, parts)) {
  missing <- choose_option(missing, c("drop", "raise"), "missing")
  formula <- parts$formula
  refuse_with_absorbed(parts, auxiliary)
  check_frame(data, "data")
  given <- check_shown_names(given_sources(proxy, synthetic))
  captured <- list(
    labeled = labeled, labeling_prob = labeling_prob, strata = strata,
    weights = weights, cluster = cluster, survey_strata = survey_strata,
    survey_fpc = survey_fpc
  )
  others <- lapply(Filter(has_frame, given), `[[`, "frame")
  options <- lapply(stats::setNames(nm = names(captured)), function(option) {
    resolve_option(captured[[option]], option, data, others)
  })
  reserved <- c(
    on, unlist(Map(option_columns, options, captured, list(data))),
    unlist(lapply(given, `[[`, "columns")), parts$fixed,
    if (inherits(auxiliary, "formula")) all.vars(auxiliary)
  )
  refuse_foreign_terms(formula)
  formula <- expand_formula(formula, data, reserved)
  variables <- formula_variables(formula, data, given)
  regressors <- setdiff(variables$all, variables$response)
  kept <- subset_rows(subset, data)
  if (rare_levels != "raise") {
    data <- with_levels_of_sources(data, given, regressors)
  }
  prob <- single_number(options$labeling_prob$values)
  if (!is.null(prob)) {
    options$labeling_prob <- NULL
  }
  auxiliary_names <- auxiliary_names(auxiliary, formula, data, others)
  frames <- align_frames(data, given, variables, list(
    on = check_on(on), missing = missing, rare_levels = rare_levels,
    subset = if (!is.null(kept)) kept - 1L, bare = bare_variables(formula, data),
    levels = used_as_levels(formula, data, regressors), values = auxiliary_names,
    fixed = as.character(parts$fixed),
    text = paste(deparse1(formula), "|", paste(parts$fixed, collapse = " + "))
  ), options)
  learned <- learn_design(formula, frames, target, contrasts)
  labeled <- integer(length(frames$units))
  labeled[frames$rows] <- 1L
  instruments <- !is.null(parts$instruments)
  list(
    terms = if (instruments) structural_terms(learned, parts) else learned$terms,
    all_terms = learned$terms,
    assign = learned$assign,
    formula = parts$text,
    instrumental = if (instruments) instrumental_columns(learned, parts),
    absorbed = absorbed_effects(parts, learned, frames, given),
    xlevels = learned$xlevels,
    contrasts = learned$contrasts,
    model = learned$model,
    labels = learned$labels,
    labeled = labeled,
    units = frames$units,
    sources = lapply(frames$sources, source_arrays, learned = learned, frames = frames),
    weights = frames$weights,
    labeling_prob = if (is.null(prob)) frames$labeling_prob else prob,
    strata = frames$strata,
    cluster = frames$cluster,
    survey_strata = frames$survey_strata,
    survey_fpc = frames$survey_fpc,
    auxiliary = auxiliary_columns(auxiliary, auxiliary_names, frames),
    # In the order of their codes.
    clusters = if (!is.null(frames$clusters)) split_labels(frames$clusters),
    n_incomplete = frames$n_incomplete,
    n_data = n_rows(frames$data),
    subset = kept,
    eligible = frames$eligible,
    missing = missing,
    yname = deparse1(formula[[2L]]),
    ylevels = learned$ylevels
  )
}

single_number <- function(x) {
  if (is.numeric(x) && length(x) == 1L && !is.na(x)) as.double(x)
}

# Rows of data that `subset` keeps, as integers; NULL where nothing was given.
subset_rows <- function(given, data) {
  if (is.null(given)) {
    return(NULL)
  }
  value <- evaluate_option(given$expr, "subset", data, given$env, names(data))
  if (is.null(value)) {
    return(NULL)
  }
  n <- n_rows(data)
  if (is.logical(value)) {
    value <- which(check_row_values(value, "subset", n) %in% TRUE)
  } else if (is.character(value)) {
    rows <- match(value, attr(data, "row.names"))
    if (anyNA(rows)) {
      synth_stop(sprintf(
        "subset names %s, which is no row of data.", format_units(value[is.na(rows)])
      ))
    }
    value <- rows
  } else if (!is.numeric(value) || anyNA(value) || any(value != round(value))) {
    synth_stop(sprintf(
      "subset is %s. Give a condition, or numbers or names of rows.",
      describe_type(value)
    ))
  }
  kept <- tryCatch(seq_len(n)[value], error = function(e) NA)
  if (!length(kept) || anyNA(kept) || anyDuplicated(kept)) {
    synth_stop(sprintf(
      "subset must choose rows of data, each once: from 1 to %d.", n
    ))
  }
  as.integer(sort(kept))
}

# The formula on the labelled rows, exactly as glm() has it.
learn_design <- function(formula, frames, target, contrasts) {
  units <- frames$units[frames$rows]
  labelled <- take_rows(frames$data, frames$rows)
  attr(labelled, "row.names") <- units
  model <- evaluate_at("data", formula, stats::model.frame(
    formula, labelled, drop.unused.levels = TRUE, na.action = stats::na.pass
  ))
  terms <- attr(model, "terms")
  if (stats::is.empty.model(terms)) {
    synth_stop(sprintf(
      "The formula %s has no regressor, not even a constant.", deparse1(formula)
    ), "FormulaError")
  }
  refuse_missing_terms(model, "data", function(rows) units[rows])
  refuse_response_on_right(terms)
  refuse_row_dependence(terms, model, labelled)
  check_contrasts(contrasts, model)
  refuse_single_levels(terms, model)
  exog <- evaluate_at("data", formula, stats::model.matrix(terms, model, contrasts))
  ylevels <- if (has_levels(target)) {
    outcome_levels(model[[1L]], target, deparse1(formula[[2L]]))
  } else if (is.factor(model[[1L]])) {
    levels(model[[1L]])
  }
  learned <- list(
    terms = terms,
    xlevels = stats::.getXlevels(terms, model),
    contrasts = attr(exog, "contrasts"),
    model = model,
    labelled = labelled,
    formula = formula,
    target = target,
    ylevels = ylevels,
    columns = colnames(exog),
    assign = attr(exog, "assign")
  )
  learned$labels <- list(
    endog = response_numbers(model[[1L]], learned, "data", function(rows) units[rows]),
    exog = plain_matrix(exog, colnames(exog)),
    offset = offset_numbers(model),
    trials = trials_of(model[[1L]], learned, "data", function(rows) units[rows])
  )
  learned
}

# One source with what was learned on the labels.
source_arrays <- function(source, learned, frames) {
  where <- source_label(source)
  units <- function(rows) frames$units[source$units[rows]]
  model <- evaluate_at(where, learned$formula, source_model(source$frame, learned))
  refuse_missing_terms(model, where, units)
  for (name in names(learned$xlevels)) {
    model[[name]] <- as_learned_factor(
      model[[name]], learned$xlevels[[name]], is.ordered(learned$model[[name]]),
      where, name, units
    )
  }
  exog <- evaluate_at(where, learned$formula, stats::model.matrix(
    learned$terms, model, learned$contrasts
  ))
  refuse_other_columns(colnames(exog), learned$columns, where)
  every <- length(source$units) == length(frames$units) &&
    identical(as.integer(source$units), seq_along(frames$units))
  list(
    name = source$name,
    kind = source$kind,
    endog = response_numbers(model[[1L]], learned, where, units),
    exog = plain_matrix(exog, NULL),
    units = if (!every) as.integer(source$units),
    offset = offset_numbers(model),
    trials = trials_of(model[[1L]], learned, where, units),
    dropped = as.integer(source$dropped)
  )
}

# The model frame of a source. C() and relevel() fail where a level is absent; with the
# labelled rows in front it is there, and no other term depends on them.
source_model <- function(frame, learned) {
  evaluate <- function(rows) {
    stats::model.frame(learned$terms, rows, na.action = stats::na.pass)
  }
  tryCatch(evaluate(frame), error = function(e) {
    n <- n_rows(learned$labelled)
    both <- tryCatch(
      evaluate(append_rows(learned$labelled, frame)), error = function(other) stop(e)
    )
    model <- take_rows(both, n + seq_len(n_rows(frame)))
    attr(model, "terms") <- learned$terms
    model
  })
}

plain_matrix <- function(x, columns) {
  attr(x, "assign") <- NULL
  attr(x, "contrasts") <- NULL
  dimnames(x) <- if (!is.null(columns)) list(NULL, columns)
  storage.mode(x) <- "double"
  x
}

offset_numbers <- function(model) {
  offset <- stats::model.offset(model)
  if (is.null(offset)) {
    return(NULL)
  }
  if (NCOL(offset) != 1L) {
    synth_stop("offset() has several columns. Give one number per row.", "FormulaError")
  }
  as.double(offset)
}

# What R says on evaluating, with the frame where it says so.
evaluate_at <- function(where, formula, expr) {
  withCallingHandlers(
    tryCatch(expr, error = function(e) {
      if (inherits(e, "SynthError")) {
        stop(e)
      }
      synth_stop(sprintf(
        "%s: the formula %s cannot be evaluated: %s",
        where, deparse1(formula), conditionMessage(e)
      ), "FormulaError")
    }),
    warning = function(w) {
      # What becomes NaN is refused, with the units.
      if (!identical(conditionMessage(w), gettext("NaNs produced", domain = "R"))) {
        warning(sprintf("%s: %s", where, conditionMessage(w)), call. = FALSE)
      }
      invokeRestart("muffleWarning")
    }
  )
}

# --- what is refused ---

refuse_missing_terms <- function(model, where, units) {
  for (name in names(model)) {
    bad <- missing_rows(model[[name]])
    if (!is.null(bad)) {
      rows <- which(bad)
      synth_stop(sprintf(
        paste(
          "%s: the term '%s' is not a number or level for %s (%s), where the variables",
          "of the formula are present. %s"
        ), where, name, count(length(rows), "row"), name_units(units(rows)),
        missing_remedy(name)
      ), "FormulaError")
    }
  }
}

# What to do where a term makes NA of values that are present.
missing_remedy <- function(name) {
  called <- tryCatch(called_functions(str2lang(name)), error = function(e) character())
  if ("cut" %in% called) {
    return(paste(
      "cut() has no interval for these values: let the first and last break be -Inf and",
      "Inf, or set include.lowest = TRUE if they are on the edge."
    ))
  }
  if (any(c("factor", "ordered") %in% called)) {
    return("The levels that it is given do not have these values: name all of them.")
  }
  if (any(c("log", "log10", "log2", "log1p", "sqrt") %in% called)) {
    return("Correct or remove these values, at which the function has none.")
  }
  "Correct or remove them."
}

refuse_response_on_right <- function(terms) {
  variables <- vapply(attr(terms, "variables"), deparse1, "")[-1L]
  factors <- attr(terms, "factors")
  if (length(factors) && any(factors[1L, ] > 0L)) {
    synth_stop(sprintf(
      "The outcome '%s' is on the right side of the formula as well. Leave it out.",
      variables[[1L]]
    ), "FormulaError")
  }
}

check_contrasts <- function(contrasts, model) {
  if (is.null(contrasts)) {
    return(invisible())
  }
  categorical <- names(model)[vapply(model, function(x) {
    is.factor(x) || is.character(x) || is.logical(x)
  }, NA)]
  if (!is.list(contrasts) || is.null(names(contrasts))) {
    synth_stop(
      "contrasts must be a named list, such as list(group = \"contr.sum\").",
      "OptionError"
    )
  }
  for (name in names(contrasts)) {
    if (!name %in% categorical) {
      synth_stop(sprintf(
        "contrasts has '%s', which is no factor in the formula.%s",
        name, suggest(name, categorical)
      ), "OptionError")
    }
  }
}

# glm()'s own message does not say which.
refuse_single_levels <- function(terms, model) {
  factors <- attr(terms, "factors")
  if (!length(factors)) {
    return(invisible())
  }
  used <- rownames(factors)[rowSums(factors) > 0]
  for (name in used) {
    x <- model[[name]]
    if ((is.factor(x) || is.character(x)) && length(unique(x)) < 2L) {
      synth_stop(sprintf(
        paste(
          "'%s' has only the level '%s' among the labelled units, so it has no",
          "coefficient. Label units with other levels, or leave it out."
        ), name, as.character(x[[1L]])
      ), "CollinearityError")
    }
  }
}

as_learned_factor <- function(x, known, ordered, where, name, units) {
  codes <- if (is.factor(x)) match(levels(x), known)[as.integer(x)] else match(x, known)
  strange <- which(is.na(codes))
  if (length(strange)) {
    first <- as.character(x[strange[[1L]]])
    rows <- strange[as.character(x[strange]) == first]
    synth_stop(sprintf(
      paste(
        "%s: column '%s' has the level '%s', which no labelled unit has (%s).",
        "Drop these rows or label such units; rare_levels = \"drop\" or \"lump\" leaves",
        "them out, or counts them as the level with the fewest labels."
      ), where, name, first, name_units(units(rows))
    ), "FormulaError")
  }
  structure(codes, levels = known, class = c(if (ordered) "ordered", "factor"))
}

refuse_other_columns <- function(found, expected, where) {
  if (identical(found, expected)) {
    return(invisible())
  }
  say <- function(names, what) {
    if (length(names)) sprintf(" %s: %s.", what, format_units(names)) else ""
  }
  synth_stop(sprintf(
    paste(
      "%s: the formula gives other columns than on the labelled units.%s%s Give the",
      "variables the same types."
    ), where,
    say(setdiff(expected, found), "Missing"), say(setdiff(found, expected), "Further")
  ), "FormulaError")
}
