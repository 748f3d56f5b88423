#' Plan another study with this one as its pilot
#'
#' `plan()` takes a fit as the pilot. `expect()` says which standard errors, widths and
#' power other numbers of labels and units would give, `labels_needed()` how many labels a
#' width or a power takes, `designs()` what the choice of the units to label is worth, see
#' [draw_labels()], `cheapest()` the mix of labels, units and rows of sources at
#' given prices. Predictions are for a study like the pilot: the same population, model,
#' way of labelling and sources.
#'
#' @param object A fit by [augmented_gmm()], or a plan.
#' @param level Level of the intervals; tests are at one minus it.
#' @param effect True coefficient for the power: one number, or by name for each that is
#'   shown. The estimate of the pilot if omitted, which is optimistic where it is large by
#'   luck: give the smallest effect that matters.
#' @param n Numbers of labels; that of the pilot if omitted. Fewer than a quarter of it are
#'   not predicted.
#' @param n_units Numbers of units that labels are drawn from; that of the pilot if
#'   omitted. `labels_needed()` takes one number, `cheapest()` the most there are.
#' @param replicates Rows per unit of the sources, or by name of some; as in the pilot if
#'   omitted.
#' @param sources Names of the sources to use; `character()` for labels only. All if
#'   omitted.
#' @param terms Coefficients to show; all if omitted (`labels_needed()`: but the
#'   intercept). `term` of `cheapest()` is the one that matters.
#' @param term See `terms`.
#' @param width,power What is to be reached: width of the interval from end to end at most,
#'   or power of the test that the coefficient is zero at least. Give one of the two.
#' @param price_label Price of a label.
#' @param price_proxy,price_synthetic Price of a row of a proxy, or of a synthetic source:
#'   one number, or by name.
#' @param max_replicates The most rows per unit, for sources that have several in the
#'   pilot.
#' @param x A plan.
#' @param digits Significant digits.
#' @param xlab,ylab,main Labels of the figure.
#' @param ... Nothing: arguments that a method does not have are errors. `expect()`,
#'   `labels_needed()` and `cheapest()` of a fit pass them to those of its plan.
#'
#' @return `plan()`: an object of class `synth_plan`, whose `table` has half, one, two and
#'   four times the labels of the pilot, with all sources (`std.error`, `width`, `power`,
#'   `effective_labels`) and, where there are sources, without them (`std.error.alone`
#'   and so on). `expect()`: a data frame with `n`, `n_units`, `sources`, `term`,
#'   `std.error`, `width`, `power`, `effective_labels`. `labels_needed()`: a row per
#'   coefficient, with `n`, the fewest labels, `NA` where not even all do (`reached`, and
#'   `limit` says how many there can be). `designs()`: a row per
#'   coefficient and design, with `labels_saved`, how many more labels a simple random
#'   sample would need. `cheapest()`: a row for each choice of sources,
#'   the cheapest first, with `cost`. `plot()` draws the width against the number of labels.
#' @examplesIf synth_available()
#' set.seed(1)
#' posts <- data.frame(hedge = rnorm(1000))
#' truth <- 1 + 0.5 * posts$hedge + rnorm(1000)
#' posts$guess <- truth + 0.3 + rnorm(1000, sd = 0.5)
#' posts$polite <- ifelse(seq_len(1000) <= 150, truth, NA)
#' fit <- augmented_gmm(polite ~ hedge, posts, proxy = c(polite = "guess"))
#' pilot <- plan(fit)
#' pilot
#' expect(pilot, n = c(150, 300), terms = "hedge")
#' labels_needed(pilot, width = 0.15)
#' cheapest(pilot, term = "hedge", width = 0.2, price_label = 2, price_proxy = 0.01)
#' @export
plan <- function(object, ...) UseMethod("plan")

#' @rdname plan
#' @export
plan.augmented_gmm <- function(object, level = 0.95, effect = NULL, ...) {
  refuse_arguments("plan", ...)
  value <- ask_python("plan", object)
  names(value)[match(c("names", "sources"), names(value))] <- c("terms", "sources")
  value$sources <- as.character(unlist(value$sources))
  plan <- structure(
    c(value, list(level = level, effect = effect, call = object$call)),
    class = "synth_plan"
  )
  # All that predictions start from: see ask_python().
  plan["again"] <- list(object$again)
  plan$table <- plan_table(plan)
  plan
}

plan_table <- function(plan) {
  sizes <- ceiling(c(0.5, 1, 2, 4) * plan$n_labeled)
  sizes <- sizes[sizes >= plan$min_labels & sizes <= plan$most_labels]
  table <- expect(plan, n = sizes)
  if (length(plan$sources)) {
    alone <- expect(plan, n = sizes, sources = character())
    shown <- c("std.error", "width", "power")
    table[paste0(shown, ".alone")] <- alone[shown]
  }
  table
}

#' @rdname plan
#' @export
expect <- function(object, ...) UseMethod("expect")

#' @rdname plan
#' @export
expect.synth_plan <- function(object, n = NULL, n_units = NULL, replicates = NULL,
                              sources = NULL, level = object$level,
                              effect = object$effect, terms = NULL, ...) {
  refuse_arguments("expect", ...)
  value <- ask_python("plan_expect", object, c(
    list(n = whole_numbers(n, "n"), n_units = whole_numbers(n_units, "n_units")),
    plan_assumes(replicates, sources, level, effect, terms)
  ))
  table_of(value$table)
}

#' @rdname plan
#' @export
designs <- function(object, ...) UseMethod("designs")

#' @rdname plan
#' @export
designs.synth_plan <- function(object, n, terms = NULL, level = object$level, ...) {
  refuse_arguments("designs", ...)
  if (missing(n)) {
    synth_stop(
      "n is missing: the number of labels, those of the pilot included.", "OptionError"
    )
  }
  value <- ask_python("plan_designs", object, list(
    n = one_whole(n, "n"), coefficients = some_names(terms, "terms"),
    alpha = check_alpha(level)
  ))
  table_of(value$table)
}

#' @rdname plan
#' @export
designs.augmented_gmm <- function(object, ...) designs(plan(object), ...)

#' @rdname plan
#' @export
labels_needed <- function(object, ...) UseMethod("labels_needed")

#' @rdname plan
#' @export
labels_needed.synth_plan <- function(object, width = NULL, power = NULL, terms = NULL,
                                     n_units = NULL, replicates = NULL, sources = NULL,
                                     level = object$level, effect = object$effect, ...) {
  refuse_arguments("labels_needed", ...)
  value <- ask_python("plan_labels_needed", object, c(
    list(
      width = optional_number(width, "width"), power = optional_number(power, "power"),
      n_units = one_whole(n_units, "n_units")
    ),
    plan_assumes(replicates, sources, level, effect, terms)
  ))
  table_of(value$table)
}

#' @rdname plan
#' @export
cheapest <- function(object, ...) UseMethod("cheapest")

#' @rdname plan
#' @export
cheapest.synth_plan <- function(object, term, price_label, price_proxy = 0,
                                price_synthetic = 0, width = NULL, power = NULL,
                                n_units = NULL, max_replicates = 5, sources = NULL,
                                level = object$level, effect = object$effect, ...) {
  refuse_arguments("cheapest", ...)
  if (!missing(term)) {
    term <- unit_column(term, substitute(term), "term")
  }
  if (missing(term) || !is_string(term)) {
    synth_stop(
      "term is the name of the one coefficient that matters. Give it.", "OptionError"
    )
  }
  if (missing(price_label)) {
    synth_stop("price_label is missing: the price of one label.", "OptionError")
  }
  value <- ask_python("plan_cheapest", object, c(
    list(
      price_label = one_number(price_label, "price_label"),
      price_proxy = named_numbers(price_proxy, "price_proxy"),
      price_synthetic = named_numbers(price_synthetic, "price_synthetic"),
      width = optional_number(width, "width"), power = optional_number(power, "power"),
      n_units = one_whole(n_units, "n_units"),
      max_replicates = one_whole(max_replicates, "max_replicates")
    ),
    plan_assumes(NULL, sources, level, effect, term)
  ))
  table_of(value$table)
}

plan_assumes <- function(replicates, sources, level, effect, terms) {
  list(
    replicates = named_numbers(replicates, "replicates"),
    sources = some_names(sources, "sources"), alpha = check_alpha(level),
    effect = named_numbers(effect, "effect"), coefficients = some_names(terms, "terms")
  )
}

optional_number <- function(value, name) {
  if (is.null(value)) NULL else one_number(value, name)
}

one_whole <- function(value, name) {
  if (is.null(value)) NULL else whole_number(value, name)
}

#' @rdname plan
#' @export
expect.augmented_gmm <- function(object, ...) expect(plan(object), ...)

#' @rdname plan
#' @export
labels_needed.augmented_gmm <- function(object, ...) labels_needed(plan(object), ...)

#' @rdname plan
#' @export
cheapest.augmented_gmm <- function(object, ...) cheapest(plan(object), ...)

#' @rdname plan
#' @export
print.synth_plan <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  refuse_arguments("print", ...)
  cat("\nPlan from a pilot: ", plan_header(x), "\n", sep = "")
  print_call(x$call)
  digits <- max(digits - 1L, 3L)
  for (n in unique(x$table$n)) {
    part <- x$table[x$table$n == n, ]
    shown <- format_columns(part[c("std.error", "width")], digits)
    shown <- cbind(shown, sprintf("%.2f", part$power))
    heads <- c("Std. Error", "Width", "Power")
    if (length(x$sources)) {
      alone <- format_columns(part[c("std.error.alone", "width.alone")], digits)
      shown <- cbind(
        shown, sprintf("%.0f", part$effective_labels), alone,
        sprintf("%.2f", part$power.alone)
      )
      heads <- c(heads, "Eff. sample", "SE alone", "Width alone", "Power alone")
    }
    dimnames(shown) <- list(part$term, heads)
    cat(count(n, "label"), if (n == x$n_labeled) " (the pilot)", "\n", sep = "")
    print_table(shown)
    cat("\n")
  }
  print_notes(plan_notes(x), "")
  cat("\n")
  invisible(x)
}

plan_header <- function(x) {
  sprintf(
    "%s, %s; %s", count(x$n_labeled, "label"), count(x$n_units, "unit"),
    if (length(x$sources)) {
      paste0("sources: ", paste(x$sources, collapse = ", "))
    } else {
      "no sources"
    }
  )
}

plan_notes <- function(x) {
  few <- length(unique(x$table$n)) < 4L
  c(
    paste(
      "Predicted for a study like the pilot: same population, model, labelling and",
      "sources. The prediction is no surer than the pilot's standard errors."
    ),
    if (length(x$sources)) {
      paste(
        "alone: the labels without the sources. Eff. sample: labels that would give the",
        "same standard error without them."
      )
    },
    sprintf(
      paste(
        "Width: of the %s%% interval, from end to end. Power: of the test at %s that the",
        "coefficient is 0, if its true value is %s"
      ),
      format(100 * x$level), format(1 - x$level),
      if (is.null(x$effect)) {
        paste(
          "the pilot's estimate. That is optimistic where the estimate is large by luck",
          "(the winner's curse): give effect, the smallest effect that matters."
        )
      } else {
        "that of effect."
      }
    ),
    if (x$is_finite) {
      paste(
        "The units are the population: with all of them labelled nothing would be left",
        "to chance."
      )
    },
    if (x$by_clusters) "Twice the labels are twice the clusters, of the same size.",
    if (x$n_labeled >= 20) {
      paste(
        "Labels are drawn as in the pilot. designs(plan, n = ) says how many other ways of",
        "drawing them save, and draw_labels() draws them."
      )
    },
    if (few) {
      sprintf(
        "From %s to %s labels only. With more units: expect(plan, n_units = ).",
        whole(x$min_labels), whole(x$most_labels)
      )
    }
  )
}

#' @rdname plan
#' @export
summary.synth_plan <- function(object, ...) {
  refuse_arguments("summary", ...)
  object
}

#' @rdname plan
#' @export
tidy.synth_plan <- function(x, ...) {
  refuse_arguments("tidy", ...)
  as_tibble_if_any(x$table)
}

#' @rdname plan
#' @export
glance.synth_plan <- function(x, ...) {
  refuse_arguments("glance", ...)
  as_tibble_if_any(data.frame(
    nobs = x$n_labeled, n_units = x$n_units, n_sources = length(x$sources),
    min_labels = x$min_labels, most_labels = x$most_labels, level = x$level
  ))
}

#' @rdname plan
#' @export
plot.synth_plan <- function(x, term = NULL, xlab = "Labels", ylab = NULL, main = term,
                            ...) {
  refuse_arguments("plot", ...)
  if (is.null(term)) {
    term <- c(setdiff(x$terms, x$constant), x$terms)[[1L]]
  }
  term <- check_parm(term, x$terms)
  drawn <- plan_curves(x, term)
  lines <- plan_lines(x$sources)
  n <- unique(drawn$n)
  widths <- matrix(drawn$width, length(n))
  if (is.null(ylab)) {
    ylab <- sprintf("Expected width of the %s%% interval", format(100 * x$level))
  }
  last <- ncol(widths)
  graphics::matplot(
    n, widths, type = "l", log = "x", ylim = c(0, max(widths[is.finite(widths)])),
    col = lines$colour, lty = lines$dash, lwd = lines$width, xlab = xlab, ylab = ylab,
    bty = "l"
  )
  graphics::title(main, adj = 0, font.main = 1)
  here <- expect(x, terms = term)$width
  graphics::points(x$n_labeled, here, pch = 19, col = lines$colour[last])
  graphics::text(
    x$n_labeled, here, sprintf("pilot, n = %s", whole(x$n_labeled)),
    adj = c(1.1, 1.6), cex = 0.9
  )
  graphics::legend(
    "topright", lines$label, col = lines$colour, lty = lines$dash, lwd = lines$width,
    bty = "n", cex = 0.9
  )
  invisible(drawn)
}

# Expected widths by number of labels, for every line of the figure.
plan_curves <- function(x, term) {
  ends <- c(x$min_labels, min(4 * x$n_labeled, x$most_labels))
  n <- unique(round(exp(seq(log(ends[1L]), log(ends[2L]), length.out = 60L))))
  lines <- plan_lines(x$sources)
  widths <- lapply(lines$sources, function(sources) {
    expect(x, n = n, sources = sources, terms = term)$width
  })
  data.frame(
    n = rep(n, length(widths)), line = rep(lines$label, each = length(n)),
    width = unlist(widths)
  )
}

# One line for the labels alone, each source, and all of them.
plan_lines <- function(sources) {
  m <- length(sources)
  each <- if (m > 1L) sources
  k <- seq_along(each) - 1L
  list(
    sources = c(list(character()), as.list(each), if (m) list(NULL)),
    label = c(
      "labels only", if (m > 1L) paste("with", each),
      if (m == 1L) paste("with", sources) else if (m) "with all sources"
    ),
    colour = c(
      colour_labels, colours_naive[k %% length(colours_naive) + 1L],
      if (m) colour_augmented
    ),
    dash = c(1, 2 + k %% 4, if (m) 1),
    width = c(1.5, rep(1.5, length(each)), if (m) 3)
  )
}
