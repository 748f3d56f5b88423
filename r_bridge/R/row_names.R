# Without `on = `, units are matched by row names. Three cases are told apart, since R
# numbers the rows of every data frame:
# * Row names that are text were given by someone: they identify units.
# * Row names 1 to n in two frames of the same number of rows: rows correspond by
#   position, unless a column that both have says that they do not (row_order.R).
# * Other numbers (what subset() and order() leave behind, or 1 to n in frames of
#   different length) count rows of a frame that is no longer there. They are matched
#   only where the two frames prove that they count the same rows: columns that both
#   have, without repeated rows, agree wherever the numbers do. So
#   `labelled <- subset(all, !is.na(y))` goes with `proxy = all`, but not with a file
#   of guesses in an order of its own; that needs `on = `.

row_name_ids <- function(data, sources, variables) {
  ids <- lapply(sources, function(source) source_row_names(data, source))
  refuse_shuffled_rows(data, sources[vapply(ids, is.null, NA)], variables)
  list(data = new_id(list(row_names(data))), sources = ids)
}

row_names <- function(frame) {
  internal <- .row_names_info(frame, 0L)
  if (counts_rows(frame)) seq_len(n_rows(frame)) else internal
}

has_text_names <- function(frame) is.character(.row_names_info(frame, 0L))

counts_rows <- function(frame) {
  internal <- .row_names_info(frame, 0L)
  is.null(internal) || (length(internal) == 2L && is.na(internal[[1L]]))
}

# The id of a source, NULL where its rows are those of data by position.
source_row_names <- function(data, source) {
  frame <- source$frame
  if (has_text_names(data) != has_text_names(frame)) {
    refuse_mixed_names(data, source)
  }
  if (has_text_names(data)) {
    return(new_id(list(row_names(frame))))
  }
  if (counts_rows(data) && counts_rows(frame) && n_rows(data) == n_rows(frame)) {
    refuse_other_order(data, source)
    return(NULL)
  }
  if (.row_names_info(data) < 0L && .row_names_info(frame) < 0L) {
    synth_stop(sprintf(
      paste(
        "data and source '%s' have automatic row names and different numbers of rows",
        "(%d and %d), so it is not known which rows belong together. Name the",
        "column that identifies units, as in on = \"id\"."
      ), source$name, n_rows(data), n_rows(frame)
    ), "AlignmentError")
  }
  refuse_other_numbers(data, source)
  new_id(list(row_names(frame)))
}

refuse_mixed_names <- function(data, source) {
  named <- has_text_names(data)
  rows <- row_names(if (named) data else source$frame)
  other <- if (named) source$frame else data
  key <- Find(
    function(name) any(rows[seq_len(min(5L, length(rows)))] %in% column(other, name)),
    names(other)
  )
  place <- sprintf("source '%s'", source$name)
  synth_stop(sprintf(
    paste(
      "The units of %s are its row names (%s), but %s has only numbered rows%s, which",
      "would be matched by position. Name a column that identifies units in both, as",
      "in on = \"id\", or give both row names."
    ),
    if (named) "data" else place, format_units(rows), if (named) place else "data",
    if (is.null(key)) "" else sprintf(" (and a column '%s' with such values)", key)
  ), "AlignmentError")
}

# Raise where rows that would go by position have an identifier in another order.
refuse_other_order <- function(data, source) {
  ours <- identifiers(data)
  theirs <- identifiers(source$frame)
  agreed <- vapply(intersect(names(ours), names(theirs)), function(name) {
    looks_like_id(name) && identical(alike(ours[[name]], theirs[[name]])[["a"]],
      alike(ours[[name]], theirs[[name]])[["b"]])
  }, NA)
  if (any(agreed)) {
    return(invisible())
  }
  for (name in names(source$frame)) {
    for (own in names(ours)) {
      a <- ours[[own]]
      b <- theirs[[name]]
      same <- same_name(own, name)
      if (same && looks_like_id(own)) {
        # Replicates repeat it, so that it need not tell rows of the source apart.
        b <- comparable(column(source$frame, name))
        refused <- !is.null(b) && (in_other_rows(a, b) || differ(a, b))
      } else {
        # A column of another name can be an identifier, but numbers agree by chance,
        # unless both are named like one, and neither frame has the other's.
        named <- same || is.character(b) ||
          looks_like_id(own) && looks_like_id(name) &&
            !own %in% names(source$frame) && !name %in% names(data)
        refused <- !is.null(b) && named && in_other_rows(a, b)
      }
      if (refused) {
        refuse_position(source, own, name)
      }
    }
  }
}

# Columns whose values tell rows apart.
identifiers <- function(frame) {
  found <- lapply(stats::setNames(nm = names(frame)), function(name) {
    identifier(column(frame, name))
  })
  Filter(Negate(is.null), found)
}

# Text or numbers without repetition, of which a few may be missing; else NULL.
identifier <- function(x) {
  x <- comparable(x)
  known <- x[!is.na(x)]
  if (length(known) < 2L || length(known) < 0.5 * length(x) || anyDuplicated(known)) {
    return(NULL)
  }
  x
}

same_name <- function(a, b) {
  plain <- function(name) gsub("[^a-z0-9]", "", tolower(name))
  a == b || plain(a) == plain(b) && nzchar(plain(a))
}

looks_like_id <- function(name) {
  grepl("(^|[^a-z])(id|ids|uid|uuid|unit|key|doi|isbn)$", tolower(name)) ||
    grepl("[a-z](ID|Id)$", name)
}

# Whether most values of `b` are in `a`, and some of these in another row.
in_other_rows <- function(a, b) {
  both <- alike(a, b)
  at <- match(both$b, both$a, incomparables = NA)
  found <- !is.na(at)
  any(found & at != seq_along(at)) && sum(found) >= 0.5 * sum(!is.na(both$b))
}

differ <- function(a, b) {
  both <- alike(a, b)
  any(both$a != both$b, na.rm = TRUE)
}

# Identifiers may be numbers in one frame and text in the other.
alike <- function(a, b) {
  if (is.character(a) != is.character(b)) {
    a <- as_text(a)
    b <- as_text(b)
  }
  list(a = a, b = b)
}

as_text <- function(x) if (is.character(x)) x else ifelse(is.na(x), NA, sprintf("%.15g", x))

refuse_position <- function(source, own, name) {
  advice <- if (own == name) {
    sprintf("Set on = \"%s\" if it identifies units, or sort both alike.", name)
  } else {
    sprintf(
      "Give both one name and set on = \"%s\", or sort both alike.", own
    )
  }
  synth_stop(sprintf(
    paste(
      "data and source '%s' would be matched by position, but %s. %s (A column that",
      "identifies nothing and goes by another order: leave it out of the source.)"
    ), source$name,
    if (own == name) {
      sprintf("both have a column '%s' with other values in the same rows", name)
    } else {
      sprintf(
        paste(
          "column '%s' of data and column '%s' of the source have the same values in",
          "other rows"
        ), own, name
      )
    }, advice
  ), "AlignmentError")
}

# Raise unless equal row numbers are shown to mean equal rows.
refuse_other_numbers <- function(data, source) {
  frame <- source$frame
  at <- match(row_names(data), row_names(frame))
  found <- which(!is.na(at))
  # A frame that still has all its rows must have those that the other has left.
  whole <- function(x) .row_names_info(x) < 0L
  complete <- (!whole(frame) || length(found) == n_rows(data)) &&
    (!whole(data) || all(row_names(frame) %in% row_names(data)))
  if (complete && length(found) && same_rows(data, frame, found, at[found])) {
    return(invisible())
  }
  rows <- lapply(list(data, frame), function(x) {
    some_units(new_id(list(row_names(x))))
  })
  synth_stop(sprintf(
    paste(
      "The row names of data (%s) and of source '%s' (%s) are numbers, left from the",
      "frames that they were taken from, and no columns show that these are the same",
      "rows. Name the column that identifies units, as in on = \"id\", or give both",
      "frames row names that are text."
    ), rows[[1L]], source$name, rows[[2L]]
  ), "AlignmentError")
}

same_rows <- function(data, frame, rows, at) {
  shared <- list()
  for (name in intersect(names(data), names(frame))) {
    a <- comparable(column(data, name))
    b <- comparable(column(frame, name))
    if (is.null(a) || is.null(b) || is.character(a) != is.character(b)) {
      next
    }
    a <- a[rows]
    b <- b[at]
    if (!isTRUE(all(a == b | (is.na(a) & is.na(b)), na.rm = TRUE)) ||
      any(is.na(a) != is.na(b))) {
      next
    }
    if (!anyDuplicated(a)) {
      return(TRUE)
    }
    shared[[length(shared) + 1L]] <- a
  }
  length(shared) > 0L && !anyDuplicated(joint_keys(list(shared))[[1L]])
}

# Text or numbers without class, or NULL where a column has neither.
comparable <- function(x) {
  if (is.factor(x)) {
    return(as.character(x))
  }
  if (!is.atomic(x) || !is.null(dim(x)) || is.complex(x) || is.raw(x)) {
    return(NULL)
  }
  x <- as.vector(unclass(x))
  if (is.character(x)) x else as.double(x)
}
