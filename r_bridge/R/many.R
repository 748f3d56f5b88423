#' Many fits: sets of labels, outcomes, formulas, subgroups
#'
#' One table of many regressions. Given a fit, it is made again with other sets of labels:
#' what the sources say is then computed once for all. Given formulas, each is fitted, and
#' in each subgroup if there are any.
#'
#' @param object A fit by [augmented_gmm()], or a formula, or a list of formulas (its names,
#'   if it has any, name the fits).
#' @param labels Sets of human labels, `NA` where a unit has none: a data frame or matrix
#'   with a column for each set, or a named list of vectors. Rows are those of `data`, in
#'   their order, unless they say otherwise: by row names, by the names of a vector, or by
#'   the column that `on` named in the fit. Values are those of the left side of the
#'   formula.
#' @param data For sets of labels: the data of the fit, where the fit cannot find them
#'   again. For formulas: as in [augmented_gmm()].
#' @param by Column of `data`, or one value per row: each formula is fitted in each of its
#'   groups, to the units of that group alone.
#' @param proxy,synthetic As in [augmented_gmm()]. Columns that stand in for a variable, as in
#'   `c(y1 = "y1_llm", y2 = "y2_llm")`, are used by the formulas that have it.
#' @param level Level of the intervals.
#' @param ... For formulas: further arguments of [augmented_gmm()], the same for all.
#'   Otherwise nothing.
#' @param x What `many_fits()` returned.
#' @param conf.int Whether to keep the intervals.
#' @param terms Coefficients to draw; all but the intercept if omitted.
#' @param xlab,main Labels of the figure.
#' @param digits Significant digits.
#' @param row.names,optional Ignored.
#'
#' @details Sets of labels share the sources, the regressors, weights, strata and
#'   probabilities of the fit, and its options. A set may label units that the fit did not,
#'   if `data` has their regressors. Every fit gives the numbers of [augmented_gmm()] with
#'   these labels. A fit that is refused is left out, with a warning that says why.
#'
#'   Outcomes that are sets of labels share one source: this helps as far as it tells the
#'   outcome at hand. Where each outcome has a source of its own, give formulas.
#'
#'   Intervals are those of each fit by itself. They are not adjusted for there being many:
#'   see [stats::p.adjust()].
#'
#' @return An object of class `many_fits`: `table`, a data frame with a row for each fit and
#'   coefficient: `fit`, `term`, `estimate`, `std.error`, `statistic`, `p.value`,
#'   `conf.low`, `conf.high`, `df` (degrees of freedom of the interval, `Inf` for the normal
#'   distribution), `labels.only`, `labels.only.std.error` and the ends of its interval,
#'   `effective.labels`; `sets`, a row for each fit, with its `formula` and `group` if there
#'   are any, labels (`nobs`), labelled units that lack a regressor and count as unlabelled
#'   (`n_incomplete`), units, sources, the p-value of Hansen's J, whether it converged and
#'   how often it
#'   warned; `vcov`, a list of covariance matrices; `warned`, what was warned of; `left_out`,
#'   the fits that were refused, with the reason; and, for formulas, `fits`, the fits
#'   themselves. `tidy()` gives the table, `glance()` the sets.
#' @seealso [augmented_gmm()], [draw_labels()]
#' @examplesIf synth_available()
#' set.seed(1)
#' posts <- data.frame(hedge = rnorm(600), region = rep(c("north", "south"), 300))
#' truth <- 1 + 0.5 * posts$hedge + rnorm(600)
#' posts$guess <- truth + 0.3 + rnorm(600, sd = 0.5)
#' posts$polite <- ifelse(seq_len(600) <= 120, truth, NA)
#' fit <- augmented_gmm(polite ~ hedge, posts, proxy = c(polite = "guess"))
#'
#' # Would fewer labels have done?
#' labels <- list(
#'   "60 labels" = ifelse(seq_len(600) <= 60, truth, NA),
#'   "120 labels" = posts$polite
#' )
#' many_fits(fit, labels)
#'
#' many_fits(polite ~ hedge, posts, proxy = c(polite = "guess"), by = region)
#' @export
many_fits <- function(object, ...) UseMethod("many_fits")

#' @rdname many_fits
#' @export
many_fits.default <- function(object, ...) {
  require_arguments("many_fits")
  synth_stop(
    sprintf(
      "object is %s. Give a fit by augmented_gmm(), a formula or a list of formulas.",
      describe_type(object)
    ),
    "OptionError"
  )
}

#' @rdname many_fits
#' @export
many_fits.augmented_gmm <- function(object, labels, data = NULL, level = 0.95, ...) {
  refuse_arguments("many_fits", ...)
  if (missing(labels)) {
    synth_stop(
      "labels is missing: a data frame with a column for each set of labels.",
      "OptionError"
    )
  }
  refuse_other_sets(object)
  design <- regressors_of_data(object, data)
  value <- ask_python("many_fits", object, c(
    read_label_sets(labels, object),
    list(exog = unname_matrix(design), alpha = check_alpha(level)),
    object$again$arrays[c("settings", "cluster", "survey_strata", "survey_fpc",
      "absorbed", "levels", "subset")]
  ))
  about <- lapply(value$about, function(row) {
    data.frame(
      fit = row$fit, nobs = row$nobs, n_incomplete = row$n_incomplete,
      n_units = row$n_units, n_sources = row$n_sources,
      j.p.value = row$j_p, converged = row$converged, warnings = length(row$warnings)
    )
  })
  new_many_fits(
    lapply(value$tables, table_of), about,
    lapply(value$vcov, structure, dimnames = rep(list(names(object$coefficients)), 2L)),
    lapply(value$about, function(row) in_r_words(as.character(unlist(row$warnings)))),
    stats::setNames(
      in_r_words(as.character(unlist(value$why))), as.character(unlist(value$left_out))
    ),
    level, match.call()
  )
}

#' @rdname many_fits
#' @export
many_fits.formula <- function(object, data, proxy = NULL, synthetic = NULL, by = NULL,
                              level = 0.95, ...) {
  call <- match.call()
  require_arguments("many_fits")
  fit_formulas(list(object), data, proxy, synthetic, capture(substitute(by), parent.frame()),
    level, call, parent.frame())
}

#' @rdname many_fits
#' @export
many_fits.list <- function(object, data, proxy = NULL, synthetic = NULL, by = NULL,
                           level = 0.95, ...) {
  call <- match.call()
  require_arguments("many_fits")
  fit_formulas(object, data, proxy, synthetic, capture(substitute(by), parent.frame()),
    level, call, parent.frame())
}

# --- sets of labels ---

refuse_other_sets <- function(object) {
  asked <- object$call$rare_levels
  refuse_without_arrays("many_fits", object)
  if (object$again$alone == 1L) {
    synth_stop(
      "many_fits() takes the fit with its sources, not its labels_only().", "OptionError"
    )
  }
  if (NCOL(object$model[[1L]]) > 1L) {
    synth_stop(
      paste(
        "Sets of labels are not available where the outcome is cbind(successes, failures).",
        "Give a formula for each set in place of the fit."
      ),
      "OptionError"
    )
  }
  if (!is.null(object$absorbed)) {
    synth_stop(
      paste(
        "Sets of labels are not available with fixed effects: what is taken off for groups",
        "is learned from the labels. Give a formula for each set in place of the fit."
      ),
      "OptionError"
    )
  }
  if (!is.null(asked) && !identical(asked, "raise")) {
    synth_stop(
      paste(
        "Sets of labels are not available with rare_levels: which levels are rare depends",
        "on the labels. Give a formula for each set in place of the fit."
      ),
      "OptionError"
    )
  }
}

# Sets of labels as they cross: numbers, and what says which units they are of.
read_label_sets <- function(labels, object) {
  if (is.matrix(labels)) {
    labels <- as.data.frame(labels, stringsAsFactors = FALSE)
  }
  if (!is.list(labels) || !length(labels)) {
    synth_stop(sprintf(
      "labels is %s. Give a data frame with a column for each set, or a named list.",
      describe_type(labels)
    ))
  }
  on <- object$again$on
  framed <- is.data.frame(labels)
  own <- if (framed && all(on %in% names(labels))) on
  names <- setdiff(names(labels), if (framed) on)
  if (!length(names) || anyNA(names) || any(names == "") || anyDuplicated(names(labels))) {
    synth_stop("Every set of labels needs a name of its own: give labels names.")
  }
  rows_of <- function(frame) frame_to_send(frame, character(), "labels", own)
  data <- if (framed && is.null(own) && !is.null(on)) {
    data_of_call(object, object$again$arrays$n_data)
  }
  list(
    on = own, id = on, frame = if (framed) rows_of(check_frame(labels, "labels")),
    data_rows = if (length(data)) rows_of(data)$row_names,
    sets = lapply(stats::setNames(nm = names), function(name) {
      x <- .subset2(labels, name)
      list(
        values = one_label_set(x, name, object),
        units = if (!framed && !is.null(names(x))) joined(utf8(names(x), "Names of labels"))
      )
    })
  )
}

one_label_set <- function(values, name, object) {
  label <- sprintf("labels: '%s'", name)
  values <- check_column(values, label)
  if (is.character(values) && is.factor(object$model[[1L]])) {
    values <- factor(values)
  }
  given <- which(!is.na(values))
  learned <- list(
    formula = object$formula, target = list(family = object$family,
      predicts = object$predicts, score = object$score),
    ylevels = if (has_levels(object)) {
      object$again$arrays$levels
    } else {
      levels(object$model[[1L]])
    }
  )
  result <- rep(NA_real_, length(values))
  result[given] <- response_numbers(
    take(values, given), learned, label, function(rows) given[rows]
  )
  result
}

# The regressors of all rows of the data of the fit, instruments included.
regressors_of_data <- function(object, data) {
  n <- object$again$arrays$n_data
  if (is.null(data)) {
    data <- data_of_call(object, n)
    if (!length(data)) {
      synth_stop(paste(
        "The data of the fit are not there any more, or have changed. Give them: data = ."
      ))
    }
  } else {
    data <- rows_of_fit(object, data)
    if (n_rows(data) != n) {
      synth_stop(sprintf(
        "data has %s; the data of the fit had %s. Give the same data.",
        count(n_rows(data), "row"), count(n, "row")
      ))
    }
  }
  whole <- object
  if (!is.null(object$all_terms)) {
    whole$terms <- object$all_terms
  }
  exog <- new_design(whole, data)$exog
  own <- object$again$arrays
  rows <- which(own$labeled == 1L)
  # To rounding: bases are computed anew.
  if (!isTRUE(all.equal(unname_matrix(exog[rows, , drop = FALSE]), own$exog))) {
    synth_stop("data are not those of the fit: regressors of its labelled units differ.")
  }
  exog
}

# --- formulas and groups ---

fit_formulas <- function(formulas, data, proxy, synthetic, by, level, call, env) {
  check_level(level)
  check_frame(data, "data")
  formulas <- named_formulas(formulas)
  groups <- groups_of_data(by, data)
  kept <- subset_rows(capture(call$subset, env), data)
  given <- as.list(call)[-1L]
  given <- given[setdiff(names(given), c("object", "proxy", "synthetic", "by", "level",
    "subset"))]
  check_stand_in_names(proxy, synthetic, formulas)
  done <- list()
  failed <- character()
  for (own in names(formulas)) {
    for (group in names(groups)) {
      name <- paste(c(own[length(formulas) > 1L || is.null(by)], group[!is.null(by)]),
        collapse = ", ")
      rows <- as.vector(groups[[group]])
      if (!is.null(kept)) rows <- intersect(rows, kept)
      found <- one_formula(formulas[[own]], proxy, synthetic, rows, given, data, env)
      if (inherits(found$fit, "augmented_gmm")) {
        found$fit$call <- call_of_fit(
          found, formulas[[own]], given, call, by, attr(groups[[group]], "value")
        )
        found$formula <- deparse1(formulas[[own]])
        found$group <- if (is.null(by)) NA_character_ else group
        done[[name]] <- found
      } else {
        failed[[name]] <- found$fit
      }
    }
  }
  result <- new_many_fits(
    Map(function(name, one) fit_rows(name, one$fit, level), names(done), done),
    Map(about_fit, names(done), done, grouped = !is.null(by)),
    unname(lapply(done, function(one) one$fit$vcov)),
    unname(lapply(done, `[[`, "warned")), failed, level, call
  )
  result$fits <- lapply(done, `[[`, "fit")
  result
}

named_formulas <- function(formulas) {
  bad <- Find(function(f) !inherits(f, "formula"), formulas)
  if (!length(formulas) || !is.null(bad)) {
    synth_stop(
      sprintf(
        "A list of formulas is needed, such as list(y1 ~ x, y2 ~ x)%s.",
        if (is.null(bad)) "" else sprintf("; one is %s", describe_type(bad))
      ),
      "FormulaError"
    )
  }
  texts <- vapply(formulas, deparse1, "")
  outcomes <- vapply(formulas, function(f) {
    deparse1(if (length(f) == 3L) formula_parts(f)$formula[[2L]] else f)
  }, "")
  shown <- if (anyDuplicated(outcomes)) texts else outcomes
  names <- names(formulas)
  if (is.null(names)) names <- rep("", length(formulas))
  names <- ifelse(is.na(names) | names == "", shown, names)
  if (anyDuplicated(names)) {
    synth_stop(
      sprintf("Two fits are named '%s'. Name the formulas apart.",
        names[anyDuplicated(names)]),
      "FormulaError"
    )
  }
  stats::setNames(formulas, names)
}

# Rows of data by group, in the order of the levels; rows without a group are in none.
groups_of_data <- function(by, data) {
  n <- n_rows(data)
  resolved <- resolve_option(by, "by", data)
  if (is.null(resolved)) {
    return(list(all = seq_len(n)))
  }
  values <- resolved$values
  if (!is.null(resolved$column)) {
    values <- column(data, resolved$column)
  }
  values <- check_row_values(values, "by", n)
  if (anyNA(values)) {
    synth_warn(sprintf(
      "by is missing for %s of data (%s), which are in no group.",
      count(sum(is.na(values)), "row"), format_units(which(is.na(values)))
    ), "SynthWarning")
  }
  groups <- split(seq_len(n), if (is.factor(values)) droplevels(values) else values)
  groups <- Map(function(rows, value) structure(rows, value = value), groups, names(groups))
  if (!is.factor(values) && !is.character(values) && !is.null(resolved$column)) {
    # TRUE and 2 say nothing by themselves.
    names(groups) <- paste(resolved$column, names(groups), sep = " = ")
  }
  groups
}

# A column that stands in for a variable which no formula has is a mistake.
check_stand_in_names <- function(proxy, synthetic, formulas) {
  used <- unique(unlist(lapply(formulas, all.vars)))
  # Of columns by level the first stands for all.
  one_column <- function(value) {
    if (!is.list(value) || is.data.frame(value)) {
      return(value)
    }
    lapply(value, function(own) {
      if (is.list(own) && !is.data.frame(own)) unlist(lapply(own, `[[`, 1L)) else own
    })
  }
  for (source in given_sources(one_column(proxy), one_column(synthetic))) {
    unused <- setdiff(names(source$columns), used)
    if (length(unused) && !"." %in% used) {
      synth_stop(sprintf(
        "%s replaces '%s', which no formula uses.%s", source_label(source), unused[[1L]],
        suggest(unused[[1L]], used)
      ))
    }
  }
}

# Of the columns that stand in, those for variables of the formula.
sources_for <- function(value, formula) {
  if (is.data.frame(value)) {
    return(value)
  }
  if (is.character(value)) {
    own <- value[names(value) %in% all.vars(formula)]
    return(if (length(own)) own)
  }
  if (is.list(value)) {
    own <- Filter(length, lapply(value, function(one) {
      # list(y = "y_llm") is c(y = "y_llm").
      if (is.character(one) && !is_bare_string(one)) {
        sources_for(one, formula)
      } else if (is.list(one) && !is.data.frame(one)) {
        one[names(one) %in% all.vars(formula)]
      } else {
        one
      }
    }))
    bare <- vapply(own, is_bare_string, NA)
    own <- own[!bare | names(own) %in% all.vars(formula)]
    return(if (length(own)) own)
  }
  value
}

# list(fit = the fit or why there is none, warned).
one_formula <- function(formula, proxy, synthetic, rows, given, data, env) {
  own <- list(proxy = sources_for(proxy, formula), synthetic = sources_for(synthetic, formula))
  if (is.null(own$proxy) && is.null(own$synthetic) &&
    !(is.null(proxy) && is.null(synthetic))) {
    return(list(fit = sprintf(
      "No source has a column for the formula %s.", deparse1(formula)
    )))
  }
  whole <- length(rows) == n_rows(data)
  arguments <- c(list(formula = formula), given, Filter(Negate(is.null), own))
  arguments$subset <- if (!whole) rows
  for (name in c("keep", "influence")) {
    if (is.null(arguments[[name]])) arguments[[name]] <- FALSE
  }
  warned <- character()
  fit <- withCallingHandlers(
    tryCatch(eval(as.call(c(list(augmented_gmm), arguments)), env), SynthError = function(e) {
      if (inherits(e, "BridgeError") || inherits(e, "OptionError")) stop(e)
      conditionMessage(e)
    }),
    SynthWarning = function(w) {
      warned <<- c(warned, conditionMessage(w))
      invokeRestart("muffleWarning")
    }
  )
  list(fit = fit, warned = warned, proxy = own$proxy, synthetic = own$synthetic)
}

# What augmented_gmm() would have been called with: rows as a condition, frames by name.
call_of_fit <- function(found, formula, given, call, by, group) {
  arguments <- c(list(quote(augmented_gmm), formula = formula), given)
  for (kind in c("proxy", "synthetic")) {
    own <- found[[kind]]
    arguments[[kind]] <- if (is.character(own)) own else if (!is.null(own)) call[[kind]]
  }
  conditions <- c(
    if (!is.null(by)) list(call("==", by$expr, group)),
    if (!is.null(call$subset)) list(call$subset)
  )
  if (length(conditions)) {
    arguments$subset <- Reduce(function(a, b) call("&", a, b), conditions)
  }
  as.call(arguments)
}

fit_rows <- function(name, fit, level) {
  table <- coefficient_table(fit)
  interval <- stats::confint(fit, level = level)
  alone <- stats::confint(labels_only(fit), level = level)
  data.frame(
    fit = name, term = rownames(table), estimate = table[, 1L], std.error = table[, 2L],
    statistic = table[, 3L], p.value = table[, 4L], conf.low = interval[, 1L],
    conf.high = interval[, 2L], df = unname(coefficient_df(fit)),
    labels.only = unname(fit$labels_only$coefficients),
    labels.only.std.error = unname(sqrt(diag(fit$labels_only$vcov))),
    labels.only.conf.low = alone[, 1L], labels.only.conf.high = alone[, 2L],
    effective.labels = unname(fit$effective_nobs), row.names = NULL
  )
}

about_fit <- function(name, one, grouped) {
  fit <- one$fit
  about <- data.frame(fit = name, formula = one$formula)
  if (grouped) about$group <- one$group
  cbind(about, data.frame(
    nobs = fit$nobs, n_incomplete = fit$n_incomplete, n_units = fit$n_units,
    n_sources = nrow(fit$sources),
    j.p.value = fit$jtest[["p.value"]], converged = fit$converged,
    warnings = length(one$warned)
  ))
}

# --- the result ---

new_many_fits <- function(tables, about, vcov, warned, left_out, level, call) {
  if (!length(tables)) {
    synth_stop(sprintf(
      "None of the fits could be made. %s: %s", names(left_out)[[1L]], left_out[[1L]]
    ))
  }
  table <- do.call(rbind, unname(tables))
  sets <- do.call(rbind, unname(about))
  if (all(is.nan(sets$j.p.value))) sets$j.p.value <- NA_real_
  names(vcov) <- names(warned) <- sets$fit
  say_left_out(left_out)
  if (any(lengths(warned) > 0L)) {
    first <- which(lengths(warned) > 0L)[[1L]]
    synth_warn(sprintf(
      "%s of %s warned; $warned has what of. The first, %s: %s",
      sum(lengths(warned) > 0L), count(length(warned), "fit"), names(warned)[[first]],
      warned[[first]][[1L]]
    ), "SynthWarning")
  }
  call[[1L]] <- quote(many_fits)
  structure(
    list(
      table = table, sets = sets, vcov = vcov, warned = warned, left_out = left_out,
      level = level, call = call
    ),
    class = "many_fits"
  )
}

say_left_out <- function(left_out) {
  if (length(left_out)) {
    synth_warn(sprintf(
      "%s left out; $left_out has the reasons. The first, %s: %s",
      if (length(left_out) == 1L) "One fit is" else paste(length(left_out), "fits are"),
      names(left_out)[[1L]], left_out[[1L]]
    ), "SynthWarning")
  }
}

#' @rdname many_fits
#' @export
print.many_fits <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  refuse_arguments("print", ...)
  print_call(x$call)
  for (term in unique(x$table$term)) {
    part <- x$table[x$table$term == term, ]
    cat(term, "\n", sep = "")
    about <- x$sets[match(part$fit, x$sets$fit), ]
    shown <- cbind(
      format_estimates(
        as.matrix(part[c("estimate", "std.error", "conf.low", "conf.high")]), digits
      ),
      format_p(part$p.value), whole(about$nobs),
      ifelse(is.na(part$effective.labels), "", sprintf("%.0f", part$effective.labels))
    )
    dimnames(shown) <- list(
      paste0(part$fit, ifelse(about$converged, "", " !")),
      c(
        "Estimate", "Std. Error", percent((1 + c(-1, 1) * x$level) / 2), "p-value",
        "Labels", "Eff. sample"
      )
    )
    print_table(shown)
    cat("\n")
  }
  print_notes(c(
    paste(
      "Eff. sample: how many labels would give the same standard error without the",
      "sources. Intervals are of each fit by itself."
    ),
    if (!all(x$sets$converged)) "!: not converged. Do not use these numbers.",
    if (length(x$left_out)) {
      sprintf("Left out: %s. $left_out has the reasons.",
        paste(names(x$left_out), collapse = "; "))
    },
    if (any(x$sets$warnings > 0L)) {
      sprintf("%d of %s warned: see $warned.", sum(x$sets$warnings > 0L),
        count(nrow(x$sets), "fit"))
    }
  ), "")
  cat("\n")
  invisible(x)
}

#' @rdname many_fits
#' @export
tidy.many_fits <- function(x, conf.int = TRUE, ...) {
  refuse_arguments("tidy", ...)
  check_flag(conf.int, "conf.int")
  table <- x$table
  if (!conf.int) {
    table <- table[setdiff(names(table), c("conf.low", "conf.high"))]
  }
  as_tibble_if_any(table)
}

#' @rdname many_fits
#' @export
glance.many_fits <- function(x, ...) {
  refuse_arguments("glance", ...)
  as_tibble_if_any(x$sets)
}

#' @rdname many_fits
#' @export
as.data.frame.many_fits <- function(x, row.names = NULL, optional = FALSE, ...) {
  refuse_arguments("as.data.frame", ...)
  x$table
}

#' @rdname many_fits
#' @export
plot.many_fits <- function(x, terms = NULL, xlab = NULL, main = NULL, ...) {
  refuse_arguments("plot", ...)
  known <- unique(x$table$term)
  if (is.null(terms)) {
    terms <- setdiff(known, "(Intercept)")
    terms <- if (length(terms)) terms else known
  } else {
    terms <- check_parm(terms, known)
  }
  if (is.null(xlab)) {
    xlab <- sprintf("Estimate, %s%% interval", format(100 * x$level))
  }
  draw_panels(terms, x$sets$fit, main, function(term, side) {
    draw_fits(x, term, side, xlab)
  })
  invisible(x$table[x$table$term %in% terms, ])
}

# One panel: each fit, and under it in grey and open the labels only.
draw_fits <- function(x, term, side, xlab) {
  fits <- x$sets$fit
  part <- x$table[x$table$term == term, ]
  at <- length(fits) + 1 - match(part$fit, fits)
  left <- if (is.null(side)) 1 else side / graphics::par("csi") + 0.5
  graphics::par(mar = c(4, left, 2.5, 1))
  ends <- unlist(part[c("conf.low", "conf.high", "labels.only.conf.low",
    "labels.only.conf.high")])
  graphics::plot(
    range(ends[is.finite(ends)]), c(0.5, length(fits) + 0.5),
    type = "n", yaxt = "n", ylab = "", xlab = xlab, bty = "l"
  )
  below <- at - 0.22
  graphics::segments(
    part$labels.only.conf.low, below, part$labels.only.conf.high, below, col = "grey45",
    lty = 2
  )
  graphics::points(part$labels.only, below, col = "grey45", bg = "white", pch = 21)
  graphics::segments(
    part$conf.low, at, part$conf.high, at, col = colour_augmented, lwd = 3
  )
  graphics::points(part$estimate, at, col = colour_augmented, pch = 19)
  if (!is.null(side)) {
    graphics::axis(2, rev(seq_along(fits)), fits, las = 1, tick = FALSE)
  }
  graphics::title(term, adj = 0, font.main = 1, cex.main = 1)
  if (!is.null(side)) {
    graphics::mtext("filled: with sources; open: labels only", 3, 0, adj = 1, cex = 0.7)
  }
}
