# A term such as `x - mean(x)` would mean something else in each source. It shows when
# the terms, as they were learned on the labelled rows, give other values on some of
# these rows. scale(), poly(), ns() and bs() pass, because R keeps what they learned.

refuse_row_dependence <- function(terms, model, labelled) {
  n <- nrow(model)
  if (n < 2L) {
    return(invisible())
  }
  # Odd and even rows look alike, so that a failure is one of the term.
  strict <- list(
    rev(probe_rows(seq_len(n))),
    probe_rows(seq(1L, n, 2L)),
    probe_rows(seq(2L, n, 2L))
  )
  for (rows in strict) {
    probe(terms, model, labelled, rows, strict = TRUE)
  }
  for (rows in unlike_rows(labelled, n)) {
    if (length(rows)) {
      probe(terms, model, labelled, probe_rows(rows), strict = FALSE)
    }
  }
}

# At most so many rows, spread evenly.
probe_rows <- function(rows, most = 500L) {
  if (length(rows) <= most) {
    return(rows)
  }
  rows[unique(round(seq(1, length(rows), length.out = most)))]
}

# Rows among which a mean, a maximum, a median or the levels present differ from those
# of all: halves, and of each variable the smallest or largest value alone, or without.
unlike_rows <- function(labelled, n) {
  half <- n %/% 2L
  found <- list(seq_len(half), (half + 1L):n)
  for (x in unclass_list(labelled)) {
    if (length(dim(x)) == 2L) {
      x <- x[, 1L]
    }
    order <- if (is.numeric(x)) x else rank(as.character(x), ties.method = "min")
    ends <- range(order)
    if (ends[[1L]] < ends[[2L]]) {
      found <- c(found, list(
        which(order == ends[[1L]]), which(order == ends[[2L]]),
        which(order > ends[[1L]]), which(order < ends[[2L]])
      ))
    }
  }
  found
}

probe <- function(terms, model, labelled, rows, strict) {
  part <- take_rows(labelled, rows)
  calls <- as.list(attr(terms, "predvars"))[-1L]
  for (i in seq_along(calls)) {
    if (is.symbol(calls[[i]])) {
      next
    }
    # A warning such as "NaNs produced" is harmless where all rows gave it too.
    alone <- tryCatch(
      suppressWarnings(eval(calls[[i]], unclass_list(part), environment(terms))),
      error = function(e) NULL
    )
    # A factor may fail for rows that lack a level, as relevel() and C() do.
    failed <- is.null(alone) && strict && !is.factor(model[[i]])
    if (failed || !is.null(alone) && !agrees(model[[i]], alone, rows)) {
      stop_row_dependence(names(model)[[i]])
    }
  }
}

stop_row_dependence <- function(name) {
  synth_stop(sprintf(
    paste(
      "The term '%s' depends on which other rows are present, so it would mean",
      "something else in each source. Use scale(), poly(), ns() or bs(), which are",
      "learned once on the labelled rows, or compute the column beforehand."
    ), name
  ), "FormulaError")
}

# Whether values computed on some rows alone are those that all rows gave.
agrees <- function(whole, alone, rows) {
  if (NROW(alone) != length(rows) || NCOL(alone) != NCOL(whole)) {
    return(FALSE)
  }
  if (!is.numeric(whole) || !is.numeric(alone)) {
    before <- as.character(take(whole, rows))
    return(identical(is.na(before), is.na(after <- as.character(alone))) &&
      all(before == after, na.rm = TRUE))
  }
  before <- as.matrix(take(whole, rows))
  after <- as.matrix(alone)
  scale <- apply(abs(as.matrix(whole)), 2L, max)
  scale[!is.finite(scale)] <- 1
  near <- 1e-9 * rep(scale, each = length(rows))
  same <- abs(after - before) <= near | before == after
  all(same %in% TRUE)
}
