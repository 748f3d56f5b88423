#' Are the sources to be trusted?
#'
#' Bias of each source by itself, what it explains, how much too sure it would have been,
#' whether it covers labelled and unlabelled units alike, in which groups it errs, and
#' which units move the estimate: tables, and a verdict in words.
#'
#' @param object A fit by [augmented_gmm()].
#' @param by Groups in which the errors of the sources are compared: a column of `data` or
#'   one value per row of it. Numbers with many values are cut at their quartiles. Units
#'   that only a source has belong to none.
#' @param n_influential How many units to list that move a coefficient most.
#' @param blind `TRUE`: all sources, or by name some, were made without any label; none was
#'   copied into them or shown to a model. Without it a source that agrees with almost all
#'   labels is not recommended.
#' @param x What `diagnostics()` returned.
#' @param digits Significant digits.
#' @param table Which table `tidy()` gives.
#' @param main Title of the figure.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @return An object of class `diagnostics` of data frames and matrices; `tidy()` gives one of
#'   them, `glance()` a row per source. `plot()` draws how what labels and sources say of the
#'   same units is correlated. P-values are not adjusted for their number.
#'   * `bias`, by source and coefficient (`term`): the `naive` and `augmented` estimates, the
#'     `bias` between them, its `std.error`, `statistic` and `p.value`,
#'     `augmented.std.error`, and `df`, the degrees of freedom of the test (`Inf` where it is
#'     normal).
#'   * `bias_tests`, by source: Wald test of no bias in any coefficient, with `statistic` (F
#'     with `df` and `df2`, or chi-squared where `df2` is `Inf`) and `p.value`.
#'   * `uncertainty`: `naive.std.error` and `std.error`, half widths of the 95 % intervals
#'     `naive_margin` and `margin`, their `ratio`, and whether the naive interval `contains`
#'     the augmented estimate.
#'   * `combined`, where a source has several rows for a unit (else `NULL`): its naive
#'     `estimate` by Rubin's rules over `sets`, the k-th row of every unit, with `std.error`,
#'     `df`, `conf.low` and `conf.high`; and `stacked_std_err`, which takes the rows of a unit
#'     as one observation. Neither knows of the bias.
#'   * `coverage`: `covered` units, their share of `labelled` and `unlabelled` ones, and the
#'     `p.value` of no dependence on labelling.
#'   * `representativeness`: `statistic`, `p.value`, `df` (and `f`, `df2`), `c.statistic`,
#'     `c.p.value`: see [representativeness()].
#'   * `subgroups`, by source and group: `labelled` units, `mean_error` and `std.error`;
#'     `subgroup_tests`: test of equal mean errors, with `statistic`, `df`, `df2`, `p.value`.
#'   * `influential`: units that move a coefficient most, by how many standard errors
#'     (`dfbetas`), and whether they are `labelled`.
#'   * `explained` (share of the labels' noise that a source explains) and
#'     `residual_correlation`, matrices.
#'   * `verdict`: the tables in sentences.
#' @seealso [compare()], [agreement()], [representativeness()]
#' @examplesIf synth_available()
#' set.seed(1)
#' posts <- data.frame(hedge = rnorm(400), region = rep(c("north", "south"), 200))
#' truth <- 1 + 0.5 * posts$hedge + rnorm(400)
#' posts$guess <- truth + 0.3 + rnorm(400, sd = 0.5)
#' posts$polite <- ifelse(seq_len(400) <= 100, truth, NA)
#' fit <- augmented_gmm(polite ~ hedge, posts, proxy = c(polite = "guess"))
#' diagnostics(fit, by = region, n_influential = 2)
#' @export
diagnostics <- function(object, ...) UseMethod("diagnostics")

#' @rdname diagnostics
#' @export
diagnostics.augmented_gmm <- function(object, by = NULL, n_influential = 5,
                                      blind = FALSE, ...) {
  refuse_arguments("diagnostics", ...)
  groups <- group_values(object, capture(substitute(by), parent.frame()))
  blind <- if (is.character(blind)) {
    some_names(blind, "blind")
  } else {
    check_flag(blind, "blind")
  }
  value <- ask_python("diagnostics", object, list(
    by = groups, n_influential = whole_number(n_influential, "n_influential"),
    blind = blind
  ))
  terms <- names(object$coefficients)
  sources <- value$sources
  structure(
    list(
      bias = table_of(value$bias),
      bias_tests = table_of(value$bias_tests),
      explained = structure(
        value$explained, dimnames = list(c(sources, "all sources"), c("overall", terms))
      ),
      uncertainty = table_of(value$uncertainty),
      residual_correlation = structure(
        value$residual_correlation,
        dimnames = list(terms, paste(rep(sources, each = length(terms)), terms, sep = ": "))
      ),
      influential = table_of(value$influential, "unit"),
      coverage = table_of(value$coverage),
      representativeness = table_of(value$representativeness, "source"),
      subgroups = table_of(value$subgroups),
      subgroup_tests = table_of(value$subgroup_tests),
      combined = if (!is.null(value$combined)) table_of(value$combined),
      verdict = in_r_words(as.character(value$verdict)),
      sources = sources, terms = terms, call = object$call
    ),
    class = "diagnostics"
  )
}

# Values that part the units, as they cross.
group_values <- function(object, given) {
  if (is.null(given) || identical(given$expr, quote(NULL))) {
    return(NULL)
  }
  arrays <- object$again$arrays
  data <- data_of_call(object, arrays$n_data)
  # Of the columns of coders Python says why they are none of units.
  gone <- as.character(arrays$coders$left_out)
  resolved <- resolve_option(given, "by", data, list(stats::setNames(gone, gone)))
  if (is.null(resolved)) {
    return(NULL)
  }
  values <- resolved$values
  name <- resolved$column
  if (!is.null(name)) {
    if (!name %in% names(data)) {
      return(list(name = utf8(name, "by"), column = NULL))
    }
    values <- column(data, name)
  } else {
    text <- paste(deparse(given$expr), collapse = " ")
    name <- if (nchar(text) <= 30L) text else "group"
    values <- values_of_subset(object, values)
  }
  if (!is.null(arrays$n_data)) {
    values <- check_row_values(values, "by", arrays$n_data)
  }
  values <- if (is.logical(values)) as.character(values) else comparable(values)
  more <- length(arrays$labeled) - length(values)
  list(name = utf8(name, "by"), column = crossing(c(values, rep(NA, max(more, 0L)))))
}

# Values by row of data for those of the subset of the fit.
values_of_subset <- function(object, values) {
  kept <- object$again$arrays$subset
  longer <- length(values) != object$again$arrays$n_data && length(values) >= max(kept, 0L)
  if (length(kept) && longer) take(values, kept) else values
}

# The data frame of the call, where it is still there with the rows of the fit; else one
# without columns, so that `by` must have the values themselves.
data_of_call <- function(object, n) {
  none <- plain_frame(list(), if (is.null(n)) 0L else n)
  data <- tryCatch(
    rows_of_fit(object, eval(object$call$data, environment(object$terms))),
    error = function(e) NULL
  )
  if (!is.data.frame(data) || !identical(as.integer(n_rows(data)), as.integer(n))) {
    return(none)
  }
  rows <- which(object$again$arrays$labeled == 1L)
  for (name in intersect(names(object$model), names(data))) {
    now <- comparable(take(column(data, name), rows))
    then <- comparable(object$model[[name]])
    if (!is.null(now) && !is.null(then) && !identical(now, then)) {
      return(none)
    }
  }
  data
}

# Data as the fit has read them: one row for a unit of several coders, and the subset.
rows_of_fit <- function(object, data) {
  check_frame(data, "data")
  coded <- object$again$coded
  if (!is.null(coded) && coded$coder %in% names(data)) {
    data <- suppressWarnings(collapse_coders(data, coded)$data, classes = "SynthWarning")
  }
  kept <- object$again$arrays$subset
  if (length(kept) && n_rows(data) >= max(kept)) {
    rows <- attr(data, "row.names")[kept]
    data <- take_rows(data, kept)
    attr(data, "row.names") <- rows
  }
  data
}

#' @rdname diagnostics
#' @export
print.diagnostics <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  refuse_arguments("print", ...)
  print_call(x$call)
  section <- function(title, table, rows, keep = setdiff(names(table), rows)) {
    if (!nrow(table)) {
      return(invisible())
    }
    cat(title, "\n", sep = "")
    shown <- format_columns(table[keep], digits)
    probable <- intersect(keep, c("p.value", "c.p.value"))
    for (name in probable) {
      shown[, name] <- format_p(table[[name]])
    }
    rownames(shown) <- do.call(paste, c(unname(as.list(table[rows])), sep = ": "))
    print_table(shown)
    cat("\n")
  }
  by_term <- c("source", "term")
  section(
    "Bias of each source alone:", x$bias, by_term,
    c("naive", "augmented", "bias", "std.error", "statistic", "p.value")
  )
  section("Wald tests of bias in all coefficients:", x$bias_tests, "source")
  cat("Share of the labels' noise that is explained:\n")
  print_table(
    structure(sprintf("%.1f%%", 100 * x$explained), dim = dim(x$explained),
      dimnames = dimnames(x$explained))
  )
  cat("\n")
  section("Uncertainty, naive and augmented:", x$uncertainty, by_term)
  if (!is.null(x$combined)) {
    section("Naive estimates of replicates, combined by Rubin's rules:", x$combined, by_term)
  }
  section("Coverage of labelled and unlabelled units:", x$coverage, "source")
  section("Scores of labelled units against all:", x$representativeness, "source")
  section("Error of the outcome by group:", x$subgroups, c("source", "group"))
  section("Tests of equal mean error by group:", x$subgroup_tests, "source")
  section("Most influential units:", x$influential, "unit")
  cat("Verdict:\n")
  for (k in seq_along(x$verdict)) {
    cat(wrapped(sprintf("[%d] %s", k, x$verdict[[k]]), exdent = 4L), "\n", sep = "")
  }
  cat("\n")
  invisible(x)
}

diagnostic_tables <- c(
  "bias", "bias_tests", "explained", "uncertainty", "influential", "coverage",
  "representativeness", "subgroups", "subgroup_tests", "combined"
)

#' @rdname diagnostics
#' @export
tidy.diagnostics <- function(x, table = "bias", ...) {
  refuse_arguments("tidy", ...)
  table <- choose_option(table, diagnostic_tables, "table")
  found <- x[[table]]
  if (is.null(found)) {
    synth_stop("No source has several rows for a unit, to be combined.", "OptionError")
  }
  if (is.matrix(found)) {
    found <- data.frame(source = rownames(found), found, check.names = FALSE)
  }
  as_tibble_if_any(found)
}

#' @rdname diagnostics
#' @export
glance.diagnostics <- function(x, ...) {
  refuse_arguments("glance", ...)
  of_source <- match(x$sources, x$representativeness$source)
  as_tibble_if_any(data.frame(
    source = x$sources,
    explained = unname(x$explained[seq_along(x$sources), "overall"]),
    bias.p.value = x$bias_tests$p.value,
    coverage.p.value = x$coverage$p.value,
    representativeness.p.value = x$representativeness$p.value[of_source]
  ))
}

#' @rdname diagnostics
#' @export
plot.diagnostics <- function(x, main = NULL, ...) {
  refuse_arguments("plot", ...)
  p <- length(x$terms)
  across <- min(length(x$sources), 3L)
  before <- graphics::par(c("mfrow", "mar"))
  on.exit(graphics::par(before))
  graphics::par(mfrow = c(ceiling(length(x$sources) / across), across))
  side <- max(graphics::strwidth(x$terms, "inches")) / graphics::par("csi") + 1.6
  colours <- grDevices::hcl.colors(21L, "Blue-Red 3")
  for (m in seq_along(x$sources)) {
    own <- x$residual_correlation[, (m - 1L) * p + seq_len(p), drop = FALSE]
    graphics::par(mar = c(side, side, 2.5, 1))
    graphics::image(
      seq_len(p), seq_len(p), t(own[p:1L, , drop = FALSE]),
      zlim = c(-1, 1), col = colours, axes = FALSE, xlab = "", ylab = ""
    )
    graphics::axis(1, seq_len(p), x$terms, las = 2, tick = FALSE)
    graphics::axis(2, p:1L, x$terms, las = 1, tick = FALSE)
    if (p <= 8L) {
      graphics::text(
        rep(seq_len(p), each = p), rep(p:1L, p), sprintf("%.2f", own),
        col = ifelse(abs(own) > 0.7, "white", "black")
      )
    }
    graphics::title(
      sprintf("%s: explains %.0f%%", x$sources[[m]], 100 * x$explained[m, "overall"]),
      font.main = 1, cex.main = 1
    )
  }
  if (!is.null(main)) {
    graphics::title(main, outer = TRUE, line = -1)
  }
  invisible(x$residual_correlation)
}
