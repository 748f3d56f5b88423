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
  if (has_sources(x)) {
    lines <- c(paste("Method:", method_name(x)), papers_own(x))
    cat(paste0(lines, "\n"), sep = "")
  }
  cat("\n")
  invisible(x)
}

# The default, or what the paper has: readers who cite it must see which.
method_name <- function(x) {
  if (has_sources(x)) x$method else "Labels only"
}

papers_own <- function(x) {
  if (!has_sources(x)) {
    return(NULL)
  }
  if (identical(as.character(x$steps), "1")) {
    "  (one step is the estimate of the labels only; the default is maxiter = 2)"
  } else if (isTRUE(x$use_correction)) {
    "  (use_correction = FALSE gives the estimator of Byun et al. 2025)"
  }
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
  population <- if (!is.null(x$n_population)) {
    sprintf("; population: finite, %s", count(x$n_population, "unit"))
  }
  sprintf(
    "%s labelled of %s%s%s", whole(x$nobs), count(x$n_units, "unit"), sources,
    paste0(population, collapse = "")
  )
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
