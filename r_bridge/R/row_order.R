# Rows that would go by position although a column says that they are of other units.
#
# Frames that share a column with the same values in another order were shuffled or
# sorted differently; matched by position a source would explain nothing, without a
# word. An identifier is enough for that (row_names.R), and so is a column that tells
# many rows apart, or several with few values each. The same rules, and the same
# numbers, as in statsmodels_synth/data/row_order.py.

# Fewer rows may be in another order by chance.
min_rows <- 5L
# Columns of fewer values may have the same counts by design: quotas, treatments.
min_values <- 20L

# `by_position`: the sources whose rows are those of data. The outcome is what frames
# are meant to disagree on.
refuse_shuffled_rows <- function(data, by_position, variables) {
  frames <- c(
    list(list(label = "data", frame = data)),
    lapply(by_position, function(source) {
      list(label = sprintf("source '%s'", source$name), frame = source$frame)
    })
  )
  for (k in seq_along(frames)[-1L]) {
    # Sources are compared with each other in what data does not have.
    known <- variables$response
    for (first in frames[seq_len(k - 1L)]) {
      refuse_shuffled_pair(first, frames[[k]], known, variables$all)
      known <- union(known, names(first$frame))
    }
  }
}

refuse_shuffled_pair <- function(first, second, known, regressors) {
  shared <- setdiff(intersect(names(first$frame), names(second$frame)), known)
  # Those that are no variables of the formula first: they may name units.
  shared <- shared[order(shared %in% regressors)]
  suspects <- list()
  for (name in shared) {
    pair <- compared(column(first$frame, name), column(second$frame, name))
    if (is.null(pair)) {
      next
    }
    if (any(pair$differ)) {
      suspects[[name]] <- pair
    } else if (says_which_unit(pair$a, name)) {
      return(invisible())
    }
  }
  same <- Filter(function(pair) same_counts(list(pair)), suspects)
  many <- vapply(same, function(pair) many_values(pair$a), NA)
  if (any(many)) {
    stop_shuffled(first$label, second$label, same[many][1L], regressors)
  }
  # Few values each, as in quotas: only together are they too many for a design.
  if (length(same) > 1L && same_counts(same) && many_values(cells(same)$a)) {
    stop_shuffled(first$label, second$label, same, regressors)
  }
}

# list(a, b, differ), or NULL where two columns have nothing to compare.
compared <- function(x, y) {
  if (is.logical(x) || is.logical(y)) {
    return(NULL)
  }
  both <- list(a = comparable(x), b = comparable(y))
  if (is.null(both$a) || is.null(both$b)) {
    return(NULL)
  }
  both <- alike(both$a, both$b)
  differ <- both$a != both$b
  if (sum(!is.na(differ)) < min_rows) {
    return(NULL)
  }
  c(both, list(differ = differ %in% TRUE))
}

# Whether rows that agree in a column must be of one unit.
says_which_unit <- function(x, name) {
  counter <- grepl("^(x|x\\.1|row|rownames|index)?$", tolower(name))
  if (counter || !many_values(x)) {
    return(FALSE)
  }
  # Both may have been sorted by it, each with its own order of ties.
  known <- x[!is.na(x)]
  sorted <- !is.unsorted(known) || !is.unsorted(rev(known))
  !sorted || !anyDuplicated(known)
}

many_values <- function(x) length(unique(x)) >= min(min_values, length(x))

# Whether columns, taken together, have every value as often in both frames.
same_counts <- function(pairs) {
  both <- cells(pairs)
  sorted <- function(x) sort(x, method = "radix", na.last = TRUE)
  identical(sorted(both$a), sorted(both$b))
}

# One vector for either frame that tells the combinations of values apart.
cells <- function(pairs) {
  if (length(pairs) == 1L) {
    return(pairs[[1L]][c("a", "b")])
  }
  keys <- joint_keys(lapply(c("a", "b"), function(side) {
    unname(lapply(pairs, `[[`, side))
  }))
  stats::setNames(keys, c("a", "b"))
}

stop_shuffled <- function(first, second, pairs, regressors) {
  names <- names(pairs)
  rows <- utils::head(which(Reduce(`|`, lapply(pairs, `[[`, "differ"))), 3L)
  shown <- function(side, row) {
    values <- lapply(pairs, function(pair) pair[[side]][[row]])
    paste(vapply(values, format_labels, ""), collapse = ", ")
  }
  examples <- vapply(rows, function(row) {
    sprintf(
      "row %d has %s in %s and %s in %s", row, shown("a", row), first, shown("b", row),
      second
    )
  }, "")
  one <- length(pairs) == 1L
  advice <- if (one && !names %in% regressors && !anyDuplicated(pairs[[1L]]$a)) {
    sprintf("Set on = \"%s\", in data too.", names)
  } else {
    "Name the column that identifies units, as in on = \"id\"."
  }
  synth_stop(sprintf(
    paste(
      "%s and %s have numbered rows only and would be matched by position, but column%s",
      "%s the same values in another order: %s. %s If rows do go by position, number",
      "them in a column of both frames and name it: on = \"row\"."
    ),
    first, second,
    sprintf("%s %s", if (one) "" else "s", paste0("'", names, "'", collapse = ", ")),
    if (one) "has" else "have", paste(examples, collapse = "; "), advice
  ), "AlignmentError")
}
