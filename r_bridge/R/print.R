#' @rdname augmented_gmm-methods
#' @export
print.augmented_gmm <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  refuse_arguments("print", ...)
  print_not_converged(x)
  print_call(x$call)
  cat("Coefficients:\n")
  print.default(
    format(x$coefficients, digits = digits), print.gap = 2L, quote = FALSE
  )
  cat("\n", wrapped(describe_units(x), exdent = 2L), "\n", sep = "")
  cat(estimator_line(x), "\n", sep = "")
  invisible(x)
}

# Whether it is the default estimator or that of the paper; NULL where all are the same.
estimator_line <- function(x) {
  if (is.null(x$use_correction) || !has_sources(x)) {
    return(NULL)
  }
  few <- if (is.null(x$n_clusters)) "labels" else "clusters"
  line <- if (x$use_correction) {
    sprintf(
      "for few %s (default; the paper's: use_correction = FALSE)", few
    )
  } else if (identical(as.character(x$steps), "2")) {
    "the paper's (Byun et al. 2025), without a correction for few labels"
  } else {
    "without a correction for few labels"
  }
  paste0(wrapped(paste("Estimator:", line), exdent = 2L), "\n")
}

print_not_converged <- function(x) {
  if (!isTRUE(x$converged)) {
    cat("\nNOT CONVERGED: do not use these numbers.\n")
  }
}

print_call <- function(call) {
  cat("\nCall:\n", paste(fitting_lines(call), collapse = "\n"), "\n\n", sep = "")
}

# deparse() breaks a line only after its cutoff.
fitting_lines <- function(call) {
  for (cutoff in c(70L, 60L, 50L, 40L, 30L)) {
    lines <- deparse(call, width.cutoff = cutoff)
    if (max(nchar(lines)) <= getOption("width")) {
      break
    }
  }
  lines
}

# "40 labelled of 120 units; sources: guess (proxy), draws (synthetic)"
describe_units <- function(x) {
  sources <- if (has_sources(x)) {
    names <- plain_names(x$sources)
    kinds <- x$sources$kind
    kinds <- ifelse(names == kinds, names, sprintf("%s (%s)", names, kinds))
    paste0(
      "; ", if (length(kinds) == 1L) "source: " else "sources: ",
      paste(kinds, collapse = ", ")
    )
  } else {
    "; no sources"
  }
  sprintf("%s labelled of %s%s", whole(x$nobs), count(x$n_units, "unit"), sources)
}

has_sources <- function(x) nrow(x$sources) > 0L

# Two sources of one name already say which they are: "a (proxy)".
plain_names <- function(sources) {
  names <- row.names(sources)
  sub(" \\((proxy|synthetic)\\)$", "", names)
}

whole <- function(x) format(x, scientific = FALSE, trim = TRUE)

wrapped <- function(text, indent = 0L, exdent = 0L) {
  lines <- strwrap(text, 0.95 * getOption("width"), indent = indent, exdent = exdent)
  paste(lines, collapse = "\n")
}
