#' What other methods make of the same data
#'
#' Estimates with every method that the sources allow, beside the fit and the labels
#' only: the sources taken at their word, prediction-powered inference, predict-then-debias
#' and others.
#'
#' @param object A fit by [augmented_gmm()].
#' @param methods Which of `"labels only"`, `"naive"`, `"naive pooled"`, `"PPI"`,
#'   `"PPI++"`, `"PPI++ by coefficient"`, `"PPI++Synth"`, `"predict-then-debias"`, `"DSL"`,
#'   `"RePPI"`, `"GMM-Synth"`; all that the sources allow if omitted. Methods with one
#'   source get a line for each.
#' @param level Level of the intervals.
#' @param seed Seed of folds and of the random forest of DSL and RePPI, which need
#'   scikit-learn in Python.
#' @param x What `compare()` returned.
#' @param digits Significant digits.
#' @param terms Coefficients to draw; all but the intercept if omitted.
#' @param xlab,main Labels of the figure.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @return An object of class `method_comparison`, with `table`, a data frame with a row for each
#'   coefficient and method: `term`, `method`, `estimate`, `std.error`, `conf.low`,
#'   `conf.high`, `width_ratio` (its width over that of labels only), `effective_labels`
#'   (labels that would give the same standard error without any source), `valid`: whether the
#'   interval stays valid where the sources err, and `p.value`, of no effect. `left_out` names methods that
#'   could not be used, with the reason. `tidy()` gives the table, `glance()` one row.
#' @details Package testthat has another `compare()`, and another `expect()` than [plan()]:
#'   `library(statsmodelssynth, exclude = c("compare", "expect"))` leaves both out, so that R
#'   has no masking to report.
#' @seealso [diagnostics()], [plan()], [ppi()] and the other single estimators.
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 17:32, NA), guess = 42 - 4 * wt - qsec / 2)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' compare(fit, c("labels only", "naive", "PPI++", "GMM-Synth"))
#' @export
compare <- function(object, ...) UseMethod("compare")

#' @rdname compare
#' @export
compare.augmented_gmm <- function(object, methods = NULL, level = 0.95, seed = 0, ...) {
  refuse_arguments("compare", ...)
  value <- ask_python("compare", object, list(
    methods = some_names(methods, "methods"), alpha = check_alpha(level),
    seed = whole_number(seed, "seed")
  ))
  structure(
    list(
      table = table_of(value$table, c("term", "method")),
      level = level, nobs = value$n_labeled, n_units = value$n_units,
      variant = value$variant, constant = value$constant,
      left_out = stats::setNames(
        in_r_words(as.character(unlist(value$why))),
        as.character(unlist(value$left_out))
      ),
      notes = in_r_words(unlist(value$notes)), call = object$call
    ),
    class = "method_comparison"
  )
}

#' @rdname compare
#' @export
print.method_comparison <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  refuse_arguments("print", ...)
  print_call(x$call)
  for (term in unique(x$table$term)) {
    part <- x$table[x$table$term == term, ]
    cat(term, "\n", sep = "")
    shown <- cbind(
      format_estimates(
        as.matrix(part[c("estimate", "std.error", "conf.low", "conf.high")]), digits
      ),
      sprintf("%.2f", part$width_ratio),
      ifelse(is.na(part$effective_labels), "", sprintf("%.0f", part$effective_labels))
    )
    dimnames(shown) <- list(
      paste0(part$method, ifelse(part$valid, "", " *")),
      c(
        "Estimate", "Std. Error", percent((1 + c(-1, 1) * x$level) / 2), "Width",
        "Eff. sample"
      )
    )
    print_table(shown)
    cat("\n")
  }
  print_notes(x$notes, "")
  cat("\n")
  invisible(x)
}

#' @rdname compare
#' @export
tidy.method_comparison <- function(x, ...) {
  refuse_arguments("tidy", ...)
  as_tibble_if_any(x$table)
}

#' @rdname compare
#' @export
glance.method_comparison <- function(x, ...) {
  refuse_arguments("glance", ...)
  as_tibble_if_any(data.frame(
    nobs = x$nobs, n_units = x$n_units, n_methods = length(unique(x$table$method)),
    n_left_out = length(x$left_out), level = x$level
  ))
}

#' @rdname compare
#' @export
as.data.frame.method_comparison <- function(x, ...) {
  # as.data.frame() itself has these, which change nothing here.
  refuse_arguments("as.data.frame", ..., also = c("row.names", "optional"))
  x$table
}

#' @rdname compare
#' @export
plot.method_comparison <- function(x, terms = NULL, xlab = NULL, main = NULL, ...) {
  refuse_arguments("plot", ...)
  known <- unique(x$table$term)
  if (is.null(terms)) {
    terms <- setdiff(known, x$constant)
    terms <- if (length(terms)) terms else known
  } else {
    terms <- check_parm(terms, known)
  }
  if (is.null(xlab)) {
    xlab <- sprintf("Estimate, %s%% interval", format(100 * x$level))
  }
  draw_panels(terms, paste(unique(x$table$method), "*"), main, function(term, side) {
    draw_methods(x, term, side, xlab)
  })
  invisible(x$table[x$table$term %in% terms, ])
}

# A panel for each coefficient by draw(term, side): what it shows is named on the left of
# the first in a row, which has the room `side` for it. Panels are as wide as each other.
draw_panels <- function(terms, shown, main, draw) {
  across <- min(length(terms), 3L)
  before <- graphics::par(c("mfrow", "mar"))
  on.exit(graphics::par(before))
  side <- graphics::par("csi") + max(graphics::strwidth(shown, "inches"))
  panel <- max((graphics::par("din")[1L] - side) / across, 0.5)
  down <- ceiling(length(terms) / across)
  graphics::layout(
    matrix(seq_len(across * down), down, byrow = TRUE),
    widths = c(side + panel, rep(panel, across - 1L))
  )
  for (k in seq_along(terms)) {
    draw(terms[[k]], if ((k - 1L) %% across == 0L) side)
  }
  if (!is.null(main)) {
    graphics::title(main, outer = TRUE, line = -1)
  }
}

# One panel. Open points: intervals that take the sources at their word.
draw_methods <- function(x, term, side, xlab) {
  part <- x$table[x$table$term == term, ]
  at <- rev(seq_len(nrow(part)))
  shown <- paste0(part$method, ifelse(part$valid, "", " *"))
  left <- if (is.null(side)) 1 else side / graphics::par("csi") + 0.5
  graphics::par(mar = c(4, left, 2.5, 1))
  ends <- c(part$conf.low, part$conf.high)
  graphics::plot(
    range(ends[is.finite(ends)]), c(0.5, nrow(part) + 0.5),
    type = "n", yaxt = "n", ylab = "", xlab = xlab, bty = "l"
  )
  graphics::abline(v = part$estimate[part$method == "labels only"], col = "grey80")
  own <- part$method == "GMM-Synth"
  colour <- ifelse(own, colour_augmented, colour_labels)
  graphics::segments(
    part$conf.low, at, part$conf.high, at,
    col = colour, lwd = ifelse(own, 3, 1.5), lty = ifelse(part$valid, 1, 3)
  )
  graphics::points(
    part$estimate, at, col = colour, bg = "white", pch = ifelse(part$valid, 19, 21)
  )
  if (!is.null(side)) {
    graphics::axis(2, at, shown, las = 1, tick = FALSE)
  }
  graphics::title(term, adj = 0, font.main = 1, cex.main = 1)
}
