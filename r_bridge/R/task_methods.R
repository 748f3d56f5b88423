#' Methods for task exchangeability
#'
#' @param x,object A fit of [task_exchangeability()] or one of its siblings.
#' @param digits Number of significant digits.
#' @param parm Coordinates, by name or number; all if omitted.
#' @param level Level of the interval; that of the fit if omitted. At another level it
#'   is computed anew, which needs Python. Parts of alpha that were given are scaled.
#' @param conf.int Whether `tidy()` gives the interval.
#' @param conf.level Its level.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @return `coef()` gives the synthetic estimate of the current task, without
#'   any correction: the interval need not be centred at it. `confint()` gives the valid
#'   interval, a matrix with columns `"lower"` and `"upper"`; all coordinates are
#'   covered together. `tidy()` gives a data frame with a row per coordinate; the
#'   columns `synthetic.low` and `synthetic.high` are the interval if the synthetic data
#'   were real, at the level of the fit. `glance()` gives one row. `summary()` adds the
#'   band of the gap, where the width comes from and what the checks of exchangeability
#'   say.
#' @name task_exchangeability-methods
NULL

#' @rdname task_exchangeability-methods
#' @export
print.task_exchangeability <- function(x, digits = max(3L, getOption("digits") - 3L),
                                       ...) {
  refuse_arguments("print", ...)
  cat(task_title(x), "\n\nCall:\n", sep = "")
  cat(paste(deparse(x$call), collapse = "\n"), "\n\n", sep = "")
  print_intervals(x, digits)
  if (!all(is.finite(x$interval))) {
    cat("\n", wrap_note(x$notes[[1L]]), "\n", sep = "")
  }
  if (grepl("^EXCHANGEABILITY IS DOUBTFUL", x$verdict)) {
    cat("\n", wrap_note(x$verdict), "\n", sep = "")
  }
  invisible(x)
}

#' @rdname task_exchangeability-methods
#' @export
summary.task_exchangeability <- function(object, ...) {
  refuse_arguments("summary", ...)
  gaps <- split(object$gaps$gap, factor(object$gaps$coordinate, object$coordinates))
  object$gap_summary <- cbind(
    object$gap_band,
    t(vapply(gaps, function(gap) {
      c(min = min(gap), median = stats::median(gap), max = max(gap))
    }, c(min = 0, median = 0, max = 0)))
  )
  class(object) <- "summary.task_exchangeability"
  object
}

#' @rdname task_exchangeability-methods
#' @export
print.summary.task_exchangeability <- function(
    x, digits = max(3L, getOption("digits") - 3L), ...) {
  refuse_arguments("print", ...)
  cat(task_title(x), "\n\nCall:\n", sep = "")
  cat(paste(deparse(x$call), collapse = "\n"), "\n\n", sep = "")
  print_intervals(x, digits)
  cat("\nBand of the gap (real minus synthetic), and the gaps it comes from:\n")
  print_numbers(x$gap_summary, digits)
  cat("\nWhere the width comes from:\n")
  widths <- x$widths
  colnames(widths) <- c("synthetic", "gap error", "gap spread", "total")
  print_numbers(widths, digits)
  cat("\n", paste0(task_lines(x, digits), "\n"), sep = "")
  cat("\nNotes:\n")
  for (i in seq_along(x$notes)) {
    cat(wrap_note(x$notes[[i]], sprintf("[%d] ", i)), "\n", sep = "")
  }
  invisible(x)
}

task_title <- function(x) {
  sprintf(
    "Task exchangeability: %s, from %s",
    if (is.character(x$current)) {
      sprintf("current task '%s'", x$current)
    } else {
      paste("current task", format_labels(x$current))
    },
    count(x$n_tasks, "historical task")
  )
}

print_intervals <- function(x, digits) {
  cat(sprintf(
    "Valid interval (level %s), and that of synthetic data taken for real:\n",
    format(1 - x$alpha, digits = 6L)
  ))
  table <- cbind(x$estimate, x$interval, x$synthetic_only)
  dimnames(table) <- list(
    x$coordinates, c("synthetic", "lower", "upper", "synth. lower", "synth. upper")
  )
  print_numbers(table, digits)
}

# Each row with as many decimals as its largest number needs.
print_numbers <- function(table, digits) {
  shown <- t(apply(table, 1L, function(row) {
    largest <- max(abs(row[is.finite(row)]), 0)
    decimals <- if (largest > 0) digits - 1L - floor(log10(largest)) else 1L
    text <- if (decimals > 9 || decimals < -4) {
      format(row, digits = digits)
    } else {
      formatC(row, digits = max(decimals, 0L), format = "f")
    }
    text[is.na(row)] <- "-"
    trimws(text)
  }))
  dimnames(shown) <- dimnames(table)
  print(shown, quote = FALSE, right = TRUE)
}

task_lines <- function(x, digits) {
  number <- function(value) format(value, digits = digits)
  algorithm <- switch(as.character(x$algorithm),
    "1" = "1 (tasks and samples exchangeable)",
    "2" = "2 (only tasks exchangeable)",
    "finite" = "finite-sample"
  )
  finite <- identical(x$algorithm, "finite")
  c(
    sprintf(
      "Algorithm: %s; gap intervals: %s", algorithm,
      if (finite) "none" else x$gap_interval
    ),
    if (finite) {
      sprintf("alpha: %s (all for the band)", number(x$alpha))
    } else {
      sprintf(
        "alpha: %s = %s (synthetic) + %s (gaps) + %s (band)", number(x$alpha),
        number(x$allocation[["alpha1"]]), number(x$allocation[["alpha2"]]),
        number(x$allocation[["alpha3"]])
      )
    },
    if (x$weighted) {
      sprintf("Weighted tasks, as good as %.1f equal ones", x$effective_tasks)
    } else {
      sprintf(
        "Ends of the band: ranks %d and %d of %d gaps",
        x$ranks[["lower"]], x$ranks[["upper"]], x$n_tasks
      )
    }
  )
}

wrap_note <- function(text, mark = "") {
  width <- min(getOption("width"), 80L)
  paste(
    strwrap(paste0(mark, text), width = width, exdent = nchar(mark)),
    collapse = "\n"
  )
}

#' @rdname task_exchangeability-methods
#' @export
coef.task_exchangeability <- function(object, ...) {
  refuse_arguments("coef", ...)
  object$estimate
}

#' @rdname task_exchangeability-methods
#' @export
confint.task_exchangeability <- function(object, parm, level = 1 - object$alpha, ...) {
  refuse_arguments("confint", ...)
  level <- one_number(level, "level")
  interval <- object$interval
  if (!isTRUE(all.equal(level, 1 - object$alpha, tolerance = 1e-12))) {
    if (level <= 0 || level >= 1) {
      synth_stop(
        sprintf("level = %s is not between 0 and 1. Give 0.9, say.", deparsed(level)),
        "OptionError"
      )
    }
    found <- ask_again(object, "task_interval", alpha = signif(1 - level, 12L))
    interval[] <- found$interval
  }
  if (missing(parm)) {
    return(interval)
  }
  at <- if (is.character(parm)) match(parm, object$coordinates) else parm
  if (!is.numeric(at) || anyNA(at) || !all(at %in% seq_along(object$coordinates))) {
    synth_stop(
      sprintf(
        "parm = %s is not a coordinate. There are: %s.", deparsed(parm),
        paste0("'", object$coordinates, "'", collapse = ", ")
      ),
      "OptionError"
    )
  }
  interval[at, , drop = FALSE]
}

#' @rdname task_exchangeability-methods
#' @export
tidy.task_exchangeability <- function(x, conf.int = TRUE, conf.level = 1 - x$alpha,
                                      ...) {
  refuse_arguments("tidy", ...)
  table <- data.frame(term = x$coordinates, estimate = unname(x$estimate))
  if (as_flag(conf.int, "conf.int")) {
    interval <- confint.task_exchangeability(x, level = conf.level)
    table$conf.low <- unname(interval[, "lower"])
    table$conf.high <- unname(interval[, "upper"])
  }
  table$synthetic.low <- unname(x$synthetic_only[, "lower"])
  table$synthetic.high <- unname(x$synthetic_only[, "upper"])
  table
}

#' @rdname task_exchangeability-methods
#' @export
glance.task_exchangeability <- function(x, ...) {
  refuse_arguments("glance", ...)
  held_out <- inherits(x$held_out, "task_coverage")
  finite <- identical(x$algorithm, "finite")
  data.frame(
    n_tasks = x$n_tasks,
    effective_tasks = x$effective_tasks,
    algorithm = as.character(x$algorithm),
    gap.interval = if (finite) NA_character_ else x$gap_interval,
    alpha = x$alpha,
    finite = all(is.finite(x$interval)),
    loo.coverage = if (held_out) x$held_out$coverage else NA_real_,
    loo.synthetic.coverage = if (held_out) x$held_out$synthetic_coverage else NA_real_,
    typicality.p.value = min(1, min(x$typicality) * length(x$typicality))
  )
}

# Ask Python anew, with all that the fit was made of.
ask_again <- function(object, name, ...) {
  call_python(name, c(object$arguments, list(...)))
}
