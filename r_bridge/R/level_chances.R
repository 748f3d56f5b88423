# Sources that give a probability of each level: list(llm = list(y = c(low = "p_low", ...))),
# columns of data by level. Such a source goes its way with the most probable level, in a
# column of its own; what crosses to Python are the probabilities.

# list(data, proxy, synthetic, chances = list of list(kind, key, columns, names, values)).
with_most_probable <- function(data, proxy, synthetic, target, formula) {
  read <- list(data = data, proxy = proxy, synthetic = synthetic, chances = list())
  if (!is.data.frame(data)) {
    return(read) # said later
  }
  for (kind in c("proxy", "synthetic")) {
    sources <- read[[kind]]
    nested <- is.list(sources) && !is.data.frame(sources)
    for (key in if (nested) names(sources)) {
      own <- sources[[key]]
      if (!is.list(own) || is.data.frame(own) || is.null(names(own))) {
        next
      }
      by_level <- names(own)[vapply(own, function(x) length(x) > 1L, NA)]
      if (length(by_level)) {
        check_by_level(by_level, key, own, target, formula, data)
        found <- most_probable(own[[by_level]], data)
        read$data <- as.data.frame(read$data) # a data.table has ways of its own
        column <- sprintf("most probable %s (%s, %s)", by_level, key, kind)
        read$data[[column]] <- found$level
        own[[by_level]] <- column
        read$chances <- c(
          read$chances, list(list(kind = kind, key = key, values = found$values))
        )
      }
      read[[kind]][[key]] <- unlist(own)
    }
  }
  used <- unlist(lapply(read$chances, function(x) attr(x$values, "columns")))
  if ("." %in% all.vars(formula)) {
    # What serves another purpose is no regressor.
    read$data <- read$data[setdiff(names(read$data), used)]
  }
  read
}

check_by_level <- function(by_level, key, own, target, formula, data) {
  refuse <- function(...) {
    said <- sprintf(...)
    gap <- if (startsWith(said, ":")) "" else " "
    synth_stop(sprintf("Source '%s'%s%s", key, gap, said))
  }
  outcome <- if (is.call(formula) && length(formula) == 3L) deparse1(formula[[2L]])
  if (length(by_level) > 1L || !identical(by_level, outcome)) {
    refuse(
      "has several columns for '%s'. Only the outcome may have one for each level.",
      setdiff(by_level, outcome)[[1L]]
    )
  }
  columns <- own[[by_level]]
  if (!has_levels(target)) {
    refuse(paste(
      "has several columns for the outcome '%s', which has no levels. Give one, or",
      "score = multinomial_logit() or ordered_logit()."
    ), by_level)
  }
  if (!is.character(columns) || anyNA(columns) || is.null(names(columns)) ||
    any(names(columns) == "") || anyDuplicated(names(columns))) {
    refuse("needs a column for each level of '%s', such as c(low = \"p_low\").", by_level)
  }
  for (name in columns) {
    if (!name %in% names(data)) {
      refuse(": data has no column '%s'.%s", name, suggest(name, names(data)))
    }
    if (!is.numeric(column(data, name))) {
      refuse(
        ": column '%s' is %s. Give probabilities.", name,
        describe_type(column(data, name))
      )
    }
  }
}

most_probable <- function(columns, data) {
  values <- vapply(
    columns, function(name) as.double(column(data, name)), numeric(n_rows(data))
  )
  values <- matrix(values, n_rows(data), dimnames = list(NULL, names(columns)))
  known <- !is.na(rowSums(values))
  level <- rep(NA_character_, nrow(values))
  level[known] <- names(columns)[max.col(values[known, , drop = FALSE], "first")]
  list(level = level, values = structure(values, columns = unname(columns)))
}

# Each such source with the probabilities of its rows, in the order of the levels.
with_chances <- function(design, chances) {
  for (own in chances) {
    shown <- c(own$key, sprintf("%s (%s)", own$key, own$kind))
    m <- which(vapply(design$sources, function(source) {
      source$kind == own$kind && source$name %in% shown
    }, NA))
    source <- design$sources[[m]]
    if (!setequal(colnames(own$values), design$ylevels)) {
      synth_stop(sprintf(
        "%s has columns for the levels %s. Give one for each level, named as it: %s.",
        source_label(source), format_units(colnames(own$values), 10L),
        format_units(design$ylevels, 10L)
      ))
    }
    rows <- if (is.null(source$units)) seq_along(design$units) else source$units
    if (!is.null(design$subset)) {
      rows <- design$subset[rows]
    }
    design$sources[[m]]$chances <- unname_matrix(
      own$values[rows, design$ylevels, drop = FALSE]
    )
  }
  design
}
