#' How far do sources agree with people?
#'
#' For the outcome, and each regressor that a source brings, the measures that papers
#' report: accuracy, kappa, precision, recall and F1 of variables with two values;
#' correlation, bias, mean absolute error and calibration slope of numbers. They have the
#' weights of the design, and intervals that follow strata and clusters.
#'
#' @param object A fit by [augmented_gmm()].
#' @param level Level of the intervals.
#' @param x What `agreement()` returned.
#' @param digits Digits after the decimal point.
#' @param main,xlab Labels of the figure.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @return An object of class `agreement`: `table`, a data frame with `source`, `variable`,
#'   `measure`, `estimate`, `std.error`, `conf.low`, `conf.high`; `confusion`, by source and
#'   variable a matrix of the shares of units by what people (rows) and the source
#'   (columns) say, where there are at most twenty values; and `n`, the labelled units that
#'   each source covers. `tidy()` gives the table, `glance()` a row per source and variable.
#' @references Cohen, J. (1960). A coefficient of agreement for nominal scales.
#'   *Educational and Psychological Measurement* 20, 37-46.
#' @seealso [diagnostics()]
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 17:32, NA), guess = 42 - 4 * wt - qsec / 2)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' agreement(fit)
#' @export
agreement <- function(object, ...) UseMethod("agreement")

#' @rdname agreement
#' @export
agreement.augmented_gmm <- function(object, level = 0.95, ...) {
  refuse_arguments("agreement", ...)
  value <- ask_python("agreement", object, list(alpha = check_alpha(level)))
  tables <- value$confusion
  confusion <- lapply(seq_along(tables$values), function(k) {
    structure(
      tables$shares[[k]],
      dimnames = list(people = tables$values[[k]], source = tables$values[[k]])
    )
  })
  names(confusion) <- paste(
    as.character(unlist(tables$source)), as.character(unlist(tables$variable)),
    sep = ": "
  )[seq_along(confusion)]
  structure(
    list(
      table = table_of(value$table), confusion = confusion,
      n = stats::setNames(value$n, as.character(unlist(value$sources))), level = level,
      call = object$call
    ),
    class = "agreement"
  )
}

agreement_measures <- list(
  "Variables with two values, and levels" =
    c("accuracy", "kappa", "precision", "recall", "F1", "bias"),
  "Variables with many values" = c("r", "bias", "MAE", "slope")
)

#' @rdname agreement
#' @export
print.agreement <- function(x, digits = 2L, ...) {
  refuse_arguments("print", ...)
  print_call(x$call)
  if (!nrow(x$table)) {
    cat("No source, and nothing to compare.\n\n")
    return(invisible(x))
  }
  pairs <- unique(x$table[c("source", "variable")])
  of_pair <- lapply(seq_len(nrow(pairs)), function(k) {
    x$table[x$table$source == pairs$source[k] & x$table$variable == pairs$variable[k], ]
  })
  many <- vapply(of_pair, function(own) "r" %in% own$measure, NA)
  for (title in names(agreement_measures)) {
    measures <- agreement_measures[[title]]
    chosen <- which(many == ("r" %in% measures))
    if (!length(chosen)) {
      next
    }
    cells <- t(vapply(of_pair[chosen], function(own) {
      row <- match(measures, own$measure)
      text <- sprintf(
        "%.*f (%.*f)", digits, own$estimate[row], digits, own$std.error[row]
      )
      ifelse(is.na(row), "-", text)
    }, character(length(measures))))
    dimnames(cells) <- list(
      sprintf(
        "%s: %s (%s)", pairs$source[chosen], pairs$variable[chosen],
        whole(x$n[pairs$source[chosen]])
      ), measures
    )
    cat(title, ":\n", sep = "")
    print_table(cells)
    cat("\n")
  }
  print_notes(c(
    paste(
      "Behind a variable: labelled units that the source covers. Behind a number: its",
      sprintf("standard error, with the weights of the design. %s%% intervals are in $table.",
        format(100 * x$level))
    ),
    paste(
      "bias: mean of the source less that of people. slope: of people's values on the",
      "source's; 1 if it is calibrated."
    ),
    "What people coded is taken as true."
  ), "")
  cat("\n")
  invisible(x)
}

#' @rdname agreement
#' @export
tidy.agreement <- function(x, ...) {
  refuse_arguments("tidy", ...)
  as_tibble_if_any(x$table)
}

#' @rdname agreement
#' @export
glance.agreement <- function(x, ...) {
  refuse_arguments("glance", ...)
  pairs <- unique(x$table[c("source", "variable")])
  pairs$nobs <- unname(x$n[pairs$source])
  order <- unique(unlist(agreement_measures))
  for (measure in order[order %in% x$table$measure]) {
    own <- x$table[x$table$measure == measure, ]
    at <- match(
      paste(pairs$source, pairs$variable), paste(own$source, own$variable)
    )
    pairs[[measure]] <- own$estimate[at]
  }
  as_tibble_if_any(pairs)
}

#' @rdname agreement
#' @export
plot.agreement <- function(x, xlab = NULL, main = NULL, ...) {
  refuse_arguments("plot", ...)
  shapes <- c(
    accuracy = 19, kappa = 15, precision = 25, recall = 17, F1 = 18, r = 8
  )
  part <- x$table[x$table$measure %in% names(shapes), ]
  if (!nrow(part)) {
    synth_stop("There is no measure between 0 and 1 to draw.", "OptionError")
  }
  if (is.null(xlab)) {
    xlab <- sprintf("Agreement with people, %s%% intervals", format(100 * x$level))
  }
  shown <- paste(part$source, part$variable, part$measure, sep = ", ")
  before <- graphics::par("mar")
  on.exit(graphics::par(mar = before))
  widest <- max(graphics::strwidth(shown, "inches")) / graphics::par("csi")
  graphics::par(mar = c(4, widest + 1.6, if (is.null(main)) 1 else 2.5, 1))
  at <- rev(seq_len(nrow(part)))
  graphics::plot(
    range(0, 1, part$conf.low, part$conf.high, na.rm = TRUE), c(0.5, nrow(part) + 0.5),
    type = "n", yaxt = "n", ylab = "", xlab = xlab, bty = "l", main = main
  )
  graphics::abline(v = 1, col = "grey80")
  graphics::segments(part$conf.low, at, part$conf.high, at, col = "grey40")
  graphics::points(
    part$estimate, at, pch = shapes[part$measure], col = colour_augmented,
    bg = colour_augmented
  )
  graphics::axis(2, at, shown, las = 1, tick = FALSE)
  invisible(part)
}
